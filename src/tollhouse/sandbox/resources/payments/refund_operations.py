"""The operations on refunds. Source: docs.stripe.com/api/refunds."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import OBJECT, TEXT
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.payments import charges, refunds
from tollhouse.sandbox.resources.registry import Params, operation, readable, undescribed
from tollhouse.sandbox.state.world import World, compare, merge_metadata
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/refunds"

readable(refunds.KIND, PATH, filters=("charge", "payment_intent"))


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Refund a charge, named itself or by its payment intent."""
    if params.get("origin") or params.get("customer"):
        raise invalid("A sandbox has no customer balances to refund from.", "origin")
    return _refund(world, params, _find_charge(world, params))


@undescribed("POST", "/v1/charges/{id}/refunds", amount=TEXT, reason=TEXT, metadata=OBJECT)
def create_of_charge(world: World, params: Params, /, *, id: str) -> Obj:
    """Refund a charge, the way that older clients do."""
    amount = params.get("amount")
    if amount is not None and not str(amount).isdigit():
        raise invalid(f"Invalid integer: {amount}", "amount", "parameter_invalid_integer")
    return _refund(world, params | ({} if amount is None else {"amount": int(amount)}), world.get(charges.KIND, id))


@undescribed("GET", "/v1/charges/{id}/refunds")
def index_of_charge(world: World, params: Params, /, *, id: str) -> Page:
    """List a charge's refunds, the way that older clients do."""
    world.get(charges.KIND, id)
    return read_page(world, refunds.KIND, {}, f"/v1/charges/{id}/refunds", charge=id)


@operation("POST", PATH + "/{id}")
def update(world: World, params: Params, /, *, id: str) -> Obj:
    """Change a refund's metadata."""
    refund = world.get(refunds.KIND, id)
    changes = {"metadata": merge_metadata(refund["metadata"], params.get("metadata"))}
    previous = compare(refund, changes)
    if previous:
        world.change(refund, changes)
        refunds.tell_update(world, refund, previous)
    return refund


@operation("POST", PATH + "/{id}/cancel")
def cancel(world: World, params: Params, /, *, id: str) -> Obj:
    """Take back a refund that waits for its receiver."""
    return refunds.cancel(world, world.get(refunds.KIND, id))


def _refund(world: World, params: Params, charge: Obj) -> Obj:
    if params.get("reverse_transfer") or params.get("refund_application_fee"):
        raise invalid("This charge has no transfer and no application fee.", "reverse_transfer")
    return refunds.create(
        world,
        charge,
        amount=params.get("amount"),
        reason=params.get("reason"),
        metadata=merge_metadata(None, params.get("metadata")),
        instructions_email=params.get("instructions_email"),
    )


def _find_charge(world: World, params: Params) -> Obj:
    """Return the charge to refund. Raises `StripeError` 400 unless exactly one is named, and was paid."""
    if ("charge" in params) == ("payment_intent" in params):
        raise invalid("One of the following params should be provided for this request: payment_intent or charge.")
    if "charge" in params:
        return world.get(charges.KIND, params["charge"], param="charge")
    intent = world.get("payment_intent", params["payment_intent"], param="payment_intent")
    charge = world.find(charges.KIND, intent["latest_charge"])
    if charge is None or charge["status"] != "succeeded" or not charge["captured"]:
        raise invalid(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", "payment_intent"
        )
    return charge
