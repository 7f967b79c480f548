"""Disputes: opened, defended and decided. Source: docs.stripe.com/api/disputes and docs.stripe.com/disputes."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.payments import balance_transactions, charges
from tollhouse.sandbox.state.world import HIDDEN, World, action, clock_of
from tollhouse.sandbox.values import Obj

KIND: Final = "dispute"
DEADLINE: Final = "dispute_deadline"
DECISION: Final = "dispute_decision"
DAYS_TO_ANSWER: Final = 9
DECISION_SECONDS: Final = 5
REASON_CODES: Final = {
    "credit_not_processed": "13.7", "duplicate": "12.6.1", "fraudulent": "10.4", "general": "10.4",
    "product_not_received": "13.1", "product_unacceptable": "13.3", "subscription_canceled": "13.2",
    "unrecognized": "10.4",
}  # fmt: skip
OPEN: Final = frozenset({"needs_response", "warning_needs_response", "under_review", "warning_under_review"})
ANSWERABLE: Final = frozenset({"needs_response", "warning_needs_response"})
# Written into the evidence, these decide a dispute of the test mode.
WINNING: Final = "winning_evidence"
ESCALATING: Final = "escalate_inquiry_evidence"


def open(
    world: World, charge: Obj, *, reason: str = "fraudulent", amount: int | None = None, is_inquiry: bool = False
) -> Obj:
    """Open a dispute over a payment: its money and a fee are withdrawn, unless the bank only inquires.

    Raises `StripeError` 400 for a charge that was not paid or is disputed already, or for more than was paid.
    """
    charge |= world.get(charges.KIND, charge["id"])
    if not charge["captured"] or charge["status"] != "succeeded" or charge["disputed"]:
        raise invalid(f"Charge {charge['id']} cannot be disputed.", "charge")
    paid: int = charge["amount_captured"]
    amount = paid if amount is None else amount
    if not 1 <= amount <= paid:
        raise invalid("The disputed amount must be between 1 and what was paid.", "amount")
    if charge["balance_transaction"] is None:
        charges.settle(world, charge["id"])
        charge |= world.get(charges.KIND, charge["id"])
    dispute = _draw_up(world, charge, reason, amount, is_inquiry=is_inquiry)
    world.change(charge, {"disputed": True, HIDDEN: {**charge[HIDDEN], "dispute": dispute["id"]}})
    world.schedule(DEADLINE, dispute, dispute["evidence_details"]["due_by"])
    world.emit("charge.dispute.created", dispute)
    if not is_inquiry:
        _withdraw(world, dispute)
    charge |= world.get(charges.KIND, charge["id"])
    return dispute


def submit(world: World, dispute: Obj) -> Obj:
    """Hand the evidence to the bank, which decides shortly after when it is one of the test mode's words."""
    is_inquiry = dispute["status"].startswith("warning")
    told: Obj = dispute["evidence_details"]
    changes = {
        "status": "warning_under_review" if is_inquiry else "under_review",
        "evidence_details": {**told, "submission_count": told["submission_count"] + 1, "submission_method": "manual"},
    }
    world.change(dispute, changes, "charge.dispute.updated")
    world.cancel(DEADLINE, dispute)
    world.schedule(DECISION, dispute, world.now_for(dispute) + DECISION_SECONDS)
    return dispute


def close(world: World, dispute: Obj, *, won: bool) -> Obj:
    """Decide a dispute. An inquiry ends as `warning_closed`, whoever was right: no money was taken.

    Raises `StripeError` 400 for one that is decided.
    """
    check_open(dispute)
    for timer in (DEADLINE, DECISION):
        world.cancel(timer, dispute)
    if dispute["status"].startswith("warning"):
        return world.change(dispute, {"status": "warning_closed"}, "charge.dispute.closed")
    world.change(dispute, {"status": "won" if won else "lost"}, "charge.dispute.closed")
    if won:
        before = {"balance_transactions": dispute["balance_transactions"]}
        transaction = balance_transactions.reinstate(world, dispute)
        world.change(dispute, {"balance_transactions": [transaction, *dispute["balance_transactions"]]})
        world.emit("charge.dispute.funds_reinstated", dispute, previous=before)
        _mark(world, dispute, is_charged_back=False)
    return dispute


