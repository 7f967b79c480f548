"""A breaker: whoever fails again and again is asked by one delivery now and then, and by nothing else."""

from __future__ import annotations

import random
from typing import Final

from tollhouse.clock import SECOND, Clock
from tollhouse.events.outcomes import HOST, Ran, Retry

FAILURES_MAX: Final = 5  # in a row; then it pauses
PAUSE_SECONDS: Final = 5.0  # at first, and twice as long after each probe that failed
PAUSE_SECONDS_MAX: Final = 300.0
ASKED_SECONDS_MAX: Final = 3_600.0
ALL: Final = "%"


class Breaker:
    """What one replica knows of the other side: well, paused, or on probation."""

    def __init__(self, clock: Clock) -> None:
        """Begin well, and not knowing whether it was down before this process began."""
        self._clock = clock
        self._host_failed = True
        self._forget()

    def _forget(self) -> None:
        self._failures = 0
        self._paused_until = 0
        self._pause_seconds = PAUSE_SECONDS

    @property
    def is_paused(self) -> bool:
        """Whether nothing is to be tried now."""
        return self._clock.now_us() < self._paused_until

    @property
    def is_well(self) -> bool:
        """Whether more than a probe may be tried."""
        return self._failures < FAILURES_MAX and not self.is_paused

    def recovered(self, ran: Ran) -> str | None:
        """Return the pattern of reasons that no longer hold if a run shows that the other side is back, or None.

        Those are all after a pause, and those of the host after any failure of its. What a delivery alone was refused
        for stays as it is, or it would use up its tries.
        """
        if ran.outcome is not None:
            return None
        return ALL if self._failures >= FAILURES_MAX else f"{HOST}%" if self._host_failed else None

    def note(self, ran: Ran) -> None:
        """Learn from a run."""
        if ran.outcome is None:
            self._host_failed = False
            self._forget()
        elif isinstance(ran.outcome, Retry):
            self._host_failed = self._host_failed or ran.outcome.is_of_host
            self._count(min(ran.asked_pause_seconds, ASKED_SECONDS_MAX))

    def _count(self, asked_seconds: float) -> None:
        self._failures += 1
        if self._failures >= FAILURES_MAX and not self.is_paused:
            longest = min(self._pause_seconds, PAUSE_SECONDS_MAX)
            self._pause(longest * random.uniform(0.8, 1))  # noqa: S311 (jitter, not a secret)
            self._pause_seconds = longest * 2
        self._pause(asked_seconds)

    def _pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._clock.now_us() + round(seconds * SECOND))
