"""Why a payment did not go through, as error replies, intents and charges tell it.

Source: docs.stripe.com/declines/codes and docs.stripe.com/error-codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.values import Obj

DOCS: Final = "https://stripe.com/docs/error-codes/"


@dataclass(frozen=True, slots=True)
class Decline:
    """One reason: the error it makes, and what a charge says of it."""

    code: str  # of the error
    message: str
    reason: str  # of the charge's outcome
    decline_code: str | None = None
    param: str | None = None
    advice: str | None = None
    is_blocked: bool = False  # by Stripe, before the bank was asked
    type: str = "card_error"

    def error(self) -> Obj:
        """Return the error's fields."""
        fields = {
            "advice_code": self.advice,
            "code": self.code,
            "decline_code": self.decline_code,
            "doc_url": DOCS + self.code.replace("_", "-"),
            "message": self.message,
            "param": self.param,
            "type": self.type,
        }
        return {name: value for name, value in fields.items() if value is not None}


def _card(reason: str, message: str = "Your card was declined.", **more: Any) -> Decline:
    return Decline("card_declined", message, reason, reason, **more)


CARD_DECLINES: Final = {
    "generic_decline": _card("generic_decline", advice="try_again_later"),
    "insufficient_funds": _card(
        "insufficient_funds", "Your card has insufficient funds.", advice="try_again_later"
    ),
    "lost_card": _card("lost_card", advice="do_not_try_again"),
    "stolen_card": _card("stolen_card", advice="do_not_try_again"),
    "card_velocity_exceeded": _card(
        "card_velocity_exceeded",
        "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
        advice="try_again_later",
    ),
    "fraudulent": _card("fraudulent", is_blocked=True),
    "expired_card": Decline(
        "expired_card", "Your card has expired.", "expired_card", param="exp_month", advice="confirm_card_data"
    ),
    "incorrect_cvc": Decline(
        "incorrect_cvc", "Your card's security code is incorrect.", "incorrect_cvc", param="cvc",
        advice="confirm_card_data",
    ),
    "processing_error": Decline(
        "processing_error",
        "An error occurred while processing your card. Try again in a little bit.",
        "processing_error",
        advice="try_again_later",
    ),
    "authentication_required": Decline(
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        "authentication_required",
        "authentication_required",
    ),
}  # fmt: skip
BANK_DECLINES: Final = {
    "account_closed": "The customer's bank account has been closed.",
    "no_account": "The customer's bank account could not be located.",
    "insufficient_funds": "The customer's account has insufficient funds to cover this payment.",
    "debit_not_authorized": "The customer has notified their bank that this payment was unauthorized.",
    "bank_account_restricted": "The customer's bank account cannot be debited.",
}
NOT_AUTHENTICATED: Final = Decline(
    "payment_intent_authentication_failure",
    "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new PaymentMethod"
    " to attempt to fulfill this PaymentIntent again.",
    "authentication_failure",
    type="invalid_request_error",
)
SETUP_NOT_AUTHENTICATED: Final = Decline(
    "setup_intent_authentication_failure",
    "The latest attempt to set up the payment method has failed because authentication failed.",
    "authentication_failure",
    type="invalid_request_error",
)


def of_bank(code: str) -> Decline:
    """Return the reason for which a bank refuses a debit."""
    return Decline(code, BANK_DECLINES[code], code)


def refuse(error: Obj, **evidence: Any) -> StripeError:
    """Return the error reply to a declined payment: 402, and what was tried stays; `evidence` are its objects."""
    fields = {name: value for name, value in error.items() if name not in {"message", "type", "code", "param"}}
    return StripeError(
        error["message"],
        status=402,
        type=error["type"],
        code=error["code"],
        param=error.get("param"),
        keeps_effects=True,
        **(fields | evidence),
    )
