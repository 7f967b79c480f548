"""Promotion codes: what a customer types in to redeem a coupon. Source: docs.stripe.com/api/promotion_codes."""

from __future__ import annotations

import re
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import Earlier
from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.catalogue import price_terms as terms
from tollhouse.sandbox.resources.registry import Params, includable, operation, readable
from tollhouse.sandbox.state.world import HIDDEN, World, action, merge_metadata
from tollhouse.sandbox.values import Obj, is_object

PATH: Final = "/v1/promotion_codes"
CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,500}\Z")
CODE_LENGTH: Final = 8

readable("promotion_code", PATH, listed=False)


@operation("POST", PATH, earlier={"coupon": Earlier(replaces="promotion")})
def create(world: World, params: Params, /) -> Obj:
    """Create a code of a coupon's: the one given, or a new one."""
    coupon = world.get("coupon", _coupon_id(params), param="promotion[coupon]")
    code = params.get("code") or world.ids.text(CODE_LENGTH).upper()
    if not CODE.match(code):
        raise invalid("Invalid code: use letters, digits, hyphens and underscores alone.", "code")
    promotion = world.new("promotion_code", code=code, active=params.get("active", True))
    promotion |= {"promotion": {"coupon": coupon["id"], "type": "coupon"}, "customer": params.get("customer")}
    promotion |= {name: params[name] for name in ("expires_at", "max_redemptions") if name in params}
    promotion["metadata"] = merge_metadata({}, params.get("metadata"))
    options = _set_restrictions(promotion, params.get("restrictions", {}))
    promotion[HIDDEN] = {"coupon": coupon, "currency_options": options}
    _check(world, promotion, coupon)
    world.save(promotion)
    if promotion["expires_at"]:
        world.schedule("promotion_code.lapse", promotion, promotion["expires_at"])
    world.emit("promotion_code.created", promotion)
    return promotion


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Switch a code on or off, or change its metadata."""
    promotion = world.get("promotion_code", id)
    changes: dict[str, Any] = {}
    if params.get("active") and not promotion["active"]:
        _check_revival(world, promotion)
    if "active" in params:
        changes["active"] = params["active"]
    if "metadata" in params:
        changes["metadata"] = merge_metadata(promotion["metadata"], params["metadata"])
    if "currency_options" in params.get("restrictions", {}):
        options = {**promotion[HIDDEN]["currency_options"], **_read_options(params["restrictions"])}
        changes[HIDDEN] = {**promotion[HIDDEN], "currency_options": options}
    return world.change(promotion, changes, "promotion_code.updated")


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List codes; one is found whatever the case of its letters."""
    code, coupon = params.get("code"), params.get("coupon")

    def fits(promotion: Obj) -> bool:
        has_code = code is None or promotion["code"].casefold() == code.casefold()
        return has_code and (coupon is None or promotion["promotion"]["coupon"] == coupon)

    equal = {name: params[name] for name in ("active", "customer") if name in params}
    return read_page(world, "promotion_code", params, PATH, where=fits if code or coupon else None, **equal)


@includable("promotion_code", "restrictions.currency_options")
def currency_options(world: World, promotion: Obj) -> Obj:
    """The least amounts in further currencies."""
    return (world.find("promotion_code", promotion["id"]) or promotion)[HIDDEN]["currency_options"]


@action("promotion_code.lapse")
def lapse(world: World, id: str) -> None:
    """Its last day is over."""
    promotion = world.find("promotion_code", id)
    if promotion is not None:
        world.change(promotion, {"active": False})


def find_active(world: World, code: str, *, customer: str | None, amount: int, currency: str) -> Obj | None:
    """Return the promotion code that this customer may redeem for this amount, or None.

    `code` is as it was typed in, in capitals or not; `amount` is in minor units.
    """
    for promotion in world.every("promotion_code", active=True):
        if promotion["code"].casefold() != code.strip().casefold():
            continue
        if _find_fault(world, promotion, customer) is None and amount >= _minimum(promotion, currency):
            return promotion
    return None


def check_usable(world: World, promotion: Obj, param: str, *, customer: str | None) -> None:
    """Raise `StripeError` 400 unless this customer may redeem the code."""
    fault = _find_fault(world, promotion, customer)
    if fault is not None:
        raise invalid(fault, param)


