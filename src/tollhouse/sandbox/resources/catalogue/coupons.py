"""Coupons. Source: docs.stripe.com/api/coupons."""

from __future__ import annotations

import re
from typing import Any, Final

from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.catalogue import price_terms as terms
from tollhouse.sandbox.resources.registry import Params, includable, operation, readable
from tollhouse.sandbox.state.world import HIDDEN, World, action, merge_metadata
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/coupons"
NAME_MAX: Final = 40
OWN_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,200}\Z")

readable("coupon", PATH)


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create a coupon: a part off, or an amount off."""
    _check(world, params)
    id = params.get("id") or world.ids.of("coupon")
    coupon = world.new("coupon", id=id, duration=params.get("duration", "once"), valid=True)
    fields = ("duration_in_months", "max_redemptions", "percent_off", "redeem_by", "amount_off")
    coupon |= {name: params[name] for name in fields if name in params}
    if "amount_off" in params:
        coupon["currency"] = terms.read_currency(params["currency"])
    coupon |= {"name": params.get("name") or None, "metadata": merge_metadata({}, params.get("metadata"))}
    coupon[HIDDEN] = {"currency_options": _read_options(coupon, params)}
    if params.get("applies_to", {}).get("products"):
        coupon[HIDDEN]["applies_to"] = _read_products(world, params["applies_to"]["products"])
    world.save(coupon)
    if coupon["redeem_by"]:
        world.schedule("coupon.lapse", coupon, coupon["redeem_by"])
    world.emit("coupon.created", coupon)
    return coupon


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a coupon's name, metadata or further currencies; what it takes off stays."""
    coupon = world.get("coupon", id)
    changes: dict[str, Any] = {}
    if "name" in params:
        _check_name(params["name"])
        changes["name"] = params["name"] or None
    if "metadata" in params:
        changes["metadata"] = merge_metadata(coupon["metadata"], params["metadata"])
    if "currency_options" in params:
        options = {**coupon[HIDDEN]["currency_options"], **_read_options(coupon, params)}
        changes[HIDDEN] = {**coupon[HIDDEN], "currency_options": options}
    return world.change(coupon, changes, "coupon.updated")


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete a coupon; discounts already given stay."""
    coupon = world.get("coupon", id)
    world.cancel("coupon.lapse", coupon)
    return world.remove(coupon, "coupon.deleted")


@includable("coupon", "applies_to")
def applies_to(world: World, coupon: Obj) -> Obj | None:
    """The products it is limited to."""
    products = _hidden(world, coupon).get("applies_to")
    return None if products is None else {"products": products}


@includable("coupon", "currency_options")
def currency_options(world: World, coupon: Obj) -> Obj | None:
    """What it takes off in each currency."""
    options: Obj = _hidden(world, coupon).get("currency_options", {})
    return (
        None if coupon["amount_off"] is None else {coupon["currency"]: {"amount_off": coupon["amount_off"]}, **options}
    )


@action("coupon.lapse")
def lapse(world: World, id: str) -> None:
    """Its last day is over."""
    coupon = world.find("coupon", id)
    if coupon is not None:
        world.change(coupon, {"valid": False})


def redeem(world: World, coupon: Obj) -> Obj:
    """Count a redemption. Raises `StripeError` 400 `coupon_expired` unless it can still be redeemed."""
    if not coupon["valid"]:
        raise invalid(f"Coupon expired: {coupon['id']}", "coupon", "coupon_expired")
    count = coupon["times_redeemed"] + 1
    is_left = coupon["max_redemptions"] is None or count < coupon["max_redemptions"]
    return world.change(coupon, {"times_redeemed": count, "valid": is_left})


def _check(world: World, params: Params) -> None:
    """Raise what is wrong about a new coupon's parameters."""
    _check_terms(params)
    if "max_redemptions" in params and params["max_redemptions"] < 1:
        raise invalid("This value must be greater than or equal to 1.", "max_redemptions", "parameter_invalid_integer")
    if "redeem_by" in params and params["redeem_by"] <= world.now():
        raise invalid("Invalid timestamp: must be in the future", "redeem_by")
    _check_name(params.get("name", ""))
    id = params.get("id")
    if id and not OWN_ID.match(id):
        raise invalid(f"Invalid coupon id: {id}", "id")
    if id and world.find("coupon", id) is not None:
        raise StripeError("Coupon already exists.", code="resource_already_exists", param="id")


def _check_terms(params: Params) -> None:
    """Raise what is wrong about what a coupon takes off, and how often."""
    if ("percent_off" in params) == ("amount_off" in params):
        raise invalid("Must provide percent_off or amount_off to create a coupon, and not both.", "percent_off")
    if "percent_off" in params and not 0 < params["percent_off"] <= 100:
        raise invalid("Invalid percent_off: must be between 1 and 100", "percent_off")
    if "amount_off" in params and "currency" not in params:
        raise invalid("You must pass currency when passing amount_off", "currency")
    if "amount_off" in params and params["amount_off"] < 1:
        raise invalid("Invalid positive integer", "amount_off", "parameter_invalid_integer")
    repeats = params.get("duration", "once") == "repeating"
    if repeats and params.get("duration_in_months", 0) < 1:
        raise invalid("You must pass duration_in_months when passing duration=repeating", "duration_in_months")
    if not repeats and "duration_in_months" in params:
        raise invalid("You may only pass duration_in_months when passing duration=repeating", "duration_in_months")


def _check_name(name: str) -> None:
    if len(name) > NAME_MAX:
        raise invalid(f"Invalid string: {name[:9]}...; must be at most {NAME_MAX} characters", "name")


def _read_options(coupon: Obj, params: Params) -> Obj:
    options: Obj = {}
    for name, each in params.get("currency_options", {}).items():
        currency = terms.read_currency(name, f"currency_options[{name}]")
        if coupon["amount_off"] is None:
            raise invalid("You may only pass currency_options when passing amount_off.", "currency_options")
        if currency != coupon["currency"]:
            options[currency] = {"amount_off": each["amount_off"]}
    return options


def _read_products(world: World, ids: list[str]) -> list[str]:
    return [world.get("product", id, param="applies_to[products]")["id"] for id in ids]


def _hidden(world: World, coupon: Obj) -> Obj:
    """Return what a coupon keeps to itself: looked up, since an embedded copy may lack it."""
    return (world.find("coupon", coupon["id"]) or coupon).get(HIDDEN, {})
