"""Setup intents: a payment method made ready for later payments. Source: docs.stripe.com/api/setup_intents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tollhouse.sandbox.resources.payments import challenges, declines, mandates, payment_methods
from tollhouse.sandbox.resources.payments.intent_fields import (
    DEBITS,
    SETUP_TYPES,
    check_method,
    check_status,
    hide,
    make_next_action,
    make_secret,
    read_options,
)
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

Follower = Callable[[World, Obj, str], None]

KIND: Final = "setup_intent"
CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")

_followers: list[Follower] = []


def follow(function: Follower) -> Follower:
    """Register what is called with an intent and its outcome, after its events and before anything else happens.

    Outcomes are `succeeded`, `setup_failed`, `requires_action` and `canceled`.
    """
    _followers.append(function)
    return function


def open(world: World, *, customer: str | None = None, hidden: Obj | None = None, **fields: Any) -> Obj:
    """Return a new intent. `hidden` is kept with it, `fields` are fields of it.

    Raises `StripeError` 400 for a customer that is not there.
    """
    kept = hide(world, customer, hidden)
    intent = world.new(KIND, customer=customer, metadata={}, usage="off_session", _=kept)
    intent |= {"payment_method_types": [*SETUP_TYPES], "client_secret": make_secret(world, intent["id"]), **fields}
    types: list[str] = intent["payment_method_types"]
    intent["payment_method_options"] = read_options(world, KIND, types, intent["payment_method_options"])
    intent["status"] = "requires_confirmation" if intent["payment_method"] else "requires_payment_method"
    world.save(intent)
    world.emit("setup_intent.created", intent)
    return intent


def confirm(
    world: World,
    intent: Obj,
    method: Obj,
    *,
    return_url: str | None = None,
    uses_sdk: bool = False,
    mandate_data: Obj | None = None,
) -> Obj:
    """Set a payment method up; return the intent, changed: `succeeded` or `requires_action`.

    A card that its bank refuses to save leaves its attempt behind and raises `StripeError` 402; 400 is raised where
    nothing can be tried.
    """
    check_status(intent, CONFIRMABLE, "confirmed")
    check_method(intent, method, "SetupIntent")
    world.change(intent, {"payment_method": method["id"], "last_setup_error": None, "next_action": None})
    card = payment_methods.card_of(method)
    if card is not None and not card.can_be_saved:
        error = declines.CARD_DECLINES[card.decline].error()
        _fail(world, intent, method, error)
        raise declines.refuse(error, setup_intent=intent, payment_method=method)
    is_known = card is not None and card.challenge == "present"
    if not is_known and challenges.is_needed(intent, method, off_session=False):
        attempt = _note_attempt(world, intent, method, "requires_action")
        changes = {"next_action": make_next_action(world, intent, return_url, uses_sdk=uses_sdk)}
        return _arrive(world, intent, "requires_action", changes | {"latest_attempt": attempt["id"]})
    return _succeed(world, intent, method, mandate_data)


def answer_challenge(world: World, intent: Obj, *, approved: bool) -> Obj:
    """Answer in the customer's place; return the intent, changed.

    Raises `StripeError` 400 for an intent that does not wait for an answer.
    """
    check_status(intent, ("requires_action",), "authenticated")
    method = world.get(payment_methods.KIND, intent["payment_method"])
    if approved:
        return _succeed(world, intent, method, None)
    return _fail(world, intent, method, declines.SETUP_NOT_AUTHENTICATED.error())


def cancel(world: World, intent: Obj, reason: str | None = None) -> Obj:
    """Cancel an intent. Raises `StripeError` 400 once it has ended."""
    check_status(intent, CONFIRMABLE, "canceled")
    return _arrive(world, intent, "canceled", {"cancellation_reason": reason, "next_action": None})


def _succeed(world: World, intent: Obj, method: Obj, mandate_data: Obj | None) -> Obj:
    customer = world.find("customer", intent["customer"])
    if customer is not None and method["customer"] is None:
        payment_methods.join(world, method, customer)
    changes: Obj = {"next_action": None, "last_setup_error": None}
    if method["type"] in DEBITS:
        changes["mandate"] = mandates.grant(world, method, mandate_data)["id"]
    world.change(method, {HIDDEN: {**method[HIDDEN], "is_set_up": True}})
    changes["latest_attempt"] = _note_attempt(world, intent, method, "succeeded")["id"]
    return _arrive(world, intent, "succeeded", changes)


def _fail(world: World, intent: Obj, method: Obj, error: Obj) -> Obj:
    attempt = _note_attempt(world, intent, method, "failed", error)
    changes: Obj = {"payment_method": None, "next_action": None, "latest_attempt": attempt["id"]}
    changes["last_setup_error"] = error | {"payment_method": method}
    return _arrive(world, intent, "requires_payment_method", changes, told="setup_failed")


def _arrive(world: World, intent: Obj, status: str, changes: Obj, *, told: str = "") -> Obj:
    """Let an intent be at a status, say so, and call those who follow."""
    world.change(intent, {"status": status, **changes})
    world.emit(f"setup_intent.{told or status}", intent)
    for each in _followers:
        each(world, intent, told or status)
    return intent


def _note_attempt(world: World, intent: Obj, method: Obj, status: str, error: Obj | None = None) -> Obj:
    """Keep what was tried, which `latest_attempt` names."""
    kind: str = method["type"]
    now = world.now_for(intent)
    attempt = world.new("setup_attempt", application=None, created=now, customer=intent["customer"], livemode=False)
    attempt |= {"customer_account": None, "flow_directions": None, "on_behalf_of": None, "payment_method": method["id"]}
    attempt |= {"payment_method_details": {"type": kind, kind: {}}, "setup_error": error, "setup_intent": intent["id"]}
    return world.save(attempt | {"status": status, "usage": intent["usage"]})
