"""Prices. Source: docs.stripe.com/api/prices."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.search import search
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.catalogue import price_drafts as drafts
from tollhouse.sandbox.resources.catalogue import price_terms as terms
from tollhouse.sandbox.resources.catalogue import products
from tollhouse.sandbox.resources.registry import Params, includable, operation, readable
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/prices"
LOOKUP_KEY_MAX: Final = 200
LOOKUP_KEYS_MAX: Final = 10

readable("price", PATH, listed=False)


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create a price of a product, which may be made along with it."""
    if ("product" in params) == ("product_data" in params):
        raise invalid("You must specify either `product` or `product_data` when creating a price.", "product")
    price = drafts.draft(world, params, "")
    price["product"] = _find_product(world, params, "", active=True)["id"]
    price["metadata"] = merge_metadata({}, params.get("metadata"))
    price |= {name: params[name] for name in ("active", "nickname") if name in params}
    if params.get("lookup_key"):
        price["lookup_key"] = _take_lookup_key(world, params)
    return drafts.announce(world, price)


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change what can still be changed; never the amount or the interval."""
    price = world.get("price", id)
    changes = {name: params[name] or None for name in ("nickname", "tax_behavior") if name in params}
    changes |= {name: params[name] for name in ("active",) if name in params}
    _check_update(world, price, changes)
    if "metadata" in params:
        changes["metadata"] = merge_metadata(price["metadata"], params["metadata"])
    if "lookup_key" in params:
        changes["lookup_key"] = _take_lookup_key(world, params, price) if params["lookup_key"] else None
    if "currency_options" in params:
        options = drafts.read_options(price, params["currency_options"] or {})
        changes[HIDDEN] = {**price[HIDDEN], "currency_options": {**_kept_options(price, params), **options}}
    return world.change(price, changes, "price.updated")


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List prices."""
    keys: list[str] | None = params.get("lookup_keys")
    recurring: Obj = params.get("recurring", {})
    if keys is not None and len(keys) > LOOKUP_KEYS_MAX:
        raise invalid(f"You can pass at most {LOOKUP_KEYS_MAX} lookup_keys.", "lookup_keys")

    def fits(price: Obj) -> bool:
        own: Obj = price["recurring"] or {}
        has_key = keys is None or price["lookup_key"] in keys
        return has_key and all(own.get(name) == value for name, value in recurring.items())

    equal = {name: params[name] for name in ("active", "currency", "product", "type") if name in params}
    return read_page(world, "price", params, PATH, where=fits if keys or recurring else None, **equal)


@operation("GET", PATH + "/search")
def find(world: World, params: Params, /) -> Page:
    """Search prices."""
    return search(world, "price", params, PATH + "/search")


@includable("price", "tiers")
def tiers(world: World, price: Obj) -> list[Obj] | None:
    """The tiers of a tiered price."""
    return _hidden(world, price).get("tiers")


@includable("price", "currency_options")
def currency_options(world: World, price: Obj) -> Obj:
    """The amounts in every currency, that of the price itself among them."""
    hidden = _hidden(world, price)
    fields = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    own = {name: price[name] for name in fields}
    if "tiers" in hidden:
        own["tiers"] = hidden["tiers"]
    return {price["currency"]: own, **hidden.get("currency_options", {})}


def unit_amount(price: Obj, currency: str) -> int:
    """Return what one costs, in minor units of a currency; the first one of a tiered price.

    Raises `StripeError` 400 for a currency it has no amount in.
    """
    return terms.multiply(price, 1, currency)


def amount(price: Obj, quantity: int, currency: str) -> int:
    """Return what a quantity costs, in minor units, tiers and all. Raises `StripeError` 400 as `unit_amount`."""
    return terms.multiply(price, quantity, currency)


def inline(world: World, price_data: Obj, param: str) -> Obj:
    """Return a new price out of `price_data`, good for this one use: it is saved and not active.

    Its product is given, or made of `product_data`. `param` names where it lies. Raises `StripeError` 400.
    """
    if ("product" in price_data) == ("product_data" in price_data):
        raise invalid(
            f"You must specify exactly one of these parameters: {param}[product], {param}[product_data].",
            f"{param}[product]",
        )
    price = drafts.draft(world, price_data, param)
    price["product"] = _find_product(world, price_data, param, active=False)["id"]
    price["active"] = False
    return drafts.announce(world, price)


def _kept_options(price: Obj, params: Params) -> Obj:
    """Return the options an update leaves alone: none when it empties them."""
    return price[HIDDEN].get("currency_options", {}) if params["currency_options"] else {}


def _find_product(world: World, given: Obj, at: str, *, active: bool) -> Obj:
    """Return the product named, or the one made of `product_data`."""
    if "product" in given:
        return world.get("product", given["product"], param=drafts.name_in(at, "product"))
    return products.open(world, {"active": active, **given["product_data"]}, param=drafts.name_in(at, "product_data"))


def _take_lookup_key(world: World, params: Params, price: Obj | None = None) -> str:
    """Return the key asked for, taken from the price that has it if the request says so."""
    key: str = params["lookup_key"]
    if len(key) > LOOKUP_KEY_MAX:
        raise invalid(f"Lookup keys have at most {LOOKUP_KEY_MAX} characters.", "lookup_key")
    for holder in world.every("price", lookup_key=key):
        if price is not None and holder["id"] == price["id"]:
            continue
        if not params.get("transfer_lookup_key"):
            raise invalid(f"A price (`{holder['id']}`) already uses that lookup key.", "lookup_key")
        world.change(holder, {"lookup_key": None}, "price.updated")
    return key


def _check_update(world: World, price: Obj, changes: dict[str, Any]) -> None:
    if changes.get("active") is False:
        product = world.find("product", price["product"])
        if product is not None and product.get("default_price") == price["id"]:
            raise invalid("This price cannot be archived because it is the default price of its product.", "active")
    behaviour = changes.get("tax_behavior")
    if behaviour and price["tax_behavior"] not in {behaviour, "unspecified", None}:
        raise invalid("You cannot change `tax_behavior` once it is set to `inclusive` or `exclusive`.", "tax_behavior")


def _hidden(world: World, price: Obj) -> Obj:
    """Return what a price keeps to itself: looked up, since an embedded copy may lack it."""
    return (world.find("price", price["id"]) or price).get(HIDDEN, {})
