"""Amounts of money in words. Source: docs.stripe.com/currencies."""

from __future__ import annotations

from typing import Final

SIGNS: Final = {"aud": "A$", "cad": "CA$", "eur": "€", "gbp": "£", "jpy": "¥", "usd": "$"}
DECIMALS_USUAL: Final = 2
DECIMALS: Final[dict[str, int]] = {
    "bhd": 3, "bif": 0, "clp": 0, "djf": 0, "gnf": 0, "jod": 3, "jpy": 0, "kmf": 0, "krw": 0, "kwd": 3, "mga": 0,
    "omr": 3, "pyg": 0, "rwf": 0, "tnd": 3, "ugx": 0, "vnd": 0, "vuv": 0, "xaf": 0, "xof": 0, "xpf": 0,
}  # fmt: skip


def show(amount_minor: int, currency: str) -> str:
    """Return an amount in minor units as `$1,234.50`, or `1,234.50 SEK` for a currency without a sign of its own."""
    decimals = DECIMALS.get(currency, DECIMALS_USUAL)
    whole, rest = divmod(abs(amount_minor), 10**decimals)
    digits = f"{whole:,}" + (f".{rest:0{decimals}}" if decimals else "")
    minus = "-" if amount_minor < 0 else ""
    return f"{minus}{SIGNS[currency]}{digits}" if currency in SIGNS else f"{minus}{digits} {currency.upper()}"
