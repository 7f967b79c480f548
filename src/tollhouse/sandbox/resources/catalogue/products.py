"""Products. Source: docs.stripe.com/api/products."""

from __future__ import annotations

import re
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import OBJECTS, TEXTS, Earlier
from tollhouse.sandbox.api.search import search
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.catalogue import price_drafts as drafts
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/products"
IMAGES_MAX: Final = 8
FEATURES_MAX: Final = 15
OWN_ID: Final = re.compile(r"[A-Za-z0-9_.:+-]{1,255}\Z")
PLAIN: Final = (
    "active", "description", "images", "marketing_features", "name", "package_dimensions", "shippable",
    "statement_descriptor", "tax_code", "tax_details", "type", "unit_label", "url",
)  # fmt: skip

EARLIER: Final = {
    "attributes": Earlier(TEXTS),
    "caption": Earlier(),
    "deactivate_on": Earlier(TEXTS),
    "features": Earlier(OBJECTS),
}

readable("product", PATH, listed=False)


@operation("POST", PATH, earlier=EARLIER)
def create(world: World, params: Params, /) -> Obj:
    """Create a product, with a default price if asked."""
    product = open(world, params)
    if "default_price_data" in params:
        price = drafts.draft(world, params["default_price_data"], "default_price_data")
        price["metadata"] = merge_metadata({}, params["default_price_data"].get("metadata"))
        drafts.announce(world, price | {"product": product["id"]})
        world.change(product, {"default_price": price["id"]}, "product.updated")
    return product


@operation("POST", PATH + "/{id}", earlier=EARLIER)
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a product."""
    product = world.get("product", id)
    changes = _changes(product, params)
    if params.get("default_price"):
        price = world.get("price", params["default_price"], param="default_price")
        if price["product"] != id:
            raise invalid(f"The price `{price['id']}` does not belong to this product.", "default_price")
        if not price["active"]:
            raise invalid(f"The price `{price['id']}` is inactive and cannot be the default.", "default_price")
        changes["default_price"] = price["id"]
    elif "default_price" in params:
        changes["default_price"] = None
    if any(product.get(name) != value for name, value in changes.items()):
        changes["updated"] = world.now()
    return world.change(product, changes, "product.updated")


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List products."""
    ids = params.get("ids")
    equal = {name: params[name] for name in ("active", "shippable", "type", "url") if name in params}

    def fits(product: Obj) -> bool:
        return product["id"] in ids

    return read_page(world, "product", params, PATH, where=fits if ids is not None else None, **equal)


@operation("GET", PATH + "/search")
def find(world: World, params: Params, /) -> Page:
    """Search products."""
    return search(world, "product", params, PATH + "/search")


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete a product that has no prices."""
    product = world.get("product", id)
    if world.every("price", product=id):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.", "id")
    return world.remove(product, "product.deleted", leaves_trace=True)


def open(world: World, given: Obj, *, param: str = "") -> Obj:
    """Return a new product: saved, and told of. `param` names what its fields lie in. Raises `StripeError` 400."""
    id = given.get("id")
    if id is not None:
        _check_id(world, id, drafts.name_in(param, "id"))
    if not given["name"]:
        raise invalid(
            "You passed an empty string for 'name'.", drafts.name_in(param, "name"), "parameter_invalid_empty"
        )
    product = world.new("product", id=id, active=True, type="service", name=given["name"])
    product |= {"default_price": None, "statement_descriptor": None, "tax_code": None, "unit_label": None}
    product |= {"updated": product["created"], "metadata": merge_metadata({}, given.get("metadata"))}
    product |= {**_changes(product, given), "metadata": product["metadata"]}
    world.save(product)
    world.emit("product.created", product)
    return product


def _changes(product: Obj, given: Obj) -> dict[str, Any]:
    changes = {name: given[name] if given[name] != "" else None for name in PLAIN if name in given}
    for name in ("images", "marketing_features"):
        if name in changes:
            changes[name] = changes[name] or []
    if len(changes.get("images", ())) > IMAGES_MAX:
        raise invalid(f"A product has at most {IMAGES_MAX} images.", "images")
    if len(changes.get("marketing_features", ())) > FEATURES_MAX:
        raise invalid(f"A product has at most {FEATURES_MAX} marketing features.", "marketing_features")
    details: Obj = changes.get("tax_details") or {}
    if details:
        changes["tax_details"] = {name: details.get(name) or None for name in ("performance_location", "tax_code")}
    if "name" in changes and not changes["name"]:
        raise invalid("You passed an empty string for 'name'.", "name", "parameter_invalid_empty")
    if "metadata" in given:
        changes["metadata"] = merge_metadata(product["metadata"], given["metadata"])
    return changes


def _check_id(world: World, id: str, param: str) -> None:
    if not OWN_ID.match(id):
        raise invalid(f"Invalid product id: {id}", param)
    if world.find("product", id) is not None:
        raise StripeError("Product already exists.", code="resource_already_exists", param=param)
