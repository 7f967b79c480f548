"""What a payment method says of itself, by its type, and what is behind it that nobody is shown.

Source: docs.stripe.com/api/payment_methods/object.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from tollhouse.sandbox.description import Schema
from tollhouse.sandbox.errors import StripeError, missing, parameter_missing
from tollhouse.sandbox.formats import ADDRESS, DIGITS
from tollhouse.sandbox.resources.payments import bank_accounts, cards, declines
from tollhouse.sandbox.resources.payments.cards import Card
from tollhouse.sandbox.state.ids import LETTERS
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj, is_list

DISPLAY_BRANDS: Final = {"amex": "american_express", "diners": "diners_club"}
TEST_CARD_EXPIRES: Final = (12, 8)  # in December, so many years from now
YEARS_MAX: Final = 50
CVC_LENGTHS: Final = {"amex": (3, 4)}
CVC_LENGTH_USUAL: Final = (3,)
FINGERPRINT_LENGTH: Final = 16
ROUTING_NUMBER_LENGTH: Final = 9

Details = tuple[Obj, Obj]  # what is shown, and what is hidden


def read_billing(given: Obj | None, known: Obj | None = None) -> Obj:
    """Return billing details with every field, the given ones over the known ones."""
    known = known or {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    known = known | {name: value if value != "" else None for name, value in (given or {}).items() if name != "address"}
    address: Obj = (given or {}).get("address") or {}
    old = known["address"] or dict.fromkeys(ADDRESS)
    return known | {"address": old | {name: address[name] or None for name in ADDRESS if name in address}}


def make_fingerprint(number: str) -> str:
    """Return what is the same for the same card or account."""
    digest = hashlib.shake_256(number.encode()).digest(FINGERPRINT_LENGTH)
    return "".join(LETTERS[byte % len(LETTERS)] for byte in digest)


# Cards.


def read_card(world: World, given: Obj) -> Details:
    """Return a card by its number or by a test token. Raises `StripeError` 402 for what no bank would take."""
    if "token" in given:
        card = find_test_card(given["token"])
        if card is None:
            raise missing("token", given["token"], param="card[token]", status=400)
        return describe_test_card(world, card)
    for name in ("number", "exp_month", "exp_year"):
        if name not in given:
            raise parameter_missing(f"card[{name}]")
    return describe_card(world, read_number(given["number"]), given["exp_month"], given["exp_year"], given.get("cvc"))


def find_test_card(id: str) -> Card | None:
    """Return the card a test id names, such as `pm_card_visa`, `tok_visa` or `btok_visa`, or None."""
    for prefix in ("pm_card_", "tok_"):
        if id.startswith(prefix):
            return cards.find_named(id.removeprefix(prefix))
    return None


def read_number(given: str) -> Card:
    """Return the test card of a number as it was typed. Raises `StripeError` 402 for any other number."""
    number = "".join(given.split()).replace("-", "")
    if not cards.has_valid_digits(number):
        raise _card_error("Your card number is incorrect.", "incorrect_number", "number")
    card = cards.find(number)
    if card is None:
        raise _card_error(
            "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of"
            " valid test cards, visit: https://stripe.com/docs/testing.",
            "card_declined",
            "number",
            decline_code="test_mode_live_card",
        )
    return card


def describe_test_card(world: World, card: Card) -> Details:
    """Return a card that a test id names, good for years to come."""
    month, years = TEST_CARD_EXPIRES
    return describe_card(world, card, month, _today(world).year + years, "123")


def describe_card(world: World, card: Card, exp_month: int, exp_year: int, cvc: str | None) -> Details:
    """Return a card with its date. Raises `StripeError` 402 for a date gone by or a security code of a wrong length."""
    exp_year = check_expiry(world, exp_month, exp_year)
    if cvc is not None and not (DIGITS.match(cvc) and len(cvc) in CVC_LENGTHS.get(card.brand, CVC_LENGTH_USUAL)):
        raise _card_error("Your card's security code is invalid.", "invalid_cvc", "cvc")
    shown: Obj = {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": None if cvc is None else "unchecked",
        },
        "country": card.country,
        "display_brand": DISPLAY_BRANDS.get(card.brand, card.brand),
        "exp_month": exp_month,
        "exp_year": exp_year,
        "fingerprint": make_fingerprint(card.number),
        "funding": card.funding,
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": card.has_3d_secure},
        "wallet": None,
    }
    return shown, {"number": card.number, "is_set_up": card.challenge == "present"}


def check_expiry(world: World, month: int, year: int) -> int:
    """Return the year in full, which may come in two digits. Raises `StripeError` 402 for a time that has gone by."""
    today = _today(world)
    year += today.year // 100 * 100 if year < 100 else 0
    if not today.year <= year <= today.year + YEARS_MAX:
        raise _card_error("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year")
    if not 1 <= month <= 12 or (year, month) < (today.year, today.month):
        raise _card_error("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month")
    return year


def pass_checks(details: Obj, billing: Obj, hidden: Obj) -> Obj:
    """Return a card's details once its bank was asked: what was given of code and address is checked."""
    card = cards.find(hidden["number"])
    assert card is not None, hidden["number"]
    address: Obj = billing["address"] or {}
    asked: Obj = {
        "address_line1_check": address.get("line1"),
        "address_postal_code_check": address.get("postal_code"),
        "cvc_check": details["checks"]["cvc_check"],
    }
    checks = {name: _check(card, name) if value else None for name, value in asked.items()}
    return details | {"checks": checks}


