"""Whether the customer is asked: 3-D Secure for cards, the page of another way to pay.

Source: docs.stripe.com/testing, docs.stripe.com/payments/3d-secure.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.resources.payments.intent_fields import DEBITS, options_of
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

UNASKED: Final = DEBITS | {"link"}


def is_needed(intent: Obj, method: Obj, *, off_session: bool) -> bool:
    """Say whether a payment, or a setup, with this payment method waits for the customer."""
    card = payment_methods.card_of(method)
    if card is None:
        return method["type"] not in UNASKED
    if card.challenge == "optional":
        return options_of(intent, "card").get("request_three_d_secure") in {"any", "challenge"}
    if card.challenge == "first":
        return not (off_session and method[HIDDEN].get("is_set_up"))
    if card.challenge == "present":
        return not off_session
    return card.challenge == "always"


def tell_result(world: World) -> Obj:
    """Return what a charge says of a challenge that was met."""
    return {
        "authentication_flow": "challenge",
        "electronic_commerce_indicator": "05",
        "exemption_indicator": None,
        "result": "authenticated",
        "result_reason": None,
        "transaction_id": world.ids.text(24),
        "version": "2.2.0",
    }
