"""A breaker: whoever fails again and again is asked by one delivery now and then, and by nothing else."""

from __future__ import annotations

import random
from typing import Final

from tollhouse.clock import SECOND, Clock
from tollhouse.events.outcomes import Ran, Retry

FAILURES_MAX: Final = 5  # in a row; then it pauses
PAUSE_SECONDS: Final = 5.0  # at first, and twice as long after each probe that failed
PAUSE_SECONDS_MAX: Final = 300.0
ASKED_SECONDS_MAX: Final = 3_600.0


class Breaker:
    """What one replica knows of the other side: well, paused, or on probation."""

    def __init__(self, clock: Clock) -> None:
        """Begin well, and not knowing whether it was down before this process began."""
        self._clock = clock
        self._was_down = True
        self._forget()

    def _forget(self) -> None:
        self._failures = 0
        self._paused_until = 0
        self._pause_seconds = PAUSE_SECONDS

    @property
    def is_paused(self) -> bool:
        """Whether nothing is to be tried now; a clock that was set back does not make a pause longer."""
        rest = self._paused_until - self._clock.now_us()
        return 0 < rest <= round(ASKED_SECONDS_MAX * SECOND)

    @property
    def is_well(self) -> bool:
        """Whether more than a probe may be tried."""
        return self._failures < FAILURES_MAX and not self.is_paused

    def is_recovery(self, ran: Ran) -> bool:
        """Whether a run shows that the other side is back after a pause, or for the first time in this process."""
        return ran.outcome is None and self._was_down

    def note(self, ran: Ran) -> None:
        """Learn from a run. Only the host's failures count: what refuses one delivery says nothing of the others."""
        if isinstance(ran.outcome, Retry) and ran.outcome.is_of_host:
            self._count(min(ran.asked_pause_seconds, ASKED_SECONDS_MAX))
            return
        self._forget()  # it has answered, whatever it said
        if ran.outcome is None:
            self._was_down = False

    def _count(self, asked_seconds: float) -> None:
        self._failures += 1
        if self._failures >= FAILURES_MAX and not self.is_paused:
            self._was_down = True
            longest = min(self._pause_seconds, PAUSE_SECONDS_MAX)
            self._pause(longest * random.uniform(0.8, 1))  # noqa: S311 (jitter, not a secret)
            self._pause_seconds = longest * 2
        self._pause(asked_seconds)

    def _pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._clock.now_us() + round(seconds * SECOND))
