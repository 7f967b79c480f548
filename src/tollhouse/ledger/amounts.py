"""What may be said with credits: how many, for how long, and what for."""

from __future__ import annotations

from typing import Final

from tollhouse.errors import BodyInvalid
from tollhouse.ledger.errors import CreditsInvalid
from tollhouse.settings_structures import CREDITS_MAX

__all__ = ["CREDITS_MAX", "check_credits", "check_reference", "check_seconds"]

REFERENCE_LENGTH_MAX: Final = 200


def check_credits(value: object) -> int:
    """Return a number of credits; raise `CreditsInvalid` for what is none, `True` and `1.0` included."""
    if type(value) is not int or not 1 <= value <= CREDITS_MAX:
        raise CreditsInvalid
    return value


def check_seconds(value: object, seconds_max: int) -> int:
    """Return how long something lives; raise `CreditsInvalid`."""
    if type(value) is not int or not 1 <= value <= seconds_max:
        raise CreditsInvalid(f"`lifetime_seconds` is a whole number from 1 to {seconds_max}.", field="lifetime_seconds")
    return value


def check_reference(value: object) -> None:
    """Return if this may stand beside an entry; raise `BodyInvalid` for what is not short and printable."""
    if value is None or (isinstance(value, str) and len(value) <= REFERENCE_LENGTH_MAX and value.isprintable()):
        return
    raise BodyInvalid(f"`reference` is up to {REFERENCE_LENGTH_MAX} printable characters.", field="reference")
