"""Payment intents: opened, paid, captured and canceled. Source: docs.stripe.com/api/payment_intents."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox import money
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.resources.payments import amounts, charges, payment_attempts, refunds
from tollhouse.sandbox.resources.payments.intent_fields import (
    check_status,
    hide,
    make_secret,
    read_options,
    types_of,
    usual_capture,
)
from tollhouse.sandbox.resources.payments.payment_attempts import (
    EXPIRY,
    KIND,
    answer_challenge,
    confirm,
    follow,
    settle,
)
from tollhouse.sandbox.state.world import World, action
from tollhouse.sandbox.values import Obj

__all__ = ["answer_challenge", "cancel", "capture", "confirm", "follow", "increment", "open", "settle"]

CANCELABLE: Final = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")


def open(
    world: World, *, amount: int, currency: str, customer: str | None = None, hidden: Obj | None = None, **fields: Any
) -> Obj:
    """Return a new intent to pay an amount, in the currency's minor unit.

    `hidden` is kept with it: `invoice` and `checkout_session` name whom its outcome concerns. `fields` are fields of
    the intent. Raises `StripeError` 400 for an amount that cannot be charged, or a customer that is not there.
    """
    amounts.check(amount, currency)
    kept = hide(world, customer, hidden)
    intent = world.new(KIND, amount=amount, currency=currency, customer=customer, _=kept, metadata={})
    intent |= {"capture_method": usual_capture(world), "confirmation_method": "automatic"}
    intent["amount_details"] = {"tip": {}}
    intent |= {"payment_method_types": types_of(currency), "client_secret": make_secret(world, intent["id"]), **fields}
    types: list[str] = intent["payment_method_types"]
    intent["payment_method_options"] = read_options(world, KIND, types, intent["payment_method_options"])
    if kept.get("invoice"):
        intent["payment_details"] = {"customer_reference": None, "order_reference": kept["invoice"]}
    intent["status"] = "requires_confirmation" if intent["payment_method"] else "requires_payment_method"
    world.save(intent)
    world.emit("payment_intent.created", intent)
    return intent


def capture(world: World, intent: Obj, amount: int | None = None) -> Obj:
    """Take what was held, or a part of it and give up the rest.

    Raises `StripeError` 400 when nothing is held, or less than that.
    """
    check_status(intent, ("requires_capture",), "captured")
    held: int = intent["amount_capturable"]
    amount = held if amount is None else amount
    if not 1 <= amount <= held:
        currency: str = intent["currency"]
        raise StripeError(
            f"The amount to capture must be between 1 and the amount that can be captured,"
            f" {money.show(held, currency)}.",
            code="amount_too_large" if amount > held else "parameter_invalid_integer",
            param="amount_to_capture",
        )
    world.cancel(EXPIRY, intent)
    charge = charges.capture(world, world.get(charges.KIND, intent["latest_charge"]), amount)
    if amount < held:
        refunds.release(world, charge, held - amount)
    return payment_attempts.complete(world, intent, charge)


def increment(world: World, intent: Obj, amount: int) -> Obj:
    """Hold more, up to this amount. Raises `StripeError` 400 unless that was asked for before."""
    check_status(intent, ("requires_capture",), "incremented")
    charge = world.get(charges.KIND, intent["latest_charge"])
    card: Obj = charge["payment_method_details"].get("card", {})
    if card.get("incremental_authorization", {}).get("status") != "available":
        raise invalid(
            "This PaymentIntent is not eligible for incremental authorization.", code="payment_intent_invalid_parameter"
        )
    if amount <= intent["amount"]:
        raise invalid("The amount must be greater than the currently authorized amount.", "amount")
    amounts.check(amount, intent["currency"])
    details = charge["payment_method_details"] | {"card": card | {"amount_authorized": amount}}
    world.change(charge, {"amount": amount, "payment_method_details": details}, "charge.updated")
    world.change(intent, {"amount": amount, "amount_capturable": amount})
    world.emit("payment_intent.amount_capturable_updated", intent)
    return intent


def cancel(world: World, intent: Obj, reason: str | None = None) -> Obj:
    """Cancel an intent; what was held is given up. Raises `StripeError` 400 once it is paid, or being paid."""
    check_status(intent, CANCELABLE, "canceled")
    if intent["status"] == "requires_capture":
        world.cancel(EXPIRY, intent)
        charge = world.get(charges.KIND, intent["latest_charge"])
        is_expired = reason == "automatic"
        if is_expired:
            world.emit("charge.expired", charge)
        refunds.release(world, charge, charge["amount"], reason="expired_uncaptured_charge" if is_expired else None)
    changes: Obj = {"status": "canceled", "canceled_at": world.now_for(intent), "cancellation_reason": reason}
    world.change(intent, changes | {"amount_capturable": 0, "next_action": None})
    world.emit("payment_intent.canceled", intent)
    payment_attempts.tell(world, intent, "canceled")
    return intent


@action(EXPIRY)
def expire(world: World, id: str) -> None:
    """What was held for a week without a capture is given up."""
    intent = world.find(KIND, id)
    if intent is not None and intent["status"] == "requires_capture":
        cancel(world, intent, "automatic")
