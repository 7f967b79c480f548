"""Time, in integer microseconds UTC, from a clock that tests can turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


class Clock:
    """The time of the database, told without asking it for every statement.

    `now_us` runs on the monotonic clock from the last `set`, so a jump of this machine's wall clock changes
    nothing until the database is asked again; replicas with wrong clocks agree, for the database decides.
    """

    def __init__(self) -> None:
        """Start at this machine's wall clock."""
        self._advanced_us = 0
        self.set(time.time_ns() // 1000)

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return self.actual_us() + self._advanced_us

    def actual_us(self) -> int:
        """The time that others have too, however far a test has turned ours: to judge what they signed just now."""
        return self._base_us + time.monotonic_ns() // 1000

    def set(self, now_us: int) -> None:
        """Take over the time that the database just told."""
        self._base_us = now_us - time.monotonic_ns() // 1000

    def advance(self, seconds: float) -> None:
        """Turn the clock forward, for tests and `tollhouse dev`."""
        self._advanced_us += round(seconds * SECOND)


class FollowingClock(Clock):
    """A clock that goes along with another one that is turned, such as the sandbox's of Stripe."""

    def __init__(self, turned_seconds: Callable[[], int]) -> None:
        """Run ahead by what `turned_seconds()` says, beside one's own turning."""
        self._turned_seconds = turned_seconds
        super().__init__()

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        return super().now_us() + self._turned_seconds() * SECOND
