"""What the billing portal lets customers do. Source: docs.stripe.com/api/customer_portal/configurations."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.errors import invalid, parameter_missing
from tollhouse.sandbox.resources.checkout.checkout_rules import check_url
from tollhouse.sandbox.resources.registry import Params, includable, operation, readable
from tollhouse.sandbox.state.world import HIDDEN, World, merge_metadata
from tollhouse.sandbox.values import Obj, is_object

KIND: Final = "billing_portal.configuration"
PATH: Final = "/v1/billing_portal/configurations"
PRODUCTS_MAX: Final = 10
REASONS: Final = ("too_expensive", "missing_features", "switched_service", "unused", "other")
# Each feature as it is while nothing is said of it.
FEATURES: Final[dict[str, Obj]] = {
    "customer_update": {"allowed_updates": [], "enabled": False},
    "invoice_history": {"enabled": False},
    "payment_method_update": {"enabled": False, "payment_method_configuration": None},
    "subscription_cancel": {
        "cancellation_reason": {"enabled": False, "feedback_options": None, "options": list(REASONS)},
        "enabled": False,
        "mode": "at_period_end",
        "proration_behavior": "none",
    },
    "subscription_pause": {"duration": {"interval_options": [], "type": "indefinite"}, "enabled": False},
    "subscription_update": {
        "billing_cycle_anchor": None,
        "default_allowed_updates": [],
        "enabled": False,
        "proration_behavior": "none",
        "schedule_at_period_end": {"conditions": []},
        "trial_update_behavior": "end_trial",
    },
}
# What the account's own configuration allows: everything the sandbox's portal has a form for.
OWN: Final[Params] = {
    "customer_update": {"allowed_updates": ["name", "email"], "enabled": True},
    "invoice_history": {"enabled": True},
    "payment_method_update": {"enabled": True},
    "subscription_cancel": {"enabled": True},
    "subscription_update": {
        "default_allowed_updates": ["price", "quantity"],
        "enabled": True,
        "proration_behavior": "create_prorations",
    },
}

readable(KIND, PATH, listed=False)


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create a configuration, beside the one that sessions have unless they name another."""
    _check(params)
    return _make(world, params, is_default=False)


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change what customers can do, for sessions there are and for new ones."""
    _check(params)
    configuration = world.get(KIND, id)
    if params.get("active") is False and configuration["is_default"]:
        raise invalid("You cannot deactivate the default configuration.", "active")
    changes: dict[str, Any] = {"updated": world.now()}
    changes |= {name: params[name] for name in ("active",) if name in params}
    changes |= {name: params[name] or None for name in ("default_return_url", "name") if name in params}
    if "business_profile" in params:
        given = {name: each or None for name, each in params["business_profile"].items()}
        changes["business_profile"] = configuration["business_profile"] | given
    if "features" in params:
        changes["features"] = _merge(configuration["features"], params["features"])
        changes[HIDDEN] = {"products": _products(world, params["features"], configuration[HIDDEN]["products"])}
        _check_features(changes["features"], changes[HIDDEN]["products"])
    if "login_page" in params:
        changes["login_page"] = _login_page(world, id, params)
    if "metadata" in params:
        changes["metadata"] = merge_metadata(configuration["metadata"], params["metadata"])
    return world.change(configuration, changes, "billing_portal.configuration.updated")


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List configurations, the account's own among them."""
    find_default(world)
    return read_page(world, KIND, params, PATH, **{k: params[k] for k in ("active", "is_default") if k in params})


@includable(KIND, "features.subscription_update.products")
def products(world: World, configuration: Obj) -> list[Obj] | None:
    """The products a customer can change to, each with its prices."""
    return world.get(KIND, configuration["id"])[HIDDEN]["products"]


def find_default(world: World) -> Obj:
    """Return the account's own configuration, made when it is first asked for."""
    found = world.every(KIND, is_default=True)
    return found[0] if found else _make(world, {"features": OWN}, is_default=True)


def _make(world: World, params: Params, *, is_default: bool) -> Obj:
    features = _merge(FEATURES, params["features"])
    offered = _products(world, params["features"], None)
    if not is_default:
        _check_features(features, offered)
    profile = {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None}
    configuration = world.new(
        KIND,
        active=True,
        is_default=is_default,
        business_profile=profile | params.get("business_profile", {}),
        default_return_url=params.get("default_return_url"),
        features=features,
        metadata=merge_metadata(None, params.get("metadata")),
        name=params.get("name"),
        updated=world.now(),
    )
    configuration[HIDDEN] = {"products": offered}
    configuration["login_page"] = _login_page(world, configuration["id"], params)
    world.save(configuration)
    if not is_default:  # which was always there
        world.emit("billing_portal.configuration.created", configuration)
    return configuration


def _merge(features: Obj, given: Obj) -> Obj:
    """Return the features with what is given of them; an empty string empties a list."""
    merged: Obj = {}
    for name, old in features.items():
        new: Obj = given.get(name, {})
        merged[name] = {key: _merge_value(each, new[key]) if key in new else each for key, each in old.items()}
    return merged


def _merge_value(old: Any, new: Any) -> Any:
    if is_object(old) and is_object(new):
        return {key: _merge_value(each, new[key]) if key in new else each for key, each in old.items()}
    return ([] if isinstance(old, list) else None) if new == "" else new


def _products(world: World, given: Obj, old: list[Obj] | None) -> list[Obj] | None:
    """Return the products customers can change to: None for any, in the account's own configuration alone."""
    told = given.get("subscription_update", {}).get("products")
    if told is None:
        return old
    asked: list[Obj] = told or []  # an empty string empties the list
    at = "features[subscription_update][products]"
    if len(asked) > PRODUCTS_MAX:
        raise invalid(f"You can offer at most {PRODUCTS_MAX} products.", at)
    offered: list[Obj] = []
    for place, each in enumerate(asked):
        world.get("product", each["product"], param=f"{at}[{place}][product]")
        ids: list[str] = each["prices"]
        for number, id in enumerate(ids):
            price = world.get("price", id, param=f"{at}[{place}][prices][{number}]")
            if price["product"] != each["product"]:
                raise invalid(f"The price {id} is not one of the product {each['product']}.", f"{at}[{place}][prices]")
        usual: Obj = {"enabled": False, "maximum": None, "minimum": 1}
        offered.append(each | {"adjustable_quantity": usual | each.get("adjustable_quantity", {})})
    return offered


def _check(params: Params) -> None:
    """Raise `StripeError` 400 for addresses a browser cannot be sent to."""
    for name in ("privacy_policy_url", "terms_of_service_url"):
        if params.get("business_profile", {}).get(name):
            check_url(params["business_profile"][name], f"business_profile[{name}]")
    if params.get("default_return_url"):
        check_url(params["default_return_url"], "default_return_url")


def _check_features(features: Obj, offered: list[Obj] | None) -> None:
    """Raise `StripeError` 400 for a feature that is on and has nothing to offer."""
    update, customer = features["subscription_update"], features["customer_update"]
    if update["enabled"] and update["default_allowed_updates"] and not offered:
        raise parameter_missing("features[subscription_update][products]")
    if customer["enabled"] and not customer["allowed_updates"]:
        raise parameter_missing("features[customer_update][allowed_updates]")


def _login_page(world: World, id: str, params: Params) -> Obj:
    is_on = params.get("login_page", {}).get("enabled", False)
    if is_on:
        raise invalid("The sandbox does not simulate the portal's login page.", "login_page[enabled]")
    return {"enabled": False, "url": None}
