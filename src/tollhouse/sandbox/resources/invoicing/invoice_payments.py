"""How invoices are paid: one intent each, and those attached to them.

Source: docs.stripe.com/api/invoice-payment.
"""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import Page, make_list, read_page
from tollhouse.sandbox.resources.registry import Params, includable, operation, readable
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/v1/invoice_payments"

readable("invoice_payment", PATH, listed=False)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List the payments of invoices, by invoice, status or intent."""
    equal = {name: params[name] for name in ("invoice", "status") if name in params}
    intent = part(params.get("payment")).get("payment_intent")

    def fits(obj: Obj) -> bool:
        return intent is None or obj["payment"].get("payment_intent") == intent

    return read_page(world, "invoice_payment", params, PATH, where=fits, **equal)


def open(world: World, invoice: Obj, intent: Obj, *, amount: int, is_default: bool = True) -> Obj:
    """Return the payment that this intent is to make."""
    payment = world.new("invoice_payment", invoice=invoice["id"], currency=invoice["currency"])
    payment |= {
        "amount_requested": amount,
        "is_default": is_default,
        "status": "open",
        "created": world.now_for(invoice),
    }
    payment["payment"] = {"payment_intent": intent["id"], "type": "payment_intent"}
    return world.save(payment)


def find_open(world: World, invoice: Obj, intent: str | None = None) -> Obj | None:
    """Return the payment an invoice waits for: of this intent, or any."""
    for each in world.every("invoice_payment", invoice=invoice["id"], status="open"):
        if intent is None or each["payment"].get("payment_intent") == intent:
            return each
    return None


def mark_paid(world: World, payment: Obj, *, amount: int, time: int) -> Obj:
    """Note that the payment was made."""
    changes: Obj = {"status": "paid", "amount_paid": amount}
    changes["status_transitions"] = payment["status_transitions"] | {"paid_at": time}
    paid = world.change(payment, changes)
    world.emit("invoice_payment.paid", paid)
    return paid


def cancel(world: World, payment: Obj, *, time: int) -> Obj:
    """Note that the payment is not made any more."""
    changes: Obj = {"status": "canceled"}
    changes["status_transitions"] = payment["status_transitions"] | {"canceled_at": time}
    return world.change(payment, changes)


@includable("invoice", "payments")
def payments(world: World, invoice: Obj) -> Any:
    """The payments of an invoice."""
    return make_list(world.every("invoice_payment", invoice=invoice["id"]), "/v1/invoices/payments")


@includable("invoice", "confirmation_secret")
def confirmation_secret(world: World, invoice: Obj) -> Any:
    """What a browser confirms the invoice's payment with, or null when there is none to make."""
    for each in world.every("invoice_payment", invoice=invoice["id"]):
        intent = world.find("payment_intent", each["payment"].get("payment_intent"))
        if each["is_default"] and intent is not None:
            return {"client_secret": intent["client_secret"], "type": "payment_intent"}
    return None
