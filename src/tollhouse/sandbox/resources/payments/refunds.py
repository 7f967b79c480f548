"""Refunds: made, and what becomes of them. Source: docs.stripe.com/api/refunds and docs.stripe.com/refunds."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox import money
from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.payments import balance_transactions, charges
from tollhouse.sandbox.state.world import HIDDEN, World, action, clock_of, compare
from tollhouse.sandbox.values import Obj

KIND: Final = "refund"
ARRIVAL: Final = "refund_arrival"
RETURN: Final = "refund_return"
CARD_SECONDS: Final = 60
BANK_SECONDS: Final = 3 * DAY_SECONDS
# Their payer's account is not known: he is asked by e-mail where the money should go.
ASKED_BY_EMAIL: Final = frozenset({"konbini", "multibanco"})
EMAIL_EXPIRES_SECONDS: Final = 45 * DAY_SECONDS
ENDED: Final = frozenset({"failed", "canceled"})


def create(
    world: World,
    charge: Obj,
    *,
    amount: int | None = None,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
    instructions_email: str | None = None,
) -> Obj:
    """Refund a charge, or `amount` of it in its minor unit.

    Raises `StripeError` 400: `charge_already_refunded`, `charge_disputed`, more than is left, or nothing was paid.
    """
    amount = _check(charge, amount)
    refund = _new(world, charge, amount, reason)
    refund |= {"metadata": metadata or {}, **_begin(world, charge, refund, instructions_email)}
    world.save(refund)
    if charge["captured"]:
        is_card = charge["payment_method_details"]["type"] == "card"
        refund["balance_transaction"] = balance_transactions.give_back(world, refund, is_card=is_card)["id"]
        world.save(refund)
    _plan(world, charge, refund)
    world.emit("refund.created", refund)
    _count(world, charge, amount)
    return refund


def release(world: World, charge: Obj, amount: int, *, reason: str | None = None) -> Obj:
    """Give up what was held and not captured: no money moves, the hold is reversed."""
    refund = _new(world, charge, amount, reason)
    refund |= {"status": "succeeded", "destination_details": {"card": {"type": "reversal"}, "type": "card"}}
    world.save(refund)
    world.emit("refund.created", refund)
    _count(world, charge, amount)
    return refund


def succeed(world: World, refund: Obj) -> Obj:
    """Let a pending refund arrive; one that has ended stays as it is."""
    if refund["status"] in {"pending", "requires_action"}:
        _change(world, refund, {"status": "succeeded"}, removed=("pending_reason", "next_action"))
    return refund


def fail(world: World, refund: Obj) -> Obj:
    """Let a refund come back, even one that had succeeded. Raises `StripeError` 400 for one that has ended."""
    if refund["status"] in ENDED or refund["balance_transaction"] is None:
        raise invalid(f"This refund cannot fail, because its status is {refund['status']}.")
    reason = "expired_or_canceled_card" if refund["destination_details"]["type"] == "card" else "declined"
    _return(world, refund, "failed", failure_reason=reason)
    world.emit("refund.failed", refund)
    return refund


def cancel(world: World, refund: Obj) -> Obj:
    """Take a refund back that waits for its receiver. Raises `StripeError` 400 for any other."""
    if refund["status"] != "requires_action":
        raise invalid(
            f"This refund cannot be canceled, because its status is {refund['status']}: only a refund that is"
            " requires_action can be canceled."
        )
    return _return(world, refund, "canceled")


def tell_update(world: World, refund: Obj, previous: Obj) -> None:
    """Tell that a refund has changed, in both the ways that Stripe does."""
    for type in ("refund.updated", "charge.refund.updated"):
        world.emit(type, refund, previous=previous)


@action(ARRIVAL)
def arrive(world: World, id: str) -> None:
    """The money of a pending refund has arrived."""
    refund = world.find(KIND, id)
    if refund is not None:
        succeed(world, refund)


@action(RETURN)
def come_back(world: World, id: str) -> None:
    """The receiver's bank returns a refund that seemed to have succeeded."""
    refund = world.find(KIND, id)
    if refund is not None and refund["status"] not in ENDED:
        fail(world, refund)


