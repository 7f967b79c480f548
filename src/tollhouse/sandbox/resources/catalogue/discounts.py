"""Discounts: coupons as they were applied. Source: docs.stripe.com/api/discounts."""

from __future__ import annotations

import calendar
import datetime as dt
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tollhouse.sandbox.errors import invalid, missing
from tollhouse.sandbox.resources.catalogue import coupons, promotion_codes
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj


@dataclass(frozen=True, slots=True)
class Asked:
    """A discount that a request asks for: what of, and by which promotion code."""

    coupon: Obj
    promotion_code: str | None = None


def create(
    world: World,
    coupon: Obj,
    *,
    customer: str | None = None,
    subscription: str | None = None,
    invoice: str | None = None,
    checkout_session: str | None = None,
    promotion_code: str | None = None,
    replaces: Obj | None = None,
    **places: str | None,
) -> Obj:
    """Return a new discount, saved, and its coupon counted as redeemed; all but the coupon are ids.

    One on a customer or a subscription is told of as `customer.discount.created`, or `….updated` when it `replaces`
    another; `places` are `invoice_item` and `subscription_item`. Raises `StripeError` 400 when the coupon or the code
    cannot be redeemed any more.
    """
    if promotion_code is not None:
        promotion_codes.redeem(world, promotion_code)
    coupon = coupons.redeem(world, coupon)
    owner = world.find("customer", customer) or {}
    start = world.now_for(owner)
    discount = world.new(
        "discount",
        customer=customer,
        subscription=subscription,
        invoice=invoice,
        checkout_session=checkout_session,
        promotion_code=promotion_code,
        start=start,
        source={"coupon": coupon["id"], "type": "coupon"},
        **places,
    )
    if coupon["duration"] == "repeating":
        discount["end"] = _add_months(start, coupon["duration_in_months"])
    discount[HIDDEN] = {"coupon": coupon}  # what versions before clover show, whatever becomes of the coupon
    world.save(discount)
    if customer is not None and invoice is None and checkout_session is None:
        _announce(world, discount, replaces)
    return discount


def remove(world: World, discount: Obj) -> Obj:
    """Take a discount back, tell it, and return what stands in its place."""
    world.remove(discount, "customer.discount.deleted")
    return {name: value for name, value in discount.items() if name != "end"} | {"deleted": True}


def amount_off(coupon: Obj, amount: int, currency: str) -> int:
    """Return what a coupon takes off an amount, in minor units: at most all of it, halves rounded up.

    A coupon without an amount in this currency takes nothing off; see `check_currency`.
    """
    if coupon["percent_off"] is not None:
        exact = Decimal(amount) * Decimal(str(coupon["percent_off"])) / 100
        return int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    return min(max(amount, 0), _amounts(coupon).get(currency, 0))


def check_currency(coupon: Obj, currency: str, param: str = "discounts") -> None:
    """Raise `StripeError` 400 unless the coupon takes something off in this currency."""
    if coupon["percent_off"] is None and currency not in _amounts(coupon):
        raise invalid(
            f"The coupon `{coupon['id']}` takes an amount off in `{coupon['currency']}`, not in `{currency}`.", param
        )


def find_coupon(discount: Obj) -> Obj:
    """Return the coupon of a discount as it was when it was applied, also after it was deleted."""
    return discount[HIDDEN]["coupon"]


def applies_to(coupon: Obj, product: str) -> bool:
    """Say whether a coupon is good for a product, by its id."""
    products = coupon.get(HIDDEN, {}).get("applies_to")
    return products is None or product in products


def is_running(discount: Obj, time: int) -> bool:
    """Say whether a discount has not come to its end at a time."""
    return discount["end"] is None or time < discount["end"]


def read_asked(world: World, given: Any, param: str = "discounts", *, customer: str | None = None) -> list[Asked]:
    """Return the discounts asked for by `[{"coupon"} | {"promotion_code"} | {"discount"}]`, none of them created yet.

    Raises `StripeError` 400 for ids of nothing, and for codes and coupons that cannot be redeemed.
    """
    asked: list[Asked] = []
    for place, each in enumerate(given or ()):
        at = f"{param}[{place}]"
        if "promotion_code" in each:
            asked.append(read_code(world, each["promotion_code"], f"{at}[promotion_code]", customer=customer))
        elif "discount" in each:
            discount = world.get("discount", each["discount"], param=f"{at}[discount]")
            asked.append(Asked(find_coupon(discount), discount["promotion_code"]))
        elif each.get("coupon"):
            asked.append(read_coupon(world, each["coupon"], f"{at}[coupon]"))
        else:
            raise invalid("You must pass one of coupon, promotion_code or discount.", at)
    return asked


def read_coupon(world: World, id: str, param: str = "coupon") -> Asked:
    """Return the discount a coupon's id asks for. Raises `StripeError` 400 unless it can be redeemed."""
    coupon = world.find("coupon", id)
    if coupon is None:
        raise missing("coupon", id, param=param, status=400)
    if not coupon["valid"]:
        raise invalid(f"Coupon expired: {id}", param, "coupon_expired")
    return Asked(coupon)


def read_code(world: World, id: str, param: str = "promotion_code", *, customer: str | None = None) -> Asked:
    """Return the discount a promotion code's id asks for. Raises `StripeError` 400 unless it can be redeemed."""
    code = world.get("promotion_code", id, param=param)
    promotion_codes.check_usable(world, code, param, customer=customer)
    return Asked(read_coupon(world, code["promotion"]["coupon"], param).coupon, id)


def _announce(world: World, discount: Obj, replaces: Obj | None) -> None:
    if replaces is None:
        world.emit("customer.discount.created", discount)
        return
    previous = {name: value for name, value in replaces.items() if name != HIDDEN and discount.get(name) != value}
    world.emit("customer.discount.updated", discount, previous=previous)


def _amounts(coupon: Obj) -> dict[str, int]:
    options: Obj = coupon.get(HIDDEN, {}).get("currency_options", {})
    return {coupon["currency"]: coupon["amount_off"], **{name: each["amount_off"] for name, each in options.items()}}


def _add_months(start: int, months: int) -> int:
    """Return the same day and time so many months later, or that month's last day."""
    begun = dt.datetime.fromtimestamp(start, dt.UTC)
    years, month = divmod(begun.month - 1 + months, 12)
    year, month = begun.year + years, month + 1
    day = min(begun.day, calendar.monthrange(year, month)[1])
    return int(begun.replace(year=year, month=month, day=day).timestamp())
