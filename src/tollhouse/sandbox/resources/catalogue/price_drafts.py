"""Prices before they belong to a product: what a request says of them, read and checked."""

from __future__ import annotations

from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.catalogue import price_terms as terms
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj, is_object


def draft(world: World, given: Obj, at: str) -> Obj:
    """Return a price with its terms, not yet saved and of no product."""
    currency = terms.read_currency(given["currency"], name_in(at, "currency"))
    price = world.new(
        "price", active=True, currency=currency, type="recurring" if given.get("recurring") else "one_time"
    )
    price |= {"recurring": terms.read_recurring(given.get("recurring"), name_in(at, "recurring")), HIDDEN: {}}
    price["tax_behavior"] = given.get("tax_behavior", "unspecified")
    if given.get("billing_scheme") == "tiered" or "tiers" in given:
        price |= {"billing_scheme": "tiered", "tiers_mode": given.get("tiers_mode")}
        if price["tiers_mode"] is None:
            raise parameter_missing(name_in(at, "tiers_mode"))
        price[HIDDEN]["tiers"] = terms.read_tiers(given.get("tiers", []), name_in(at, "tiers"))
    else:
        price |= _read_plain(given, at) | {
            "billing_scheme": "per_unit",
            "transform_quantity": given.get("transform_quantity"),
        }
    price[HIDDEN]["currency_options"] = read_options(price, given.get("currency_options") or {}, at)
    return price


def _read_plain(given: Obj, at: str) -> Obj:
    """Return the amount of a price that is not tiered: one number, or what its customer says."""
    custom = terms.read_custom(given.get("custom_unit_amount"))
    if custom is None and not any(name in given for name in ("unit_amount", "unit_amount_decimal")):
        raise invalid(
            "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set.", name_in(at, "unit_amount")
        )
    if custom is not None and given.get("recurring"):
        raise invalid("You cannot use `custom_unit_amount` with recurring prices.", name_in(at, "custom_unit_amount"))
    return {**terms.read_amounts(given, at), "custom_unit_amount": custom}


def read_options(price: Obj, given: Obj, at: str = "") -> Obj:
    """Return the amounts in further currencies, each with all its fields."""
    options: Obj = {}
    for name, each in given.items():
        param = f"{name_in(at, 'currency_options')}[{name}]"
        currency = terms.read_currency(name, param)
        if currency == price["currency"] or not is_object(each):
            continue  # what the price itself says goes before
        options[currency] = {
            "custom_unit_amount": terms.read_custom(each.get("custom_unit_amount")),
            "tax_behavior": each.get("tax_behavior", "unspecified"),
            **terms.read_amounts(each, param),
        }
        if "tiers" in each:
            options[currency]["tiers"] = terms.read_tiers(each["tiers"], f"{param}[tiers]")
    return options


def announce(world: World, price: Obj) -> Obj:
    """Save a new price and tell of it."""
    world.save(price)
    world.emit("price.created", price)
    return price


def name_in(at: str, field: str) -> str:
    """Return a parameter's bracketed name within what it lies in."""
    return f"{at}[{field}]" if at else field
