"""Features attached to products. Source: docs.stripe.com/api/product-feature."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import Page, cut_page
from tollhouse.sandbox.errors import StripeError, invalid, missing
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/products/{id}/features"
ONE: Final = "/v1/products/{productId}/features/{id}"


@operation("POST", PATH)
def create(world: World, params: Params, /, *, id: str) -> Obj:
    """Attach a feature to a product: subscriptions that begin or change from now on entitle to it."""
    product = world.get("product", id)
    feature = world.get("entitlements.feature", params["entitlement_feature"], param="entitlement_feature")
    if not feature["active"]:
        raise invalid("An archived feature cannot be attached to a product.", "entitlement_feature")
    if any(each["entitlement_feature"]["id"] == feature["id"] for each in list_of(world, product["id"])):
        raise StripeError(
            "This feature is already attached to the product.",
            code="resource_already_exists",
            param="entitlement_feature",
        )
    return world.save(world.new("product_feature", entitlement_feature=feature) | {HIDDEN: {"product": product["id"]}})


@operation("GET", PATH)
def index(world: World, params: Params, /, *, id: str) -> Page:
    """List the features of a product."""
    world.get("product", id)
    return cut_page(world, list_of(world, id), params, f"/v1/products/{id}/features")


@operation("GET", ONE)
def retrieve(world: World, params: Params, /, *, productId: str, id: str) -> Obj:
    """Return a feature of this product."""
    return _get_own(world, productId, id)


@operation("DELETE", ONE)
def delete(world: World, params: Params, /, *, productId: str, id: str) -> Obj:
    """Detach a feature from this product; entitlements end with the next change of a subscription."""
    return world.remove(_get_own(world, productId, id))


def list_of(world: World, product: str) -> list[Obj]:
    """Return what is attached to a product, by its id: the newest first."""
    return [each for each in world.every("product_feature") if each[HIDDEN]["product"] == product]


def _get_own(world: World, product: str, id: str) -> Obj:
    world.get("product", product, param="product")
    attached = world.get("product_feature", id)
    if attached[HIDDEN]["product"] != product:
        raise missing("product_feature", id)
    return attached
