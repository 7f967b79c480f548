"""Customers. Source: docs.stripe.com/api/customers."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, make_list, read_page
from tollhouse.sandbox.resources.registry import Params, includable, operation
from tollhouse.sandbox.state.world import World, merge_metadata
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/customers"
PLAIN: Final = (
    "address", "balance", "business_name", "description", "email", "individual_name", "name", "next_invoice_sequence",
    "phone", "preferred_locales", "shipping", "tax_exempt",
)  # fmt: skip


@operation("POST", PATH, earlier=("coupon", "plan", "promotion_code"))
def create(world: World, params: Params, /) -> Obj:
    """Create a customer; with a test clock it lives in that clock's time."""
    clock = params.get("test_clock")
    if clock:
        world.get("test_helpers.test_clock", clock, param="test_clock")
    customer = world.new("customer", test_clock=clock, next_invoice_sequence=1, delinquent=False, tax_exempt="none")
    customer |= {"preferred_locales": [], "invoice_prefix": world.ids.text(8).upper()}
    customer |= _changes(world, customer, params)
    world.save(customer)
    world.emit("customer.created", customer)
    return customer


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a customer."""
    customer = world.get("customer", id)
    return world.change(customer, _changes(world, customer, params), "customer.updated")


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return a customer, or what stands in the place of a deleted one."""
    return world.find("customer", id) or world.get("customer", id)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List customers, by e-mail address exactly as it was given."""
    equal = {name: params[name] for name in ("email", "test_clock") if name in params}
    return read_page(world, "customer", params, PATH, **equal)


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete a customer; its subscriptions end at once."""
    customer = world.get("customer", id)
    return world.remove(customer, "customer.deleted", leaves_trace=True)


@includable("customer", "subscriptions")
def subscriptions(world: World, customer: Obj) -> Any:
    """The customer's living subscriptions."""
    living = [each for each in world.every("subscription", customer=customer["id"]) if each["status"] != "canceled"]
    return make_list(living, f"/v1/customers/{customer['id']}/subscriptions")


def _changes(world: World, customer: Obj, params: Params) -> dict[str, Any]:
    """Return the fields that the parameters set."""
    changes = {name: params[name] if params[name] != "" else None for name in PLAIN if name in params}
    if "metadata" in params:
        changes["metadata"] = merge_metadata(customer["metadata"], params["metadata"])
    return changes
