"""Time, in integer microseconds UTC, from a clock that tests can turn."""

from __future__ import annotations

import time
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
        return self._base_us + time.monotonic_ns() // 1000 + self._advanced_us

    def set(self, now_us: int) -> None:
        """Take over the time that the database just told."""
        self._base_us = now_us - time.monotonic_ns() // 1000

    def advance(self, seconds: float) -> None:
        """Turn the clock forward, for tests and `tollhouse dev`."""
        self._advanced_us += round(seconds * SECOND)
