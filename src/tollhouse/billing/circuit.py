"""Failing fast while Stripe is down: after some failures in a row nobody waits, and one request at a time probes."""

from __future__ import annotations

import math
import time
from typing import Final

import structlog

from tollhouse.billing.errors import StripeUnavailable
from tollhouse.telemetry.metrics import stripe_circuit_open

log = structlog.get_logger()

FAILURES_MAX: Final = 10  # in a row, by whichever requests
OPEN_SECONDS: Final = 10.0


class Circuit:
    """Closed while Stripe answers; open for a while after it failed too often; then one attempt decides."""

    def __init__(self) -> None:
        """Begin closed."""
        self._failures = 0
        self._opened_at: float | None = None

    def enter(self) -> None:
        """Let an attempt pass, or raise `StripeUnavailable`."""
        if self._opened_at is None:
            return
        now = time.monotonic()
        waits = self._opened_at + OPEN_SECONDS - now
        if waits > 0:
            raise StripeUnavailable("Stripe failed too often just now.", retry_after_seconds=math.ceil(waits))
        # This attempt is the probe. The others go on failing fast; if it never returns, another one is let in later.
        self._opened_at = now

    def succeeded(self) -> None:
        """Close: Stripe answered, whatever it said."""
        if self._opened_at is not None:
            log.info("stripe_circuit_closed")
            stripe_circuit_open.set(0)
        self._failures = 0
        self._opened_at = None

    def failed(self) -> None:
        """Count an attempt that Stripe did not answer, and open when there were too many."""
        self._failures += 1
        if self._failures < FAILURES_MAX:
            return
        if self._opened_at is None:
            log.error("stripe_circuit_opened", failures=self._failures)
            stripe_circuit_open.set(1)
        self._opened_at = time.monotonic()
