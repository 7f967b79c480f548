"""Features, and who is entitled to them by what they subscribe to. Source: docs.stripe.com/billing/entitlements."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, cut_page, make_list
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.catalogue import product_features
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj

FEATURES: Final = "/v1/entitlements/features"
ACTIVE: Final = "/v1/entitlements/active_entitlements"
ENTITLING: Final = frozenset({"active", "trialing", "past_due"})
EMBEDDED_MAX: Final = 10
LOOKUP_KEY_MAX: Final = 80
NAME_MAX: Final = 80
HOLDING: Final = "entitlement_holding"  # an object of our own: what one customer has

readable("entitlements.feature", FEATURES, listed=False)
readable("entitlements.active_entitlement", ACTIVE, listed=False)


@operation("POST", FEATURES)
def create_feature(world: World, params: Params, /) -> Obj:
    """Create a feature, whose lookup key no other living one has."""
    key = params["lookup_key"]
    if not key or len(key) > LOOKUP_KEY_MAX:
        raise invalid(f"Invalid lookup_key: must have 1 to {LOOKUP_KEY_MAX} characters.", "lookup_key")
    _check_name(params["name"])
    if world.every("entitlements.feature", lookup_key=key, active=True):
        raise StripeError(
            f"A feature with the lookup_key `{key}` already exists.", code="resource_already_exists", param="lookup_key"
        )
    feature = world.new("entitlements.feature", active=True, lookup_key=key, name=params["name"])
    return world.save(feature | {"metadata": merge_metadata({}, params.get("metadata"))})


@operation("POST", FEATURES + "/{id}")
def update_feature(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a feature's name or metadata, or put it away for good."""
    feature = world.get("entitlements.feature", id)
    changes: dict[str, Any] = {name: params[name] for name in ("active", "name") if name in params}
    if not feature["active"]:
        raise invalid("An archived feature cannot be changed.", "id")
    if "name" in changes:
        _check_name(changes["name"])
    if "metadata" in params:
        changes["metadata"] = merge_metadata(feature["metadata"], params["metadata"])
    return world.change(feature, changes)


@operation("GET", FEATURES)
def list_features(world: World, params: Params, /) -> Page:
    """List features: the living ones, or those put away when they are asked for."""
    equal = {name: params[name] for name in ("lookup_key",) if name in params}
    features = world.every("entitlements.feature", active=not params.get("archived", False), **equal)
    return cut_page(world, features, params, FEATURES)


@operation("GET", ACTIVE)
def index(world: World, params: Params, /) -> Page:
    """List what a customer is entitled to now."""
    customer = world.get("customer", params["customer"], param="customer")
    return cut_page(world, _held(world, customer["id"]), params, ACTIVE)


def refresh(world: World, customer_id: str) -> None:
    """Bring a customer's active entitlements up to its subscriptions, and tell if they changed.

    Call it whenever a subscription's status or items change.
    """
    held = {each["feature"]: each for each in _held(world, customer_id)}
    due = _due_features(world, customer_id)
    if held.keys() == due.keys():
        return
    for feature, entitlement in held.items():
        if feature not in due:
            world.remove(entitlement)
    kept = [held.get(id) or _grant(world, feature) for id, feature in due.items()]
    holding = {"id": _holding_id(customer_id), "object": HOLDING, "entitlements": kept}
    world.save(holding)
    world.emit("entitlements.active_entitlement_summary.updated", _summarize(world, customer_id, kept))


def _due_features(world: World, customer_id: str) -> dict[str, Obj]:
    """Return the features, by id, of all products the customer subscribes to."""
    due: dict[str, Obj] = {}
    for subscription in reversed(world.every("subscription", customer=customer_id)):
        if subscription["status"] not in ENTITLING:
            continue
        products = {item["price"]["product"] for item in subscription["items"]["data"]}
        for product in sorted(products):
            for attached in reversed(product_features.list_of(world, product)):
                feature = world.find("entitlements.feature", attached["entitlement_feature"]["id"])
                if feature is not None and feature["active"]:
                    due[feature["id"]] = feature
    return due


def _grant(world: World, feature: Obj) -> Obj:
    entitlement = world.new("entitlements.active_entitlement", feature=feature["id"], lookup_key=feature["lookup_key"])
    return world.save(entitlement)


def _held(world: World, customer_id: str) -> list[Obj]:
    """Return what a customer is entitled to as it was last told; nobody else's is looked through for that."""
    holding = world.find(HOLDING, _holding_id(customer_id))
    return [] if holding is None else holding["entitlements"]


def _holding_id(customer_id: str) -> str:
    return "entitlements:" + customer_id


def _summarize(world: World, customer_id: str, entitlements: list[Obj]) -> Obj:
    """Return what the event tells: ten entitlements with their features, and whether there are more."""
    shown = [
        each | {"feature": world.get("entitlements.feature", each["feature"])} for each in entitlements[:EMBEDDED_MAX]
    ]
    page = make_list(shown, f"/v1/customer/{customer_id}/entitlements", has_more=len(entitlements) > EMBEDDED_MAX)
    return {
        "object": "entitlements.active_entitlement_summary",
        "customer": customer_id,
        "entitlements": page,
        "livemode": False,
    }


def _check_name(name: str) -> None:
    if not name or len(name) > NAME_MAX:
        raise invalid(f"Invalid name: must have 1 to {NAME_MAX} characters.", "name")
