"""Amounts, times and objects in words for people."""

from __future__ import annotations

import datetime as dt

from tollhouse.sandbox.money import show
from tollhouse.sandbox.values import Obj


def write_day(time: int) -> str:
    """Return a time in seconds since 1970 as `15 January 2027`, in UTC."""
    at = dt.datetime.fromtimestamp(time, dt.UTC)
    return f"{at.day} {at:%B %Y}"


def write_moment(time: int) -> str:
    """Return a time in seconds since 1970 as `2027-01-15 08:00:00`, in UTC."""
    return f"{dt.datetime.fromtimestamp(time, dt.UTC):%Y-%m-%d %H:%M:%S}"


def write_rhythm(price: Obj) -> str:
    """Return how often a price is charged: `per month`, `every 3 months`, or nothing for once."""
    recurring = price["recurring"]
    if recurring is None:
        return ""
    count: int = recurring["interval_count"]
    return f"per {recurring['interval']}" if count == 1 else f"every {count} {recurring['interval']}s"


def write_price(price: Obj) -> str:
    """Return what one unit costs: `$10.00 per month`."""
    amount = price["unit_amount"]
    cost = "tiered" if amount is None else show(amount, price["currency"])
    return f"{cost} {write_rhythm(price)}".rstrip()


def write_method(method: Obj) -> str:
    """Return a payment method as its owner knows it: `Visa ending in 4242`."""
    kind: str = method["type"]
    part: Obj = method.get(kind) or {}
    name = str(part.get("brand") or part.get("bank_name") or write_status(kind))
    return f"{name[:1].upper()}{name[1:]} ending in {part['last4']}" if part.get("last4") else name


def write_status(status: str) -> str:
    """Return a word of the API's without its underscores."""
    return status.replace("_", " ")
