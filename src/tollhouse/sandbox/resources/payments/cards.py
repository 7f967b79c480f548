"""Stripe's test cards, and what each of them does. Source: docs.stripe.com/testing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

# Whether the cardholder is asked, by 3-D Secure: `first` until the card was set up for payments in their absence,
# `present` whenever they are there, `optional` when the request wants it.
Challenge = Literal["never", "optional", "first", "present", "always"]


@dataclass(frozen=True, slots=True)
class Card:
    """One test card."""

    number: str
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    decline: str = ""  # the reason every payment is declined for
    can_be_saved: bool = True
    challenge: Challenge = "never"
    dispute: str = ""  # the reason its payments are disputed for
    is_inquiry: bool = False
    refund: Literal["", "pending", "fails"] = ""
    risk: str = "normal"
    is_available_at_once: bool = False
    failing_checks: tuple[str, ...] = ()

    @property
    def has_3d_secure(self) -> bool:
        """Say whether the network knows 3-D Secure."""
        return self.brand != "amex"


# By the names of Stripe's test ids: `pm_card_visa` and `tok_visa` are the card `visa`.
CARDS: Final = {
    "visa": Card("4242424242424242"),
    "visa_debit": Card("4000056655665556", funding="debit"),
    "mastercard": Card("5555555555554444", "mastercard"),
    "mastercard_2": Card("2223003122003222", "mastercard"),
    "mastercard_debit": Card("5200828282828210", "mastercard", "debit"),
    "mastercard_prepaid": Card("5105105105105100", "mastercard", "prepaid"),
    "amex": Card("371449635398431", "amex"),
    "amex_2": Card("378282246310005", "amex"),
    "discover": Card("6011000990139424", "discover"),
    "discover_2": Card("6011111111111117", "discover"),
    "discover_debit": Card("6011981111111113", "discover", "debit"),
    "diners": Card("3056930009020004", "diners"),
    "diners_14": Card("36227206271667", "diners"),
    "jcb": Card("3566002020360505", "jcb", country="JP"),
    "unionpay": Card("6200000000000005", "unionpay", country="CN"),
    "unionpay_debit": Card("6200000000000047", "unionpay", "debit", country="CN"),
    # Declined, and not even saved to a customer but for the first.
    "chargeCustomerFail": Card("4000000000000341", decline="generic_decline"),
    "chargeDeclined": Card("4000000000000002", decline="generic_decline", can_be_saved=False),
    "chargeDeclinedInsufficientFunds": Card("4000000000009995", decline="insufficient_funds", can_be_saved=False),
    "chargeDeclinedLostCard": Card("4000000000009987", decline="lost_card", can_be_saved=False),
    "chargeDeclinedStolenCard": Card("4000000000009979", decline="stolen_card", can_be_saved=False),
    "chargeDeclinedExpiredCard": Card("4000000000000069", decline="expired_card", can_be_saved=False),
    "chargeDeclinedIncorrectCvc": Card("4000000000000127", decline="incorrect_cvc", can_be_saved=False),
    "chargeDeclinedProcessingError": Card("4000000000000119", decline="processing_error", can_be_saved=False),
    "chargeDeclinedVelocityLimitExceeded": Card(
        "4000000000006975", decline="card_velocity_exceeded", can_be_saved=False
    ),
    "radarBlock": Card("4100000000000019", decline="fraudulent", can_be_saved=False, risk="highest"),
    "riskLevelHighest": Card("4000000000004954", decline="fraudulent", risk="highest"),
    "riskLevelElevated": Card("4000000000009235", risk="elevated"),
    # Checks that fail although the payment goes through.
    "avsFail": Card("4000000000000010", failing_checks=("address_line1_check", "address_postal_code_check")),
    "avsLine1Fail": Card("4000000000000028", failing_checks=("address_line1_check",)),
    "avsZipFail": Card("4000000000000036", failing_checks=("address_postal_code_check",)),
    "cvcCheckFail": Card("4000000000000101", failing_checks=("cvc_check",)),
    # 3-D Secure.
    "threeDSecure2Required": Card("4000000000003220", challenge="always"),
    "threeDSecureRequired": Card("4000000000003063", challenge="always"),
    "threeDSecureOptional": Card("4000000000003055", challenge="optional"),
    "authenticationRequired": Card("4000002760003184", country="DE", challenge="always"),
    "authenticationRequiredOnSetup": Card("4000002500003155", country="FR", challenge="first"),
    "authenticationRequiredSetupForOffSession": Card("4000003800000446", country="IT", challenge="present"),
    "authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        "4000008260003178", country="GB", challenge="always", decline="insufficient_funds"
    ),
    "threeDSecureRequiredChargeDeclined": Card("4000008400001629", challenge="always", decline="generic_decline"),
    "threeDSecureRequiredProcessingError": Card("4000008400001280", challenge="always", decline="processing_error"),
    # Disputed, or refunded late.
    "createDispute": Card("4000000000000259", dispute="fraudulent"),
    "createDisputeProductNotReceived": Card("4000000000002685", dispute="product_not_received"),
    "createDisputeInquiry": Card("4000000000001976", dispute="fraudulent", is_inquiry=True),
    "pendingRefund": Card("4000000000007726", refund="pending"),
    "refundFail": Card("4000000000005126", refund="fails"),
    # The money is there at once.
    "bypassPending": Card("4000000000000077", is_available_at_once=True),
    "bypassPendingInternational": Card("4000003720000278", country="IE", is_available_at_once=True),
    # From elsewhere.
    "at": Card("4000000400000008", country="AT"),
    "au": Card("4000000360000006", country="AU"),
    "be": Card("4000000560000004", country="BE"),
    "br": Card("4000000760000002", country="BR"),
    "ca": Card("4000001240000000", country="CA"),
    "ch": Card("4000007560000009", country="CH"),
    "de": Card("4000002760000016", country="DE"),
    "dk": Card("4000002080000001", country="DK"),
    "es": Card("4000007240000007", country="ES"),
    "fr": Card("4000002500000003", country="FR"),
    "gb": Card("4000008260000000", country="GB"),
    "gb_debit": Card("4000058260000005", funding="debit", country="GB"),
    "ie": Card("4000003720000005", country="IE"),
    "in": Card("4000003560000008", country="IN"),
    "it": Card("4000003800000008", country="IT"),
    "jp": Card("4000003920000003", country="JP"),
    "mx": Card("4000004840008001", country="MX"),
    "nl": Card("4000005280000002", country="NL"),
    "pl": Card("4000006160000005", country="PL"),
    "se": Card("4000007520000008", country="SE"),
    "sg": Card("4000007020000003", country="SG"),
}
OTHER_NAMES: Final = {
    "authenticationRequiredSetup": "authenticationRequiredOnSetup",
    "chargeDeclinedFraudulent": "radarBlock",
    "threeDSecureNotSupported": "amex_2",
    "us": "visa",
}
_by_number: Final = {card.number: card for card in CARDS.values()}


def find(number: str) -> Card | None:
    """Return the test card of this number, or None for any other."""
    return _by_number.get(number)


def find_named(name: str) -> Card | None:
    """Return the test card of this name, as test ids have it after `pm_card_` and `tok_`, or None."""
    name = OTHER_NAMES.get(name, name)
    return CARDS.get(name) or CARDS.get(name.removeprefix("visa_"))


def has_valid_digits(number: str) -> bool:
    """Say whether a number could be a card's: 12 to 19 digits of which the last one is right."""
    if not (12 <= len(number) <= 19 and number.isascii() and number.isdigit()):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return sum(each // 10 + each % 10 for each in doubled) % 10 == 0