def _check(card: Card, name: str) -> str:
    return "fail" if name in card.failing_checks else "pass"


def _today(world: World) -> datetime:
    return datetime.fromtimestamp(world.now(), UTC)


def _card_error(message: str, code: str, param: str, **more: str) -> StripeError:
    return declines.refuse({"message": message, "type": "card_error", "code": code, "param": param} | more)


# Bank accounts.


def read_us_bank_account(given: Obj) -> Details:
    """Return an account in the United States. Raises `StripeError` 400 for one that is not a test account."""
    for name in ("account_number", "routing_number"):
        if name not in given:
            raise parameter_missing(f"us_bank_account[{name}]")
    routing: str = given["routing_number"]
    if not (DIGITS.match(routing) and len(routing) == ROUTING_NUMBER_LENGTH):
        raise StripeError(
            "Routing number must have 9 digits", code="routing_number_invalid", param="us_bank_account[routing_number]"
        )
    number = bank_accounts.read_us_account(given["account_number"], "us_bank_account[account_number]")
    shown: Obj = {
        "account_holder_type": given.get("account_holder_type", "individual"),
        "account_type": given.get("account_type", "checking"),
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "fingerprint": make_fingerprint(routing + number),
        "last4": number[-4:],
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": routing,
        "status_details": {},
    }
    return shown, {"number": number}


def read_sepa_debit(given: Obj) -> Details:
    """Return an account in the euro area. Raises `StripeError` 400 for an IBAN that cannot be one."""
    iban = bank_accounts.read_iban(given["iban"], "sepa_debit[iban]")
    bank, branch = bank_accounts.split_iban(iban)
    shown: Obj = {
        "bank_code": bank,
        "branch_code": branch,
        "country": iban[:2],
        "fingerprint": make_fingerprint(iban),
        "generated_from": {"charge": None, "setup_attempt": None},
        "last4": iban[-4:],
    }
    return shown, {"number": iban}


def read_other(world: World, kind: str, given: Obj, billing: Obj) -> Details:
    """Return what is plainly told of any other type: the fields Stripe names, as far as they were given."""
    number: str = given.get("account_number", "")
    known = given | ({"last4": number[-4:], "fingerprint": make_fingerprint(number)} if number else {})
    known = {"email": billing["email"], "bank_name": "STRIPE TEST BANK", "funding": "card"} | known
    schema = world.description.schemas["payment_method"]["properties"][kind]
    return take_fields(schema, known), {"number": number}


def take_fields(schema: Schema, known: Obj) -> Obj:
    """Return the fields that are always part of such an object: known, null, or empty where null may not be."""
    required = schema.get("required", ())
    return {name: known.get(name, _blank(schema["properties"][name])) for name in required}


def _blank(schema: Schema) -> Any:
    kind = schema.get("type")
    return None if is_list(kind) or "anyOf" in schema else "" if kind == "string" else {}
