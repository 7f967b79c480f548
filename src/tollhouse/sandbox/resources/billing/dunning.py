"""Collecting what is owed: automatic finalization, attempts and their outcomes, further attempts, giving up.

Source: docs.stripe.com/billing/revenue-recovery and docs.stripe.com/billing/subscriptions/overview.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.invoicing import invoice_payments, invoices
from tollhouse.sandbox.resources.invoicing.invoice_methods import find_method
from tollhouse.sandbox.resources.payments import payment_intents
from tollhouse.sandbox.state.world import HIDDEN, World, action
from tollhouse.sandbox.values import Obj, part

RETRY_DAYS: Final = (3, 5, 7)  # after the attempt before; Stripe's own times vary, its default is four attempts in all
PENDING: Final = ("open", "uncollectible")


@action("invoice.finalize")
def finalize_when_due(world: World, id: str) -> None:
    """Finalize a draft that advances by itself, and collect it."""
    invoice = world.find("invoice", id)
    if invoice is None or invoice["status"] != "draft":
        return
    customer = world.find("customer", invoice["customer"])
    if customer is None or customer.get("deleted"):
        return
    advance(world, invoice)


@action("invoice.retry")
def retry(world: World, id: str) -> None:
    """Try once more to collect an invoice."""
    invoice = world.find("invoice", id)
    if invoice is not None and invoice["status"] == "open":
        attempt(world, invoice)


def advance(world: World, invoice: Obj, *, off_session: bool = True) -> Obj:
    """Finalize a draft and collect it, if it is to be charged; return what became of it."""
    paused = invoice[HIDDEN].get("paused")  # by a subscription's `pause_collection`
    invoice = invoices.finalize(world, invoice)
    if invoice["status"] == "open" and paused == "void":
        return invoices.void(world, invoice)
    if invoice["status"] == "open" and paused == "mark_uncollectible":
        return invoices.mark_uncollectible(world, invoice)
    return collect(world, invoice, off_session=off_session)


def collect(world: World, invoice: Obj, *, off_session: bool = True) -> Obj:
    """Attempt to charge a finalized invoice, unless it is sent to its customer; return what became of it."""
    if invoice["status"] != "open":
        return invoice
    if invoice["collection_method"] == "charge_automatically":
        return attempt(world, invoice, off_session=off_session)
    world.emit("invoice.sent", invoice)
    return invoice


def attempt(world: World, invoice: Obj, *, off_session: bool = True) -> Obj:
    """Charge what is due to the invoice; a decline leads to a later attempt. Return what became of the invoice."""
    invoice[HIDDEN]["is_automatic"] = True
    world.save(invoice)
    method = find_method(world, invoice)
    if method is None:
        _fail(world, invoice, "payment_failed")
        return world.get("invoice", invoice["id"])
    try:
        return invoices.pay(world, invoice, method, off_session=off_session)
    except StripeError as error:
        if not error.keeps_effects:
            raise
        return world.get("invoice", invoice["id"])


def attach(world: World, invoice: Obj, intent: Obj) -> Obj:
    """Count an intent towards an open invoice: at once if it succeeded, or when it does. Raises `StripeError` 400."""
    if invoice["status"] not in PENDING:
        raise invalid("Payments can be attached to open invoices alone.")
    if intent["currency"] != invoice["currency"] or intent["status"] == "canceled":
        raise invalid("This payment intent cannot pay this invoice.", "payment_intent")
    if intent["amount"] > invoice["amount_remaining"] or intent[HIDDEN].get("invoice"):
        raise invalid("This payment intent pays more than is due, or another invoice.", "payment_intent")
    intent[HIDDEN]["invoice"] = invoice["id"]
    world.save(intent)
    invoice_payments.open(world, invoice, intent, amount=intent["amount"], is_default=False)
    if intent["status"] == "succeeded":
        follow_intent(world, intent, "succeeded")
    return world.get("invoice", invoice["id"])


@payment_intents.follow
def follow_intent(world: World, intent: Obj, outcome: str) -> None:
    """Bring an invoice to where its payment is."""
    invoice = world.find("invoice", intent.get(HIDDEN, {}).get("invoice"))
    if invoice is None or invoice["status"] not in PENDING:
        return
    with world.within(invoice):
        invoice[HIDDEN]["charge"] = intent.get("latest_charge")
        if outcome == "succeeded":
            _succeed(world, invoice, intent)
        elif outcome == "payment_failed":
            _fail(world, invoice, outcome)
        elif outcome == "requires_action":
            _fail(world, invoice, "action_required")
        elif outcome == "processing":
            _note_attempt(world, invoice, is_open=True)
            invoices.notify(world, invoice, outcome)


def _succeed(world: World, invoice: Obj, intent: Obj) -> None:
    payment = invoice_payments.find_open(world, invoice, intent["id"])
    amount: int = intent["amount_received"]
    if payment is not None:
        invoice_payments.mark_paid(world, payment, amount=amount, time=world.now())
    changes = _read_attempt(invoice, is_open=False)
    world.cancel("invoice.retry", invoice)
    paid = invoice["amount_paid"] + amount
    if paid < invoice["amount_due"]:
        left = invoice["amount_due"] - paid
        changes |= {"amount_paid": paid, "amount_remaining": left}
        world.change(invoice, changes, "invoice.updated")
        return
    over = paid - invoice["amount_due"]
    invoices.mark_paid(world, invoice, changes | ({"amount_overpaid": over} if over else {}))


def _fail(world: World, invoice: Obj, outcome: str) -> None:
    """Note that an attempt failed, or waits for the customer, and plan the next one if attempts are automatic."""
    is_open = outcome == "action_required"
    is_automatic = invoice[HIDDEN].get("is_automatic", False)
    before = {name: invoice[name] for name in ("attempt_count", "attempted", "next_payment_attempt")}
    invoice = _note_attempt(world, invoice, is_open=is_open)
    is_exhausted = is_automatic and not _plan_retry(world, invoice)
    if invoice["attempt_count"] != before["attempt_count"]:
        previous = {name: old for name, old in before.items() if invoice[name] != old}
        world.emit("invoice.updated", invoice, previous=previous)
    if outcome == "action_required":
        world.emit("invoice.payment_action_required", invoice)
    world.emit("invoice.payment_failed", invoice)
    invoices.notify(world, invoice, outcome)
    if is_exhausted:
        invoices.notify(world, world.get("invoice", invoice["id"]), "exhausted")


def _note_attempt(world: World, invoice: Obj, *, is_open: bool) -> Obj:
    return world.change(invoice, _read_attempt(invoice, is_open=is_open))


def _read_attempt(invoice: Obj, *, is_open: bool) -> Obj:
    """Count an attempt once, though it ends later than it began; `is_open` says that its end is to come."""
    was_open = invoice[HIDDEN].get("attempt_is_open", False)
    count = invoice["attempt_count"] + (0 if was_open else 1)
    return {"attempted": True, "attempt_count": count, HIDDEN: {**invoice[HIDDEN], "attempt_is_open": is_open}}


def _plan_retry(world: World, invoice: Obj) -> bool:
    """Plan the next automatic attempt; say no when there is none any more."""
    hidden: Obj = invoice[HIDDEN]
    hidden["is_automatic"] = False
    done: int = hidden.get("retries", 0)
    subscription = part(world.find("subscription", hidden.get("subscription")))
    if subscription.get("status") == "incomplete":
        world.save(invoice)
        return True  # a first invoice is not tried again by itself: the customer has 23 hours
    if done >= len(RETRY_DAYS):
        world.change(invoice, {"next_payment_attempt": None, "auto_advance": False})
        return False
    hidden["retries"] = done + 1
    due: int = world.now_for(invoice) + RETRY_DAYS[done] * DAY_SECONDS
    world.change(invoice, {"next_payment_attempt": due})
    world.schedule("invoice.retry", invoice, due)
    return True
