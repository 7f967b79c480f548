"""What a Checkout session comes to: its items' amounts, with discounts and shipping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tollhouse.sandbox import money
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.catalogue import discounts, prices, promotion_codes
from tollhouse.sandbox.resources.checkout.checkout_items import is_recurring
from tollhouse.sandbox.resources.registry import Params, includable
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, part

AMOUNT_MIN: Final = 50  # in minor units, which is right for the dollar and near enough for others


def reckon(world: World, session: Obj) -> None:
    """Set the amounts of the session and of each of its items, with its discounts and its shipping."""
    items: list[Obj] = session[HIDDEN]["items"]
    for item in items:
        subtotal = _cost_today(session, item)
        item |= {"amount_subtotal": subtotal, "amount_discount": 0, "amount_tax": 0, "amount_total": subtotal}
    for given in session["discounts"] or ():
        _take_off(world.get("coupon", given["coupon"], param="discounts"), items, session["currency"])
    shipping = part(session["shipping_cost"]).get("amount_total", 0)
    session["amount_subtotal"] = sum(item["amount_subtotal"] for item in items)
    session["amount_total"] = sum(item["amount_total"] for item in items) + shipping
    session["total_details"] = {
        "amount_discount": sum(item["amount_discount"] for item in items),
        "amount_shipping": shipping,
        "amount_tax": 0,
    }


def check_amount(session: Obj) -> None:
    """Raise `StripeError` 400 for an amount that is too small to be charged but is not nothing."""
    if 0 < session["amount_total"] < AMOUNT_MIN:
        least = money.show(AMOUNT_MIN, session["currency"])
        raise invalid(
            f"The Checkout Session's total amount due must add up to at least {least}", code="amount_too_small"
        )


def choose_discounts(world: World, session: Obj, given: Sequence[Params] | None) -> list[Obj]:
    """Return the session's `discounts` for coupons or promotion codes that its buyer can redeem.

    Raises `StripeError` 400 for others, and for more than one.
    """
    if len(given or ()) > 1:
        raise invalid("You may only specify one discount.", "discounts")
    asked = discounts.read_asked(world, given, customer=session["customer"])
    for each in asked:
        discounts.check_currency(each.coupon, session["currency"])
    return [{"coupon": each.coupon["id"], "promotion_code": each.promotion_code} for each in asked]


def apply_code(world: World, session: Obj, code: str) -> Obj:
    """Let a session's buyer redeem a promotion code as it was typed in, and return the session.

    Raises `StripeError` 400 if the session takes none or the code is not good for it.
    """
    if not session["allow_promotion_codes"] or session["status"] != "open":
        raise invalid("This Checkout Session does not take promotion codes.", "promotion_code")
    promotion = promotion_codes.find_active(
        world,
        code,
        customer=session["customer"],
        amount=session["amount_subtotal"],
        currency=session["currency"],
    )
    if promotion is None:
        raise invalid(f"This code is invalid: {code}", "promotion_code")
    session["discounts"] = choose_discounts(world, session, [{"promotion_code": promotion["id"]}])
    reckon(world, session)
    check_amount(session)
    return world.save(session)


def drop_code(world: World, session: Obj) -> Obj:
    """Take back the promotion code that a session's buyer typed in, and return the session."""
    if session["allow_promotion_codes"] and session["status"] == "open":
        session["discounts"] = []
        reckon(world, session)
        world.save(session)
    return session


@includable("checkout.session", "total_details.breakdown")
def break_down(world: World, session: Obj) -> Obj:
    """What the discount and the tax of a session consist of; a discount exists once the session is complete."""
    redeemed = world.every("discount", checkout_session=session["id"])
    if session["subscription"] is not None:
        redeemed = world.every("discount", subscription=session["subscription"])
    amount = part(session["total_details"]).get("amount_discount", 0)
    return {"discounts": [{"amount": amount, "discount": each} for each in redeemed], "taxes": []}


def _cost_today(session: Obj, item: Obj) -> int:
    """Return what an item costs today before discounts, in minor units: nothing while a trial runs."""
    if session[HIDDEN]["has_trial"] and is_recurring(item):
        return 0
    return prices.amount(item["price"], item["quantity"], item["currency"])


def _take_off(coupon: Obj, items: list[Obj], currency: str) -> None:
    """Take a coupon off the items it applies to, shared out by what they cost."""
    fitting = [item for item in items if discounts.applies_to(coupon, item["price"]["product"])]
    whole = sum(item["amount_total"] for item in fitting)
    rest = discounts.amount_off(coupon, whole, currency)
    for item in fitting:
        # Each takes its part of what is left, so that the parts add up however they are rounded.
        share = rest * item["amount_total"] // whole if whole else 0
        whole -= item["amount_total"]
        rest -= share
        item["amount_discount"] += share
        item["amount_total"] -= share
