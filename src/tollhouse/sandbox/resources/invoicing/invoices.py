"""Invoices: drawn up, finalized, paid, voided. Source: docs.stripe.com/api/invoices and docs.stripe.com/invoicing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.customers import customer_balances
from tollhouse.sandbox.resources.invoicing import invoice_lines, invoice_payments, invoice_totals
from tollhouse.sandbox.resources.invoicing.invoice_drafts import draft, recompute
from tollhouse.sandbox.resources.invoicing.invoice_methods import find_method, no_method
from tollhouse.sandbox.resources.payments import payment_intents
from tollhouse.sandbox.state.world import HIDDEN, World, action
from tollhouse.sandbox.values import Obj

# What follows an invoice: called with "paid", "payment_failed", "action_required", "processing", "exhausted" (no more
# attempts), "overdue", "voided" or "uncollectible", in the same transaction and after the invoice's own events.
Follower = Callable[[World, Obj, str], None]

DESCRIPTIONS: Final = {
    "subscription_create": "Subscription creation",
    "subscription_update": "Subscription update",
    "subscription_cycle": "Subscription update",
}
ENDED: Final = ("paid", "void")

_followers: list[Follower] = []


def follow(function: Follower) -> Follower:
    """Register what is called with what becomes of each invoice."""
    _followers.append(function)
    return function


def notify(world: World, invoice: Obj, outcome: str) -> None:
    """Tell those who follow invoices."""
    for function in _followers:
        function(world, invoice, outcome)


def for_payment(
    world: World,
    customer: Obj,
    lines: Sequence[Mapping[str, Any]],
    *,
    intent: Obj,
    discounts: Sequence[str] = (),
    hidden: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Obj:
    """Return the paid invoice of an intent that succeeded already.

    Lines are `{"price": Obj, "quantity": int}`; `discounts` are ids; `fields` are the invoice's own, as `metadata`.
    """
    currency, now = intent["currency"], world.now_for(customer)
    made = [invoice_lines.of_price(world, each["price"], each["quantity"], currency, (now, now)) for each in lines]
    fields = {"discounts": list(discounts), **fields}
    invoice = draft(world, customer, made, reason="manual", currency=currency, hidden=hidden, **fields)
    invoice[HIDDEN] |= {"payment_intent": intent["id"], "charge": intent.get("latest_charge")}
    changes = _take_balance(world, invoice) | _open_fields(world, invoice)
    invoice = world.change(invoice, changes | {"amount_due": intent["amount"], "attempt_count": 1})
    payment = invoice_payments.open(world, invoice, intent, amount=intent["amount"])
    world.emit("invoice.finalized", invoice)
    invoice_payments.mark_paid(world, payment, amount=intent["amount"], time=now)
    return mark_paid(world, invoice)


def finalize(world: World, invoice: Obj) -> Obj:
    """Number a draft and open it for payment; one that comes to nothing is paid at once.

    Raises `StripeError` 400 unless it is a draft.
    """
    if invoice["status"] != "draft":
        raise invalid("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
    world.cancel("invoice.finalize", invoice)
    now = world.now_for(invoice)
    recompute(world, invoice)
    changes = _take_balance(world, invoice) | _open_fields(world, invoice)
    if invoice["collection_method"] == "send_invoice":
        days = invoice[HIDDEN].get("days_until_due") or 0
        changes["due_date"] = invoice["due_date"] or now + days * DAY_SECONDS
        world.schedule("invoice.overdue", invoice, changes["due_date"])
    invoice = world.change(invoice, changes)
    if invoice["amount_due"] > 0:
        invoice = _open_intent(world, invoice)
    world.emit("invoice.finalized", invoice)
    return invoice if invoice["amount_due"] > 0 else mark_paid(world, invoice)


def mark_paid(
    world: World, invoice: Obj, further: Mapping[str, Any] | None = None, *, out_of_band: bool = False
) -> Obj:
    """Close an invoice as paid in full; `further` changes are told of with that."""
    now = world.now_for(invoice)
    changes: Obj = {"status": "paid", "attempted": True, "auto_advance": False, "next_payment_attempt": None}
    changes |= {**(further or {}), "amount_paid": invoice["amount_due"], "amount_remaining": 0}
    changes["status_transitions"] = invoice["status_transitions"] | {"paid_at": now}
    if out_of_band:
        changes["amount_paid_off_stripe"] = invoice["amount_due"]
    _stop(world, invoice)
    invoice = world.change(invoice, changes, "invoice.updated" if invoice["amount_due"] > 0 else None)
    world.emit("invoice.paid", invoice)
    world.emit("invoice.payment_succeeded", invoice)
    notify(world, invoice, "paid")
    return world.get("invoice", invoice["id"])


def pay(world: World, invoice: Obj, method: Obj | None = None, *, off_session: bool = True) -> Obj:
    """Pay an invoice with this method, or with the one that is due to it; a draft is finalized first.

    Returns it `open` still when the payment is processing or wants a customer's action. Raises `StripeError`: 400
    where nothing can be paid, 402 for a decline, which leaves its attempt behind.
    """
    if invoice["status"] == "draft":
        invoice = finalize(world, invoice)
        if invoice["status"] == "paid":
            return invoice
    elif invoice["status"] in ENDED:
        raise invalid("Invoice is already paid" if invoice["status"] == "paid" else _not_open())
    method = method or find_method(world, invoice)
    if method is None:
        raise no_method()
    intent = world.get("payment_intent", invoice[HIDDEN]["payment_intent"])
    if intent["status"] == "processing":
        raise invalid("This invoice's payment is processing already.", code="payment_intent_unexpected_state")
    payment_intents.confirm(world, intent, method, off_session=off_session)
    return world.get("invoice", invoice["id"])


def pay_out_of_band(world: World, invoice: Obj) -> Obj:
    """Close an invoice that was paid elsewhere."""
    if invoice["status"] == "draft":
        invoice = finalize(world, invoice)
    if invoice["status"] in ENDED:
        raise invalid("Invoice is already paid" if invoice["status"] == "paid" else _not_open())
    paid = mark_paid(world, invoice, out_of_band=True)
    cancel_intents(world, paid)
    return paid


def void(world: World, invoice: Obj) -> Obj:
    """Take an open invoice back, and give its customer the balance it used. Raises `StripeError` 400 for another."""
    if invoice["status"] not in {"open", "uncollectible"}:
        raise invalid(_not_open())
    used = invoice["starting_balance"] - (invoice["ending_balance"] or 0)
    customer = world.find("customer", invoice["customer"])
    if used and customer is not None and not customer.get("deleted"):
        customer_balances.change(world, customer, [("unapplied_from_invoice", used)], invoice=invoice)
    return _close(world, invoice, "void", "voided_at", "invoice.voided", "voided")


def mark_uncollectible(world: World, invoice: Obj) -> Obj:
    """Give an open invoice up; it can be paid or voided still. Raises `StripeError` 400 for another."""
    if invoice["status"] != "open":
        raise invalid(_not_open())
    event = "invoice.marked_uncollectible"
    return _close(world, invoice, "uncollectible", "marked_uncollectible_at", event, "uncollectible")


def cancel_intents(world: World, invoice: Obj) -> None:
    """Cancel what was to pay an invoice."""
    now = world.now_for(invoice)
    for payment in world.every("invoice_payment", invoice=invoice["id"], status="open"):
        invoice_payments.cancel(world, payment, time=now)
        intent = world.find("payment_intent", payment["payment"].get("payment_intent"))
        if intent is not None and intent["status"] not in {"succeeded", "canceled", "processing"}:
            payment_intents.cancel(world, intent, "void_invoice")


@action("invoice.overdue")
def overdue(world: World, id: str) -> None:
    """Tell that an invoice was not paid when it was due."""
    invoice = world.find("invoice", id)
    if invoice is not None and invoice["status"] == "open":
        world.emit("invoice.overdue", invoice)
        notify(world, invoice, "overdue")


def _take_balance(world: World, invoice: Obj) -> Obj:
    """Return the number and the balances of an invoice that is finalized, and write them to its customer."""
    customer = world.get("customer", invoice["customer"], param="customer")
    place = customer.get("next_invoice_sequence") or 1
    changes: Obj = {"number": invoice["number"] or f"{customer['invoice_prefix']}-{place:04}"}
    steps = invoice_totals.settle(invoice)
    changes["ending_balance"] = invoice["starting_balance"] + sum(amount for _, amount in steps)
    if changes["ending_balance"] > 0:
        changes |= {"amount_due": 0, "amount_remaining": 0}
    world.change(customer, {"next_invoice_sequence": place + 1})
    if changes["ending_balance"] != invoice["starting_balance"]:
        customer_balances.change(world, customer, steps, invoice=invoice)
    return changes


def _open_fields(world: World, invoice: Obj) -> Obj:
    """Return what becomes of an invoice's fields when it is finalized, but for its amounts."""
    now = world.now_for(invoice)
    changes: Obj = {"status": "open", "effective_at": invoice["effective_at"] or now, "webhooks_delivered_at": now}
    changes |= {"automatically_finalizes_at": None, "next_payment_attempt": None}
    changes["status_transitions"] = invoice["status_transitions"] | {"finalized_at": now}
    return changes | dict.fromkeys(("hosted_invoice_url", "invoice_pdf"), f"{world.url}/invoices/{invoice['id']}")


