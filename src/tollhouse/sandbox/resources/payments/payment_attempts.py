"""Attempts to pay an intent: confirmed, challenged, declined, under way, settled.

Source: docs.stripe.com/payments/paymentintents/lifecycle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tollhouse.sandbox.resources.payments import bank_accounts, challenges, charges, declines, disputes, payment_methods
from tollhouse.sandbox.resources.payments.declines import Decline
from tollhouse.sandbox.resources.payments.intent_fields import (
    DEBITS,
    check_method,
    check_status,
    make_next_action,
    options_of,
)
from tollhouse.sandbox.state.world import HIDDEN, World, action
from tollhouse.sandbox.values import Obj

Follower = Callable[[World, Obj, str], None]

KIND: Final = "payment_intent"
SETTLEMENT: Final = "payment_settlement"
EXPIRY: Final = "authorization_expiry"
CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
CHARGE_FIELDS: Final = (
    "customer", "description", "metadata", "receipt_email", "shipping", "statement_descriptor",
    "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip

_followers: list[Follower] = []


def follow(function: Follower) -> Follower:
    """Register what is called with an intent and its outcome, after its events and before anything else happens.

    Outcomes are `succeeded`, `payment_failed`, `processing`, `requires_action`, `requires_capture` and `canceled`.
    """
    _followers.append(function)
    return function


def tell(world: World, intent: Obj, outcome: str) -> None:
    """Call those who follow."""
    for each in _followers:
        each(world, intent, outcome)


def confirm(
    world: World,
    intent: Obj,
    method: Obj,
    *,
    off_session: bool = False,
    return_url: str | None = None,
    uses_sdk: bool = False,
    refuses_challenge: bool = False,
) -> Obj:
    """Try to pay with a payment method; return the intent, changed.

    Its status is `succeeded`, `processing`, `requires_action` or `requires_capture`. A decline leaves its attempt
    behind and raises `StripeError` 402; 400 is raised where nothing can be tried. `off_session` says that the customer
    is away, who then cannot be asked: that is declined, unless it is an invoice, which can be paid later. With
    `refuses_challenge` it is declined in any case.
    """
    check_status(intent, CONFIRMABLE, "confirmed")
    check_method(intent, method, "PaymentIntent")
    is_answered = intent[HIDDEN].pop("is_answered_for", None) == method["id"]
    world.change(intent, {"payment_method": method["id"], "last_payment_error": None, "next_action": None})
    if not is_answered and challenges.is_needed(intent, method, off_session=off_session):
        is_asked = not off_session or intent[HIDDEN].get("invoice")
        if is_asked and not refuses_challenge:
            changes = {"next_action": make_next_action(world, intent, return_url, uses_sdk=uses_sdk)}
            return _arrive(world, intent, "requires_action", changes)
        decline = declines.CARD_DECLINES["authentication_required"]
        _decline(world, intent, method, _draw_up(world, intent, method), decline)
    else:
        _attempt(world, intent, method, is_answered=is_answered)
    error: Obj | None = intent["last_payment_error"]
    if error is not None:
        raise declines.refuse(error, payment_intent=intent)
    return intent


def answer_challenge(world: World, intent: Obj, *, approved: bool) -> Obj:
    """Answer in the customer's place; return the intent, changed. A decline that follows is in `last_payment_error`.

    Raises `StripeError` 400 for an intent that does not wait for an answer.
    """
    check_status(intent, ("requires_action",), "authenticated")
    method = world.get(payment_methods.KIND, intent["payment_method"])
    if not approved:
        return _fail(world, intent, method, declines.NOT_AUTHENTICATED.error())
    if intent["confirmation_method"] == "manual":  # the server confirms once more
        hidden = {**intent[HIDDEN], "is_answered_for": method["id"]}
        return world.change(intent, {"status": "requires_confirmation", "next_action": None, HIDDEN: hidden})
    _attempt(world, intent, method, is_answered=True)
    return intent


def settle(world: World, intent: Obj, *, succeeded: bool) -> Obj:
    """Let the bank of a debit that is under way pay, or not; return the intent, changed.

    Raises `StripeError` 400 for an intent that is not `processing`.
    """
    check_status(intent, ("processing",), "settled")
    world.cancel(SETTLEMENT, intent)
    charge = world.get(charges.KIND, intent["latest_charge"])
    method = world.get(payment_methods.KIND, intent["payment_method"])
    if not succeeded:
        decline = declines.of_bank(_account_of(method).decline or "insufficient_funds")
        return _decline(world, intent, method, charge, decline)
    charges.succeed(world, charge)
    return complete(world, intent, charge)


def complete(world: World, intent: Obj, charge: Obj) -> Obj:
    """Let an intent have succeeded by a charge; a card that disputes does so now."""
    received: int = charge["amount_captured"]
    changes = {"amount_received": received, "amount_capturable": 0, "latest_charge": charge["id"], "next_action": None}
    _arrive(world, intent, "succeeded", changes)
    card = charges.card_of(charge)
    if card is not None and card.dispute:
        disputes.open(world, charge, reason=card.dispute, is_inquiry=card.is_inquiry)
    elif card is None and _is_disputed(charge):
        disputes.open(world, charge)
    return intent


@action(SETTLEMENT)
def settle_in_time(world: World, id: str) -> None:
    """The bank has said whether it pays."""
    intent = world.find(KIND, id)
    if intent is not None and intent["status"] == "processing":
        account = _account_of(world.get(payment_methods.KIND, intent["payment_method"]))
        settle(world, intent, succeeded=not account.decline)


def _attempt(world: World, intent: Obj, method: Obj, *, is_answered: bool) -> Obj:
    """Charge the payment method; a decline is in the intent's `last_payment_error`."""
    charge = _draw_up(world, intent, method)
    if method["type"] in DEBITS:
        return _debit(world, intent, method, charge)
    card = payment_methods.card_of(method)
    if card is not None and is_answered:
        charge["payment_method_details"]["card"]["three_d_secure"] = challenges.tell_result(world)
    if card is not None and card.decline:
        return _decline(world, intent, method, charge, declines.CARD_DECLINES[card.decline])
    is_held = _is_held(intent, method)
    charges.succeed(world, charge, is_held=is_held, is_settled=intent["capture_method"] != "automatic_async")
    _keep(world, intent, method)
    if not is_held:
        return complete(world, intent, charge)
    world.schedule(EXPIRY, intent, charge["created"] + charges.AUTHORIZATION_SECONDS)
    changes = {"amount_capturable": charge["amount"], "latest_charge": charge["id"], "next_action": None}
    return _arrive(world, intent, "requires_capture", changes)


