"""Errors of credits."""

from __future__ import annotations

from tollhouse.errors import RequestError


class CreditsInsufficient(RequestError):
    """There are not enough credits for this."""

    code = "credits_insufficient"
    status = 402

    def __init__(self, *, available: int, requested: int) -> None:
        """Say how many there are and how many it takes."""
        super().__init__(available=available, requested=requested)


class CreditsInvalid(RequestError):
    """Credits are a whole number from 1 to 1,000,000,000,000."""

    code = "credits_invalid"
    status = 422


class IdempotencyKeyInvalid(RequestError):
    """An Idempotency-Key has 1 to 255 printable ASCII characters."""

    code = "idempotency_key_invalid"
    status = 422


class IdempotencyConflict(RequestError):
    """This Idempotency-Key was used before, for something else."""

    code = "idempotency_conflict"
    status = 409


class HoldUnknown(RequestError):
    """There is no such hold."""

    code = "hold_unknown"
    status = 404


class HoldEnded(RequestError):
    """This hold was captured or released already, or its time has passed."""

    code = "hold_ended"
    status = 409


class UserUnknown(RequestError):
    """There is no such user."""

    code = "user_unknown"
    status = 404