def _open_intent(world: World, invoice: Obj) -> Obj:
    """Open the intent that is to pay the invoice."""
    fields: Obj = {"description": DESCRIPTIONS.get(invoice["billing_reason"], "Payment for Invoice"), "metadata": {}}
    if invoice[HIDDEN].get("subscription"):
        fields["setup_future_usage"] = "off_session"
    intent = payment_intents.open(
        world,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        hidden={**invoice[HIDDEN].get("intent", {}), "invoice": invoice["id"]},
        **fields,
    )
    invoice_payments.open(world, invoice, intent, amount=invoice["amount_due"])
    invoice[HIDDEN]["payment_intent"] = intent["id"]
    return world.save(invoice)


def _close(world: World, invoice: Obj, status: str, moment: str, event: str, outcome: str) -> Obj:
    changes: Obj = {"status": status, "auto_advance": False, "next_payment_attempt": None}
    changes["status_transitions"] = invoice["status_transitions"] | {moment: world.now_for(invoice)}
    _stop(world, invoice)
    invoice = world.change(invoice, changes, "invoice.updated")
    if status == "void":
        cancel_intents(world, invoice)
    world.emit(event, invoice)
    notify(world, invoice, outcome)
    return world.get("invoice", invoice["id"])


def _stop(world: World, invoice: Obj) -> None:
    for name in ("invoice.finalize", "invoice.overdue"):
        world.cancel(name, invoice)


def _not_open() -> str:
    return "You can only pass in open invoices. This invoice isn't open."
