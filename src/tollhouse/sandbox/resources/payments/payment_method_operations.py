"""The operations on payment methods. Source: docs.stripe.com/api/payment_methods."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.errors import invalid, missing, parameter_missing
from tollhouse.sandbox.resources.payments import payment_method_details as details
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj

KIND: Final = payment_methods.KIND
PATH: Final = "/v1/payment_methods"


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create a payment method, which no customer has yet."""
    if "type" not in params:
        if "payment_method" in params or "customer" in params:
            raise invalid("Payment methods can only be cloned to connected accounts, which a sandbox has none of.")
        raise parameter_missing("type")
    method = payment_methods.create(world, params["type"], params, params.get("billing_details"))
    return world.change(method, _plain(method, params))


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return a payment method; a test id gives a new one."""
    return _find(world, id)


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change what a customer's payment method says of its holder, or a card's date."""
    method = _find(world, id)
    if method["customer"] is None:
        raise invalid("You must save this PaymentMethod to a customer before you can update it.")
    changes = _plain(method, params)
    if "billing_details" in params:
        changes["billing_details"] = details.read_billing(params["billing_details"], method["billing_details"])
    for kind in ("card", "us_bank_account"):
        if kind in params:
            changes[kind] = _change_details(world, method, kind, params[kind])
    return world.change(method, changes, "payment_method.updated")


@operation("POST", PATH + "/{id}/attach")
def attach(world: World, params: Params, /, *, id: str) -> Obj:
    """Attach to a customer."""
    if "customer" not in params:
        raise parameter_missing("customer")
    return payment_methods.attach(world, _find(world, id), params["customer"])


@operation("POST", PATH + "/{id}/detach")
def detach(world: World, params: Params, /, *, id: str) -> Obj:
    """Detach from the customer."""
    return payment_methods.detach(world, _find(world, id))


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List payment methods: a customer's, or all."""
    if "customer" in params:
        world.get("customer", params["customer"], param="customer")
    equal = {name: params[name] for name in ("customer", "type", "allow_redisplay") if name in params}
    return read_page(world, KIND, params, PATH, **equal)


@operation("GET", "/v1/customers/{id}/payment_methods")
def index_of_customer(world: World, params: Params, /, *, id: str) -> Page:
    """List a customer's payment methods."""
    world.get("customer", id)
    equal = {name: params[name] for name in ("type", "allow_redisplay") if name in params}
    return read_page(world, KIND, params, f"/v1/customers/{id}/payment_methods", customer=id, **equal)


@operation("GET", "/v1/customers/{customerId}/payment_methods/{id}")
def retrieve_of_customer(world: World, params: Params, /, *, id: str, customerId: str) -> Obj:
    """Return one of a customer's payment methods."""
    return payment_methods.find_of_customer(world, customerId, id)


def _find(world: World, id: str) -> Obj:
    """Return the payment method that a path names, which Stripe calls by another name than `id`."""
    if world.find(KIND, id) is None and not id.startswith("pm_"):
        raise missing("PaymentMethod", id, param="payment_method")
    return payment_methods.resolve(world, id, param="id")


def _plain(method: Obj, params: Params) -> dict[str, Any]:
    changes: dict[str, Any] = {name: params[name] for name in ("allow_redisplay",) if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(method["metadata"], params["metadata"])
    return changes


def _change_details(world: World, method: Obj, kind: str, given: Obj) -> Obj:
    if method["type"] != kind:
        raise invalid(f"You cannot update `{kind}` of a PaymentMethod of type `{method['type']}`.", kind)
    changed: Obj = {**method[kind], **{name: value for name, value in given.items() if name != "networks"}}
    if kind == "card":
        changed["exp_year"] = details.check_expiry(world, changed["exp_month"], changed["exp_year"])
        if "networks" in given:
            preferred = given["networks"].get("preferred") or None
            changed["networks"] = {**changed["networks"], "preferred": preferred}
    return changed