def check_open(dispute: Obj) -> None:
    """Raise `StripeError` 400 for a dispute that is decided."""
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed")


@action(DEADLINE)
def run_out(world: World, id: str) -> None:
    """Nothing was said in time: the customer gets the money."""
    dispute = world.find(KIND, id)
    if dispute is not None and dispute["status"] in ANSWERABLE:
        dispute["evidence_details"] = {**dispute["evidence_details"], "past_due": True}
        close(world, dispute, won=False)


@action(DECISION)
def decide(world: World, id: str) -> None:
    """The bank has read the evidence; without one of the words it knows it goes on reading."""
    dispute = world.find(KIND, id)
    if dispute is None or dispute["status"] not in OPEN:
        return
    words = " ".join(str(value) for value in dispute["evidence"].values() if value)
    if ESCALATING in words and dispute["status"].startswith("warning"):
        _escalate(world, dispute)
    elif WINNING in words or "losing_evidence" in words:
        close(world, dispute, won=WINNING in words)


def _escalate(world: World, dispute: Obj) -> None:
    """Let an inquiry become a chargeback."""
    details: Obj = dispute["payment_method_details"]
    changes = {
        "status": "needs_response",
        "is_charge_refundable": False,
        "payment_method_details": {**details, "card": {**details["card"], "case_type": "chargeback"}},
    }
    world.change(dispute, changes, "charge.dispute.updated")
    world.schedule(DEADLINE, dispute, dispute["evidence_details"]["due_by"])
    _withdraw(world, dispute)


def _withdraw(world: World, dispute: Obj) -> None:
    transaction = balance_transactions.withdraw(world, dispute)
    previous: dict[str, Any] = {"balance_transactions": []}
    world.change(dispute, {"balance_transactions": [transaction]})
    world.emit("charge.dispute.funds_withdrawn", dispute, previous=previous)
    _mark(world, dispute, is_charged_back=True)


def _mark(world: World, dispute: Obj, *, is_charged_back: bool) -> None:
    """Let the charge know whether its money was taken, so that it is not given back twice."""
    charge = world.get(charges.KIND, dispute["charge"])
    world.change(charge, {HIDDEN: {**charge[HIDDEN], "is_charged_back": is_charged_back}})


def _draw_up(world: World, charge: Obj, reason: str, amount: int, *, is_inquiry: bool) -> Obj:
    dispute = world.new(KIND, amount=amount, charge=charge["id"], currency=charge["currency"], reason=reason)
    dispute |= {"payment_intent": charge["payment_intent"], "is_charge_refundable": is_inquiry, "metadata": {}}
    dispute[HIDDEN] = {"test_clock": clock_of(charge), "invoice": charge[HIDDEN].get("invoice")}
    dispute["created"] = now = world.now_for(dispute)
    dispute["status"] = "warning_needs_response" if is_inquiry else "needs_response"
    dispute["evidence"]["enhanced_evidence"] = {}
    dispute["evidence_details"] = {
        "due_by": (now // DAY_SECONDS + DAYS_TO_ANSWER) * DAY_SECONDS - 1,
        "enhanced_eligibility": {},
        "has_evidence": False,
        "past_due": False,
        "submission_count": 0,
        "submission_method": "not_submitted",
    }
    card = charge["payment_method_details"].get("card")
    if card is not None:
        told = {"brand": card["brand"], "network": card["network"], "network_reason_code": REASON_CODES.get(reason)}
        case = "inquiry" if is_inquiry else "chargeback"
        dispute["payment_method_details"] = {"type": "card", "card": told | {"case_type": case}}
    return world.save(dispute)
