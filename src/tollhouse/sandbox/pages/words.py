"""Amounts, times and objects in words for people."""

from __future__ import annotations

import datetime as dt
from typing import Final

from tollhouse.sandbox.values import Obj

SIGNS: Final = {"usd": "$", "eur": "€", "gbp": "£"}
# Currencies whose amounts are in whole units. Source: docs.stripe.com/currencies#zero-decimal.
WHOLE: Final = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
)


def write_money(amount_minor: int, currency: str) -> str:
    """Return an amount in minor units as `$1,234.50` or `1,234.50 SEK`."""
    sign = "-" if amount_minor < 0 else ""
    whole, rest = divmod(abs(amount_minor), 1 if currency in WHOLE else 100)
    digits = f"{whole:,}" if currency in WHOLE else f"{whole:,}.{rest:02}"
    return f"{sign}{SIGNS[currency]}{digits}" if currency in SIGNS else f"{sign}{digits} {currency.upper()}"


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
    cost = "tiered" if amount is None else write_money(amount, price["currency"])
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
