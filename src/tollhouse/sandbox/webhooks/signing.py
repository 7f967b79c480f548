"""Signatures of webhooks. Source: docs.stripe.com/webhooks, under "Verify webhook signatures manually"."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable


def sign(payload: bytes, secrets: Iterable[str], at: int) -> str:
    """Return the value of `Stripe-Signature`: the time in seconds since 1970, and one `v1` for each secret."""
    signed = b"%d." % at + payload
    made = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at}", *(f"v1={each}" for each in made)])
