"""How fast Stripe is asked: below its limits, and never so fast by work in the background that a buyer waits."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from tollhouse.billing.errors import StripeUnavailable

LIVE_PER_SECOND: Final = 80  # Stripe allows 100 in live mode and 25 in test mode, docs.stripe.com/rate-limits
TEST_PER_SECOND: Final = 20
SANDBOX_PER_SECOND: Final = 2_000  # a stand-in for Stripe has no limits
BURST_SECONDS: Final = 0.25  # with it a second's requests stay within Stripe's limit, even after a pause
BACKGROUND_SHARE: Final = 0.5
WAIT_SECONDS_MAX: Final = 2.0
BACKGROUND_WAIT_SECONDS_MAX: Final = 25.0


class Bucket:
    """Tokens that come back at a steady rate, and of which `BURST_SECONDS` of them can be taken at once."""

    def __init__(self, per_second: float) -> None:
        """Begin full."""
        self._interval = 1 / per_second
        self._full_at = 0.0

    def wait_seconds(self, now: float) -> float:
        """Return how long the next token must be waited for."""
        return max(0.0, self._full_at + self._interval - now - BURST_SECONDS)

    def take(self, now: float) -> float:
        """Take a token, if need be one that does not exist yet, and return how long to wait for it."""
        wait = self.wait_seconds(now)
        self._full_at = max(self._full_at, now) + self._interval
        return wait


class Budget:
    """The tokens of this process; what replicas take together Stripe judges, with 429."""

    def __init__(self, per_second: float) -> None:
        """Begin full."""
        self._all = Bucket(per_second)
        self._background = Bucket(per_second * BACKGROUND_SHARE)

    async def take(self, *, background: bool) -> None:
        """Wait for a turn; raise `StripeUnavailable` at once where that would take too long."""
        now = time.monotonic()
        if background:
            wait = self._background.wait_seconds(now)
            if wait > BACKGROUND_WAIT_SECONDS_MAX:
                raise StripeUnavailable("Too much work for Stripe is waiting in the background.")
            # Only then of all: what waits in the background must not hold a place before a buyer.
            await asyncio.sleep(self._background.take(now))
            now = time.monotonic()
        if self._all.wait_seconds(now) > WAIT_SECONDS_MAX:
            raise StripeUnavailable("Too many requests wait for Stripe already.", retry_after_seconds=3)
        await asyncio.sleep(self._all.take(now))
