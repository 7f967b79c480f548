"""Charges: each attempt to take money. Source: docs.stripe.com/api/charges."""

from __future__ import annotations

from typing import Any, Final

from tollhouse.sandbox.api.lists import make_list
from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.resources.payments import balance_transactions, payment_methods
from tollhouse.sandbox.resources.payments import payment_method_details as details
from tollhouse.sandbox.resources.payments.cards import Card
from tollhouse.sandbox.resources.payments.declines import Decline
from tollhouse.sandbox.resources.registry import includable
from tollhouse.sandbox.state.store import Timer
from tollhouse.sandbox.state.world import HIDDEN, World, action, clock_of
from tollhouse.sandbox.values import Obj

KIND: Final = "charge"
SETTLEMENT: Final = "charge_settlement"
AUTHORIZATION_SECONDS: Final = 7 * DAY_SECONDS
STATEMENT_DESCRIPTOR: Final = "TOLLHOUSE SANDBOX"
REFUNDS_EMBEDDED: Final = 10
RISK_SCORES: Final = {"normal": 20, "elevated": 65, "highest": 85}
SELLER_MESSAGES: Final = {
    "insufficient_funds": "The bank returned the decline code `insufficient_funds`.",
    "generic_decline": "The bank did not return any further details with this decline.",
    "fraudulent": "Stripe blocked this payment as too risky.",
}


def draw_up(world: World, method: Obj, *, amount: int, currency: str, hidden: Obj, **fields: Any) -> Obj:
    """Return a charge of a payment method that is neither decided nor saved.

    `hidden` is kept with it: `invoice`, `test_clock`.
    """
    is_card = method["type"] == "card"
    id = None if is_card else "py_" + world.ids.text(24)
    hidden = {**hidden, "number": method[HIDDEN]["number"]}
    charge = world.new(KIND, id=id, amount=amount, currency=currency, _=hidden, **fields)
    charge |= {"payment_method": method["id"], "billing_details": method["billing_details"], "fraud_details": {}}
    charge |= {"radar_options": {}, "payment_method_details": _describe_method(world, method, amount)}
    suffix = charge["statement_descriptor_suffix"]
    named = charge["statement_descriptor"] or STATEMENT_DESCRIPTOR
    charge["calculated_statement_descriptor"] = f"{named}* {suffix}" if suffix else named
    return charge


def succeed(world: World, charge: Obj, *, is_held: bool = False, is_settled: bool = True) -> Obj:
    """Let a charge go through: taken at once, or held for a later capture.

    What is not settled has no balance transaction yet when `charge.succeeded` is told; `charge.updated` follows.
    """
    charge |= {"status": "succeeded", "paid": True, "outcome": _outcome(charge)}
    charge["receipt_url"] = f"{world.url}/receipts/{charge['id']}"
    if is_held:
        charge["payment_method_details"]["card"]["capture_before"] = charge["created"] + AUTHORIZATION_SECONDS
    else:
        charge |= {"captured": True, "amount_captured": charge["amount"]}
        if is_settled:
            charge["balance_transaction"] = _receive(world, charge)["id"]
        else:
            _settle_soon(world, charge)
    world.save(charge)
    world.emit("charge.succeeded", charge)
    return charge


def wait(world: World, charge: Obj) -> Obj:
    """Let a debit be under way: whether its bank pays is not known yet."""
    charge |= {"status": "pending", "captured": True, "amount_captured": charge["amount"]}
    charge["outcome"] = _outcome(charge)
    world.save(charge)
    world.emit("charge.pending", charge)
    return charge


def fail(world: World, charge: Obj, decline: Decline) -> Obj:
    """Let a charge be declined."""
    code = decline.code
    charge |= {"status": "failed", "paid": False, "captured": False, "amount_captured": 0}
    charge |= {"failure_code": code, "failure_message": decline.message, "outcome": _refusal(charge, decline)}
    world.save(charge)
    world.emit("charge.failed", charge)
    return charge