def _check(charge: Obj, amount: int | None) -> int:
    """Return how much is refunded. Raises `StripeError` 400 if it cannot be."""
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise invalid(f"Charge {charge['id']} cannot be refunded: it was not paid.", code="charge_not_refundable")
    if charge[HIDDEN].get("is_charged_back"):
        raise invalid(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    left: int = charge["amount"] - charge["amount_refunded"]
    if left == 0:
        raise invalid(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = left if amount is None else amount
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount > left:
        currency: str = charge["currency"]
        raise StripeError(
            f"Refund amount ({money.show(amount, currency)}) is greater than unrefunded amount on charge"
            f" ({money.show(left, currency)})",
            param="amount",
        )
    return amount


def _new(world: World, charge: Obj, amount: int, reason: str | None) -> Obj:
    is_card = charge["payment_method_details"]["type"] == "card"
    id = None if is_card else "pyr_" + world.ids.text(24)
    refund = world.new(KIND, id=id, amount=amount, currency=charge["currency"], reason=reason, metadata={})
    refund |= {"charge": charge["id"], "payment_intent": charge["payment_intent"], HIDDEN: {}}
    refund |= {"customer": charge["customer"], "payment_method": charge["payment_method"]}
    refund[HIDDEN] = {"test_clock": clock_of(charge)}
    refund["created"] = world.now_for(refund)
    return refund


def _begin(world: World, charge: Obj, refund: Obj, instructions_email: str | None) -> Obj:
    """Return how a refund stands at first, by what was charged."""
    kind: str = charge["payment_method_details"]["type"]
    card = charges.card_of(charge)
    if kind in ASKED_BY_EMAIL:
        now = world.now_for(refund)
        asked = {"email_sent_at": now, "email_sent_to": instructions_email or charge["billing_details"]["email"] or ""}
        details = {"email_sent": asked, "expires_at": now + EMAIL_EXPIRES_SECONDS}
        following = {"type": "display_details", "display_details": details}
        told: Obj = {"type": "customer_cash_balance", "customer_cash_balance": {}}
        return {"status": "requires_action", "next_action": following, "destination_details": told}
    if card is None:
        return {
            "status": "pending",
            "pending_reason": "processing",
            "destination_details": {"type": "us_bank_transfer", "us_bank_transfer": _reference("pending")},
        }
    reference = {"reference_type": "acquirer_reference_number", "reference_status": "pending", "type": "refund"}
    begun: Obj = {"status": "succeeded", "destination_details": {"card": reference, "type": "card"}}
    if card.refund == "pending":
        begun |= {"status": "pending", "pending_reason": "processing"}
    return begun


def _reference(status: str) -> Obj:
    return {"reference": None, "reference_status": status}


def _plan(world: World, charge: Obj, refund: Obj) -> None:
    """Let time bring what a refund waits for."""
    card = charges.card_of(charge)
    if refund["status"] == "pending":
        seconds = BANK_SECONDS if card is None else CARD_SECONDS
        world.schedule(ARRIVAL, refund, world.now_for(refund) + seconds)
    elif card is not None and card.refund == "fails":
        world.schedule(RETURN, refund, world.now_for(refund) + CARD_SECONDS)


def _count(world: World, charge: Obj, amount: int) -> None:
    """Add to what is refunded of a charge, and tell it. The charge is read anew, the caller's may be older."""
    charge |= world.get(charges.KIND, charge["id"])
    refunded: int = charge["amount_refunded"] + amount
    changes = {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
    world.change(charge, changes, "charge.refunded")


def _return(world: World, refund: Obj, status: str, **fields: Any) -> Obj:
    """Put the money of a refund back, and the charge as if it had not been."""
    transaction = balance_transactions.take_back(world, refund)
    charge = world.get(charges.KIND, refund["charge"])
    world.change(charge, {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False})
    changes = {"status": status, "failure_balance_transaction": transaction["id"], **fields}
    return _change(world, refund, changes, removed=("pending_reason", "next_action"))


def _change(world: World, refund: Obj, changes: Obj, *, removed: tuple[str, ...]) -> Obj:
    previous = compare(refund, changes) | {name: refund.pop(name) for name in removed if name in refund}
    world.change(refund, changes)
    tell_update(world, refund, previous)
    return refund
