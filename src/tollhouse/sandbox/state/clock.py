"""The sandbox's own time, which a caller can turn."""

from __future__ import annotations

import time


class Clock:
    """Seconds since 1970: the machine's, turned forward; or standing still but for being turned."""

    def __init__(self, start: int | None = None, *, turned: int = 0) -> None:
        """Follow the machine's clock, `turned` seconds ahead, unless a `start` is given to stand still at."""
        self._start = start
        self.turned = turned

    @property
    def stands_still(self) -> bool:
        """Say whether time passes by being turned alone."""
        return self._start is not None

    def now(self) -> int:
        """Return the time in whole seconds."""
        return (int(time.time()) if self._start is None else self._start) + self.turned

    def turn(self, seconds: int) -> None:
        """Turn forward."""
        assert seconds >= 0, "time does not run back"
        self.turned += seconds