def _draw_up(world: World, intent: Obj, method: Obj) -> Obj:
    hidden = {"invoice": intent[HIDDEN].get("invoice"), "test_clock": intent[HIDDEN]["test_clock"]}
    fields = {name: intent[name] for name in CHARGE_FIELDS}
    amount, currency = intent["amount"], intent["currency"]
    charge = charges.draw_up(
        world, method, amount=amount, currency=currency, hidden=hidden, payment_intent=intent["id"], **fields
    )
    if (
        method["type"] == "card"
        and options_of(intent, "card").get("request_incremental_authorization") == "if_available"
    ):
        charge["payment_method_details"]["card"]["incremental_authorization"] = {"status": "available"}
    return charge


def _debit(world: World, intent: Obj, method: Obj, charge: Obj) -> Obj:
    """Let a bank be asked, which takes its time."""
    charges.wait(world, charge)
    _keep(world, intent, method)
    seconds = _account_of(method).seconds
    if seconds != bank_accounts.NEVER:
        world.schedule(SETTLEMENT, intent, world.now_for(intent) + seconds)
    return _arrive(world, intent, "processing", {"latest_charge": charge["id"], "next_action": None})


def _decline(world: World, intent: Obj, method: Obj, charge: Obj, decline: Decline) -> Obj:
    charges.fail(world, charge, decline)
    return _fail(world, intent, method, decline.error() | {"charge": charge["id"]})


def _fail(world: World, intent: Obj, method: Obj, error: Obj) -> Obj:
    """Let an attempt have failed: another payment method is needed."""
    changes: Obj = {
        "payment_method": None,
        "next_action": None,
        "last_payment_error": error | {"payment_method": method},
    }
    if "charge" in error:
        changes["latest_charge"] = error["charge"]
    return _arrive(world, intent, "requires_payment_method", changes, told="payment_failed")


def _arrive(world: World, intent: Obj, status: str, changes: Obj, *, told: str = "") -> Obj:
    """Let an intent be at a status, say so, and call those who follow."""
    outcome = told or status
    world.change(intent, {"status": status, **changes})
    event = "amount_capturable_updated" if outcome == "requires_capture" else outcome
    world.emit(f"payment_intent.{event}", intent)
    tell(world, intent, outcome)
    return intent


def _keep(world: World, intent: Obj, method: Obj) -> None:
    """Save a payment method that will be used again to its customer; any other that nobody has is used up."""
    usage = options_of(intent, method["type"]).get("setup_future_usage") or intent["setup_future_usage"]
    customer = world.find("customer", intent["customer"])
    if usage in {"on_session", "off_session"} and customer is not None:
        if method["customer"] is None:
            payment_methods.join(world, method, customer)
        if usage == "off_session":
            world.change(method, {HIDDEN: {**method[HIDDEN], "is_set_up": True}})
    elif method["customer"] is None:
        world.change(method, {HIDDEN: {**method[HIDDEN], "is_used_up": True}})


def _is_held(intent: Obj, method: Obj) -> bool:
    return "manual" in {intent["capture_method"], options_of(intent, method["type"]).get("capture_method")}


def _account_of(method: Obj) -> bank_accounts.Account:
    return bank_accounts.find(method["type"], method[HIDDEN]["number"])


def _is_disputed(charge: Obj) -> bool:
    kind: str = charge["payment_method_details"]["type"]
    return kind in DEBITS and bank_accounts.find(kind, charge[HIDDEN]["number"]).is_disputed