def redeem(world: World, id: str) -> None:
    """Count a redemption of a code; its last one ends it."""
    promotion = world.get("promotion_code", id, param="promotion_code")
    count = promotion["times_redeemed"] + 1
    is_left = promotion["max_redemptions"] is None or count < promotion["max_redemptions"]
    world.change(promotion, {"times_redeemed": count, "active": promotion["active"] and is_left})


def _find_fault(world: World, promotion: Obj, customer: str | None) -> str | None:
    """Return why this customer cannot redeem a code, or None."""
    coupon = world.find("coupon", promotion["promotion"]["coupon"])
    if not promotion["active"] or coupon is None or not coupon["valid"]:
        return "This promotion code cannot be redeemed because it is inactive, or its coupon is not valid any more."
    if promotion["customer"] not in {None, customer}:
        return "This promotion code cannot be redeemed because it belongs to a different customer."
    if promotion["restrictions"]["first_time_transaction"] and _has_paid(world, customer):
        return "This promotion code cannot be redeemed because the associated customer has prior transactions."
    return None


def _has_paid(world: World, customer: str | None) -> bool:
    """Say whether a customer has paid before, or has an invoice that stands."""
    if customer is None:
        return False
    paid = world.every("payment_intent", customer=customer, status="succeeded")
    return bool(paid) or any(each["status"] in {"paid", "open"} for each in world.every("invoice", customer=customer))


def _minimum(promotion: Obj, currency: str) -> int:
    """Return the least amount in this currency; one never reached where the code has none in it."""
    restrictions = promotion["restrictions"]
    if restrictions["minimum_amount"] is None:
        return 0
    if restrictions["minimum_amount_currency"] == currency:
        return restrictions["minimum_amount"]
    option: Obj = promotion[HIDDEN]["currency_options"].get(currency, {})
    return option.get("minimum_amount", terms.AMOUNT_MAX + 1)


def _coupon_id(params: Params) -> str:
    """Return the coupon named by `promotion`, or as versions before clover name it."""
    promotion = params.get("promotion")
    id = promotion.get("coupon") if is_object(promotion) else params.get("coupon")
    if not id:
        raise parameter_missing("promotion[coupon]")
    return id


def _set_restrictions(promotion: Obj, given: Obj) -> Obj:
    """Write the restrictions in full; return the least amounts in further currencies."""
    minimum, currency = given.get("minimum_amount"), given.get("minimum_amount_currency")
    if (minimum is None) != (currency is None):
        raise invalid("You must pass both minimum_amount and minimum_amount_currency.", "restrictions[minimum_amount]")
    promotion["restrictions"] = {
        "first_time_transaction": given.get("first_time_transaction", False),
        "minimum_amount": minimum,
        "minimum_amount_currency": currency and terms.read_currency(currency, "restrictions[minimum_amount_currency]"),
    }
    return _read_options(given)


def _read_options(given: Obj) -> Obj:
    options: Obj = given.get("currency_options", {})
    at = "restrictions[currency_options]"
    return {
        terms.read_currency(name, at): {"minimum_amount": each.get("minimum_amount", 0)}
        for name, each in options.items()
    }


def _check(world: World, promotion: Obj, coupon: Obj) -> None:
    """Raise what forbids a new code."""
    if promotion["customer"]:
        world.get("customer", promotion["customer"], param="customer")
    if promotion["expires_at"] is not None and promotion["expires_at"] <= world.now():
        raise invalid("Invalid timestamp: must be in the future", "expires_at")
    if coupon["redeem_by"] is not None and (promotion["expires_at"] or 0) > coupon["redeem_by"]:
        raise invalid("The code cannot expire after the coupon's redeem_by.", "expires_at")
    most = promotion["max_redemptions"]
    if most is not None and most < 1:
        raise invalid("This value must be greater than or equal to 1.", "max_redemptions", "parameter_invalid_integer")
    if promotion["active"]:
        _check_unique(world, promotion)


def _check_unique(world: World, promotion: Obj) -> None:
    for each in world.every("promotion_code", active=True, customer=promotion["customer"]):
        if each["code"].casefold() == promotion["code"].casefold() and each["id"] != promotion["id"]:
            raise invalid(f"An active promotion code with `code: {promotion['code']}` already exists.", "code")


def _check_revival(world: World, promotion: Obj) -> None:
    most, until = promotion["max_redemptions"], promotion["expires_at"]
    if (most is not None and promotion["times_redeemed"] >= most) or (until is not None and until <= world.now()):
        raise invalid("This promotion code has expired or was redeemed as often as it may be.", "active")
    _check_unique(world, promotion)
