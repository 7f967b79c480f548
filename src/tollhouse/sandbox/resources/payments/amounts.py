"""Amounts of money that can be charged: integers in a currency's minor unit. Source: docs.stripe.com/currencies."""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.money import show
from tollhouse.sandbox.resources.catalogue.price_terms import AMOUNT_MAX

MINIMUM_USUAL: Final = 50
MINIMUMS: Final = {
    "aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500, "mxn": 1000, "myr": 200,
    "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000,
}  # fmt: skip


def check(amount: int, currency: str, param: str = "amount") -> None:
    """Raise `StripeError` 400 for an amount that cannot be charged in this currency."""
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", param, "parameter_invalid_integer")
    minimum = MINIMUMS.get(currency, MINIMUM_USUAL)
    if amount < minimum:
        raise invalid(f"Amount must be at least {show(minimum, currency)} {currency}", param, "amount_too_small")
    if amount > AMOUNT_MAX:
        raise invalid(f"Amount must be no more than {show(AMOUNT_MAX, currency)} {currency}", param, "amount_too_large")
