"""The form that people pay with: its test cards, and what they typed as a payment method."""

from __future__ import annotations

import re
from typing import Final

from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.formats import DIGITS
from tollhouse.sandbox.pages.site import Form, text_of
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj

EXPIRY: Final = re.compile(r"([0-9]{1,2})\s*[/-]?\s*([0-9]{2}|[0-9]{4})\Z")
TEXT_LENGTH_MAX: Final = 500
# What a tester may want to see, by the card that brings it about. Source: docs.stripe.com/testing.
CARDS: Final = (
    ("4242424242424242", "Succeeds"),
    ("4000002760003184", "Asks for 3-D Secure"),
    ("4000000000000002", "Is declined"),
    ("4000000000009995", "Has insufficient funds"),
    ("4000000000000341", "Fails later, at the renewal"),
    ("4000000000000259", "Is disputed afterwards"),
)
ACCOUNTS: Final = {
    "us_bank_account": (("000123456789", "Settles after some days"), ("000111111116", "Fails after some days")),
    "sepa_debit": (
        ("AT611904300234573201", "Settles after some days"),
        ("AT861904300235473202", "Fails after some days"),
    ),
}
# Fields by the codes of the errors that are about them.
FIELDS: Final = {
    "incorrect_number": "number",
    "invalid_number": "number",
    "invalid_expiry_month": "expiry",
    "invalid_expiry_year": "expiry",
    "incorrect_cvc": "cvc",
    "invalid_cvc": "cvc",
}


class FormErrorsFound(Exception):
    """What was typed cannot be taken: a sentence for each field."""

    def __init__(self, errors: dict[str, str]) -> None:
        """Keep the sentences by their fields."""
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def check_texts(form: Form) -> None:
    """Raise `FormErrorsFound` for fields that are too long, or have what is no part of a text."""
    typed = {name: text_of(form, name) for name in form}
    fault = f"Enter at most {TEXT_LENGTH_MAX} characters."
    errors = {name: fault for name, text in typed.items() if len(text) > TEXT_LENGTH_MAX or "\0" in text}
    if errors:
        raise FormErrorsFound(errors)


def list_examples(types: list[str]) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return the test numbers for each way to pay that the form offers."""
    return {"card": CARDS, **{kind: ACCOUNTS[kind] for kind in types if kind in ACCOUNTS}}


def offered(types: list[str]) -> list[str]:
    """Return the ways to pay that the form has fields for."""
    return [kind for kind in types if kind == "card" or kind in ACCOUNTS]


def choose_type(form: Form, types: list[str]) -> str:
    """Return the way to pay that was chosen, or the first one."""
    kinds = offered(types)
    chosen = text_of(form, "method")
    return chosen if chosen in kinds else kinds[0]


def make_method(world: World, form: Form, types: list[str], billing: Obj) -> Obj:
    """Return the payment method that was typed in, saved.

    Raises `FormErrorsFound` for fields that are empty or are no card.
    """
    check_texts(form)
    kind = choose_type(form, types)
    try:
        if kind == "card":
            return _make_card(world, form, billing)
        return _make_account(world, form, kind, billing)
    except StripeError as error:
        name = FIELDS.get(error.fields.get("code", ""))
        if name is None:
            raise
        raise FormErrorsFound({name: str(error)}) from error


def _make_card(world: World, form: Form, billing: Obj) -> Obj:
    errors: dict[str, str] = {}
    number = re.sub(r"[\s-]", "", text_of(form, "number"))
    expiry = EXPIRY.match(text_of(form, "expiry"))
    cvc = text_of(form, "cvc")
    if not DIGITS.match(number):
        errors["number"] = "Enter the number of a test card."
    if expiry is None:
        errors["expiry"] = "Enter the month and the year, as in 12 / 34."
    if not DIGITS.match(cvc):
        errors["cvc"] = "Enter the security code: any three digits."
    if errors or expiry is None:
        raise FormErrorsFound(errors)
    year = int(expiry[2])
    return payment_methods.create_card(
        world,
        number,
        exp_month=int(expiry[1]),
        exp_year=year + 2000 if year < 100 else year,
        cvc=cvc,
        billing_details=billing,
    )


def _make_account(world: World, form: Form, kind: str, billing: Obj) -> Obj:
    number = re.sub(r"[\s-]", "", text_of(form, f"account_{kind}"))
    if not (number.isascii() and number.isalnum()):
        raise FormErrorsFound({f"account_{kind}": "Enter one of the test account numbers."})
    try:
        return payment_methods.create_bank_debit(world, number, kind=kind, billing_details=billing)
    except StripeError as error:
        raise FormErrorsFound({f"account_{kind}": str(error)}) from error
