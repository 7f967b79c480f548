"""Commands in the place of people and banks: paying, answering 3-D Secure, settling, refunding, disputing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tollhouse.sandbox.control.commands import command
from tollhouse.sandbox.errors import invalid, missing
from tollhouse.sandbox.resources.checkout import checkout_completion, checkout_sessions, checkout_totals
from tollhouse.sandbox.resources.payments import disputes, payment_intents, payment_methods, refunds, setup_intents
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

CARD_USUAL: Final = "4242424242424242"
SESSION: Final = "/checkout/sessions/{id}"
INTENT: Final = "/payment_intents/{id}"
CHALLENGES: Final = ("approve", "refuse")


@command(
    "POST", SESSION + "/pay", "Pays a Checkout session as its buyer would, with a card unless a bank account is named.",
    card="string?", bank_account="string?", challenge="string?", promotion_code="string?", details="object?",
)  # fmt: skip
def pay(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the session; one that waits for 3-D Secure stays open unless `challenge` answers."""
    world, session = sandbox.world, sandbox.world.get("checkout.session", id)
    if told.get("challenge", "approve") not in CHALLENGES:
        raise invalid("A challenge is answered with `approve` or `refuse`.", "challenge")
    if "promotion_code" in told:
        session = checkout_totals.apply_code(world, session, told["promotion_code"])
    method = _make_method(world, told) if checkout_completion.needs_method(session) else None
    session = checkout_sessions.pay(world, session, method, details=told.get("details"))
    intent = checkout_completion.find_intent(world, session)
    if "challenge" in told and intent is not None and intent["status"] == "requires_action":
        _answer(world, intent, approved=told["challenge"] == "approve")
    return world.get("checkout.session", id)


@command("POST", SESSION + "/expire", "Lets a Checkout session expire at once.")
def expire(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the session."""
    return checkout_sessions.expire(sandbox.world, sandbox.world.get("checkout.session", id))


@command("POST", INTENT + "/settle", "Lets a bank debit that is processing succeed.")
def settle(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the intent."""
    return payment_intents.settle(sandbox.world, _find_intent(sandbox.world, id, "processing"), succeeded=True)


@command("POST", INTENT + "/fail", "Lets a bank debit that is processing fail.")
def fail(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the intent."""
    return payment_intents.settle(sandbox.world, _find_intent(sandbox.world, id, "processing"), succeeded=False)


@command("POST", INTENT + "/approve", "Answers 3-D Secure with yes.")
def approve(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the intent."""
    return _answer(sandbox.world, _find_intent(sandbox.world, id, "requires_action"), approved=True)


@command("POST", INTENT + "/refuse", "Answers 3-D Secure with no.")
def refuse(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the intent."""
    return _answer(sandbox.world, _find_intent(sandbox.world, id, "requires_action"), approved=False)


@command("POST", "/setup_intents/{id}/approve", "Answers a setup's 3-D Secure with yes.")
def approve_setup(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the intent."""
    intent = _find_intent(sandbox.world, id, "requires_action", kind="setup_intent")
    return _answer(sandbox.world, intent, approved=True)


@command("POST", "/setup_intents/{id}/refuse", "Answers a setup's 3-D Secure with no.")
def refuse_setup(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the intent."""
    intent = _find_intent(sandbox.world, id, "requires_action", kind="setup_intent")
    return _answer(sandbox.world, intent, approved=False)


@command(
    "POST", "/refunds", "Refunds a payment, all of it unless an amount is named.",
    payment_intent="string?", charge="string?", amount="integer?", reason="string?",
)  # fmt: skip
def refund(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the refund."""
    charge = _find_charge(sandbox.world, told)
    return refunds.create(sandbox.world, charge, amount=told.get("amount"), reason=told.get("reason"))


@command("POST", "/refunds/{id}/fail", "Lets a refund fail after all: its money comes back.")
def fail_refund(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the refund."""
    return refunds.fail(sandbox.world, sandbox.world.get("refund", id))


@command(
    "POST", "/disputes", "Disputes a payment, as a card's holder does at the bank.",
    payment_intent="string?", charge="string?", amount="integer?", reason="string?",
)  # fmt: skip
def dispute(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the dispute."""
    charge, reason = _find_charge(sandbox.world, told), told.get("reason", "fraudulent")
    return disputes.open(sandbox.world, charge, reason=reason, amount=told.get("amount"))


@command("POST", "/disputes/{id}/win", "Decides a dispute for the merchant.")
def win(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the dispute."""
    return disputes.close(sandbox.world, sandbox.world.get("dispute", id), won=True)


@command("POST", "/disputes/{id}/lose", "Decides a dispute against the merchant.")
def lose(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return the dispute."""
    return disputes.close(sandbox.world, sandbox.world.get("dispute", id), won=False)


def _make_method(world: World, told: Obj) -> Obj:
    """Return a new payment method: `bank_account` is an IBAN, or the number of an account in the USA."""
    if {"card", "bank_account"} <= told.keys():
        raise invalid("Pay with a card or a bank account, not with both.", "bank_account")
    billing = {name: told["details"][name] for name in ("email", "name") if name in told.get("details", {})}
    number = told.get("bank_account")
    if number is None:
        return payment_methods.create_card(world, told.get("card", CARD_USUAL), billing_details=billing)
    kind = "sepa_debit" if number[:2].isalpha() else "us_bank_account"
    return payment_methods.create_bank_debit(world, number, kind=kind, billing_details=billing)


def _find_intent(world: World, id: str, status: str, *, kind: str = "payment_intent") -> Obj:
    """Return an intent. Raises `StripeError`: 404 for none, 400 when it is in another state."""
    intent = world.get(kind, id)
    if intent["status"] != status:
        raise invalid(f"It is not `{status}` but `{intent['status']}`.", code=f"{kind}_unexpected_state")
    return intent


def _answer(world: World, intent: Obj, *, approved: bool) -> Obj:
    answer = setup_intents.answer_challenge if intent["object"] == "setup_intent" else payment_intents.answer_challenge
    return answer(world, intent, approved=approved)


def _find_charge(world: World, told: Obj) -> Obj:
    """Return the charge that is named, or the one that paid the intent that is."""
    if ("charge" in told) == ("payment_intent" in told):
        raise invalid("Name either a charge or a payment intent.", "payment_intent")
    if "charge" in told:
        return world.get("charge", told["charge"], param="charge")
    intent = world.get("payment_intent", told["payment_intent"], param="payment_intent")
    if intent["latest_charge"] is None:
        raise missing("charge", intent["id"], param="payment_intent", status=400)
    return world.get("charge", intent["latest_charge"], param="payment_intent")