def capture(world: World, charge: Obj, amount: int) -> Obj:
    """Take what was held, or a part of it; a rest is given up by the caller."""
    changes: Obj = {"captured": True, "amount_captured": amount}
    charge |= changes  # the balance moves by what is captured
    changes["balance_transaction"] = _receive(world, charge)["id"]
    previous = {"amount_captured": 0, "balance_transaction": None, "captured": False}
    world.change(charge, changes)
    world.emit("charge.captured", charge, previous=previous)
    return charge


@action(SETTLEMENT)
def settle(world: World, id: str) -> None:
    """The balance transaction of a payment that was captured a moment ago is there."""
    charge = world.find(KIND, id)
    if charge is not None and charge["balance_transaction"] is None:
        world.change(charge, {"balance_transaction": _receive(world, charge)["id"]}, "charge.updated")


def _settle_soon(world: World, charge: Obj) -> None:
    """Let the balance transaction come in a moment, also where a test clock stands still."""
    clock = world.find("test_helpers.test_clock", clock_of(charge))
    if clock is None or clock["status"] == "advancing":
        world.schedule(SETTLEMENT, charge, world.now_for(charge))
    else:
        world.store.schedule(Timer(world.clock.now(), SETTLEMENT, charge["id"]))


def card_of(charge: Obj) -> Card | None:
    """Return the test card that was charged, or None when it was no card."""
    is_card = charge["payment_method_details"]["type"] == "card"
    return payment_methods.cards.find(charge[HIDDEN]["number"]) if is_card else None


@includable(KIND, "refunds")
def refunds(world: World, charge: Obj) -> Obj:
    """The refunds of a charge, newest first."""
    found = world.every("refund", charge=charge["id"])
    url = f"/v1/charges/{charge['id']}/refunds"
    page = make_list(found[:REFUNDS_EMBEDDED], url, has_more=len(found) > REFUNDS_EMBEDDED)
    return page | {"total_count": len(found)}


def _receive(world: World, charge: Obj) -> Obj:
    card = card_of(charge)
    is_available = card is not None and card.is_available_at_once
    return balance_transactions.receive(world, charge, charge["amount_captured"], is_available=is_available)


def _outcome(charge: Obj) -> Obj:
    card = card_of(charge)
    score = {} if card is None else {"risk_score": RISK_SCORES[card.risk]}
    return score | {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network",
        "reason": "elevated_risk_level" if card is not None and card.risk == "elevated" else None,
        "risk_level": "not_assessed" if card is None else card.risk,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }


def _refusal(charge: Obj, decline: Decline) -> Obj:
    usual = f"The bank returned the decline code `{decline.reason}`."
    return _outcome(charge) | {
        "advice_code": decline.advice,
        "network_status": "not_sent_to_network" if decline.is_blocked else "declined_by_network",
        "reason": "highest_risk_level" if decline.is_blocked else decline.reason,
        "seller_message": SELLER_MESSAGES.get(decline.reason, usual),
        "type": "blocked" if decline.is_blocked else "issuer_declined",
    }


def _describe_method(world: World, method: Obj, amount: int) -> Obj:
    kind: str = method["type"]
    if kind == "card":
        return {"type": kind, kind: _describe_card(world, method, amount)}
    schema = world.description.schemas[KIND]["properties"]["payment_method_details"]["properties"][kind]
    return {
        "type": kind,
        kind: details.take_fields(schema, {**method[kind], "mandate": method[HIDDEN].get("mandate")}),
    }


def _describe_card(world: World, method: Obj, amount: int) -> Obj:
    card: Obj = details.pass_checks(method["card"], method["billing_details"], method[HIDDEN])
    taken = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4")
    return {name: card[name] for name in taken} | {
        "amount_authorized": amount,
        "authorization_code": f"{int(card['last4']):06}",
        "electronic_commerce_indicator": None,
        "extended_authorization": {"status": "disabled"},
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": world.ids.text(15),
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }
