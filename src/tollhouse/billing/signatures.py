"""Whether a webhook comes from Stripe: the header `Stripe-Signature` over the raw body.

https://docs.stripe.com/webhooks#verify-manually. Whatever is odd is `SignatureInvalid`, also what the official SDK lets
out as other errors: a body that is not UTF-8, a header that is not ASCII, a signed `null`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tollhouse.billing.errors import SignatureInvalid, Unreadable
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.readers import read_event
from tollhouse.clock import SECOND

HEADER: Final = b"stripe-signature"
TOLERANCE_US: Final = 300 * SECOND  # both ways; Stripe signs each retry anew
HEADER_BYTES_MAX: Final = 4_096
SIGNATURES_MAX: Final = 16  # while a secret is rolled there are two
TIMESTAMP_DIGITS_MAX: Final = 12


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)


def verify(body: bytes, headers: Iterable[tuple[bytes, bytes]], secrets: Sequence[str], *, now_us: int) -> StripeEvent:
    """Return the event in a signed body; raise `SignatureInvalid` for everything else."""
    check(body, headers, secrets, now_us=now_us)
    return parse_event(body)


def check(body: bytes, headers: Iterable[tuple[bytes, bytes]], secrets: Sequence[str], *, now_us: int) -> None:
    """Raise `SignatureInvalid` unless any of our secrets has signed the body, not long ago."""
    found = [value for name, value in headers if name == HEADER]
    if len(found) != 1:
        raise SignatureInvalid("There must be one Stripe-Signature header.")
    timestamp, signatures = parse_header(found[0])
    if not any(is_signed(body, timestamp, signatures, secret) for secret in secrets):
        raise SignatureInvalid
    if abs(int(timestamp) * SECOND - now_us) > TOLERANCE_US:
        raise SignatureInvalid("It was signed more than five minutes from now: is the clock right?")


def parse_header(header: bytes) -> tuple[bytes, list[bytes]]:
    """Return the timestamp as it was signed, and every signature of the scheme `v1`; other schemes are passed over."""
    if len(header) > HEADER_BYTES_MAX or not header.isascii():
        raise SignatureInvalid
    parts = [part.strip().partition(b"=") for part in header.split(b",")]
    timestamps = [value for name, _, value in parts if name == b"t"]
    signatures = [value for name, _, value in parts if name == b"v1"]
    if len(timestamps) != 1 or not 0 < len(signatures) <= SIGNATURES_MAX:
        raise SignatureInvalid
    if not timestamps[0].isdigit() or len(timestamps[0]) > TIMESTAMP_DIGITS_MAX:
        raise SignatureInvalid
    return timestamps[0], signatures


def is_signed(body: bytes, timestamp: bytes, signatures: Iterable[bytes], secret: str) -> bool:
    """Whether any of the signatures is that of this secret; an empty secret signs nothing."""
    if not secret:
        return False
    expected = hmac.digest(secret.encode(), timestamp + b"." + body, "sha256").hex().encode()
    return any(hmac.compare_digest(expected, signature) for signature in signatures)


def parse_event(body: bytes) -> StripeEvent:
    """Return the event in a body whose signature is right."""
    try:
        # As text, for `json.loads` would take bytes of UTF-16 too.
        return read_event(_DECODER.decode(body.decode("utf-8")))
    except (ValueError, RecursionError, Unreadable) as error:
        raise SignatureInvalid("It is signed, but it is no event.") from error
