"""What a customer owes or is owed, change by change. Source: docs.stripe.com/api/customer_balance_transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import check
from tollhouse.sandbox.errors import missing
from tollhouse.sandbox.resources.registry import Params, undescribed
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/customers/{id}/balance_transactions"
KIND: Final = "customer_balance_transaction"
CURRENCY_USUAL: Final = "usd"
LISTING: Final[Obj] = {
    "properties": {
        **{name: {"type": "string"} for name in ("ending_before", "invoice", "starting_after")},
        "limit": {"type": "integer"},
    }
}


@undescribed("GET", PATH)
def index(world: World, params: Params, /, *, id: str) -> Page:
    """List the changes of a customer's balance, newest first."""
    world.get("customer", id)
    read = check(LISTING, params)
    equal = {"invoice": read["invoice"]} if "invoice" in read else {}
    return read_page(world, KIND, read, PATH.format(id=id), customer=id, **equal)


@undescribed("GET", PATH + "/{transaction}")
def retrieve(world: World, params: Params, /, *, id: str, transaction: str) -> Obj:
    """Return one change of a customer's balance."""
    world.get("customer", id)
    found = world.get(KIND, transaction)
    if found["customer"] != id:
        raise missing(KIND, transaction)
    return found


def change(world: World, customer: Obj, steps: Sequence[tuple[str, int]], *, invoice: Obj) -> None:
    """Add to what a customer owes, or to the customer's credit where an amount is negative.

    Each step is a transaction's type and its amount in minor units; an invoice brings them about.
    """
    balance: int = customer["balance"] or 0
    for type, amount in steps:
        balance += amount
        note(world, customer, type, amount, balance, currency=invoice["currency"], invoice=invoice["id"])
    world.change(customer, {"balance": balance}, "customer.updated")


def note(world: World, customer: Obj, type: str, amount: int, ending_balance: int, **fields: Any) -> None:
    """Keep one change of a balance, unless it changes nothing; `fields` are the transaction's own."""
    if amount == 0:
        return
    made: Obj = {"id": world.ids.of(KIND), "object": KIND, "amount": amount, "checkout_session": None}
    made |= {"created": world.now_for(customer), "credit_note": None, "description": None, "invoice": None}
    made |= {"currency": customer["currency"] or CURRENCY_USUAL, "customer": customer["id"], "livemode": False}
    world.save(made | {"ending_balance": ending_balance, "metadata": {}, "type": type, **fields})
