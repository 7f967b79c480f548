"""Amounts as people read them, from integers in a currency's smallest unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# How many decimals Stripe counts for a currency, where it is not two (docs.stripe.com/currencies).
WITHOUT_DECIMALS: Final = frozenset(
    ("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf")
)
WITH_THREE_DECIMALS: Final = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
SYMBOLS: Final[Mapping[str, str]] = {"eur": "€", "gbp": "£", "usd": "$"}


def say_amount(amount_minor: int, currency: str) -> str:
    """Return an amount in words: `€9.00`, `1,200 JPY`, `1.500 KWD`."""
    decimals = decimals_of(currency)
    whole, part = divmod(abs(amount_minor), 10**decimals)
    digits = f"{whole:,}" + (f".{part:0{decimals}d}" if decimals else "")
    symbol = SYMBOLS.get(currency)
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{symbol}{digits}" if symbol else f"{sign}{digits} {currency.upper()}"


def decimals_of(currency: str) -> int:
    """Return how many decimals a currency's amounts have."""
    if currency in WITHOUT_DECIMALS:
        return 0
    return 3 if currency in WITH_THREE_DECIMALS else 2
