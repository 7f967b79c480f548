"""Flood limits: cheap ones that protect the machine; in memory, or over all replicas in Valkey or Redis."""

from __future__ import annotations

import asyncio
import math
import time
from importlib import import_module
from typing import Any, Final

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from tollhouse.errors import RateLimited, SettingsError
from tollhouse.telemetry import metrics

log = structlog.get_logger()

REDIS_TIMEOUT_SECONDS: Final = 0.5
KEYS_MAX: Final = 100_000
ALONE_SECONDS: Final = 5.0  # for so long nobody waits for a Valkey that did not answer


class Flood:
    """Counts in fixed windows; when Valkey does not answer, this replica counts for itself, so it is never open."""

    def __init__(self, redis_url: str | None = None) -> None:
        """Count in memory, or in Valkey or Redis where a URL is given."""
        self._memory = Windows()
        self._alone_until = 0.0  # by the monotonic clock
        self._pool: Any = None if redis_url is None else _make_pool(redis_url)
        self._shared = None
        if redis_url is not None:
            storage = RedisStorage(f"async+{redis_url}", implementation="valkey", connection_pool=self._pool)
            self._shared = FixedWindowRateLimiter(storage)

    async def close(self) -> None:
        """Disconnect."""
        if self._pool is not None:
            await self._pool.disconnect()

    async def per_second(self, name: str, key: str, count: int) -> None:
        """Count one; raise `RateLimited` beyond `count` a second."""
        await self._hit(RateLimitItemPerSecond(count), name, key)

    async def per_minute(self, name: str, key: str, count: int) -> None:
        """Count one; raise `RateLimited` beyond `count` a minute."""
        await self._hit(RateLimitItemPerMinute(count), name, key)

    async def _hit(self, item: RateLimitItem, name: str, key: str) -> None:
        wait_seconds = await self._hit_shared(item, name, key)
        if wait_seconds is None:
            wait_seconds = self._memory.hit(f"{name}:{key}", count=item.amount, seconds=item.get_expiry())
        if wait_seconds:
            metrics.limited.labels(limit=name).inc()
            raise RateLimited(retry_after_seconds=wait_seconds)

    async def _hit_shared(self, item: RateLimitItem, name: str, key: str) -> int | None:
        """Return what `hit` does, or None when there is no Valkey, or it did not answer lately."""
        if self._shared is None or time.monotonic() < self._alone_until:
            return None
        try:
            async with asyncio.timeout(REDIS_TIMEOUT_SECONDS):
                return await hit(self._shared, item, name, key)
        except Exception as error:  # noqa: BLE001 (whatever the client library raises means the same here)
            # Asked by every request, a frozen server would slow each of them down by the whole timeout.
            self._alone_until = time.monotonic() + ALONE_SECONDS
            log.warning("shared_limits_unavailable", error=type(error).__name__, counting_alone_seconds=ALONE_SECONDS)
            return None


class Windows:
    """Fixed windows in memory, by the monotonic clock: a jump of the wall clock would leave one open for hours."""

    def __init__(self) -> None:
        """Start with none."""
        self._counts: dict[tuple[str, int], tuple[int, int]] = {}  # by key and length: which window, and how many in it

    def hit(self, key: str, *, count: int, seconds: int) -> int:
        """Count one; return 0 when it is allowed, else in how many seconds the next one will be."""
        now = time.monotonic()
        window = int(now // seconds)
        if len(self._counts) >= KEYS_MAX:
            self._forget(now)
        last, counted = self._counts.get((key, seconds), (window, 0))
        counted = counted + 1 if last == window else 1
        self._counts[key, seconds] = (window, counted)
        return 0 if counted <= count else max(1, math.ceil((window + 1) * seconds - now))

    def _forget(self, now: float) -> None:
        """Keep the windows that are still open; if those alone are too many, begin anew rather than grow."""
        still_open = {slot: kept for slot, kept in self._counts.items() if kept[0] == int(now // slot[1])}
        self._counts = still_open if len(still_open) < KEYS_MAX else {}


async def hit(limiter: FixedWindowRateLimiter, item: RateLimitItem, name: str, key: str) -> int:
    """Count one; return 0 when it is allowed, else in how many seconds the next one will be."""
    if await limiter.hit(item, name, key):
        return 0
    window = await limiter.get_window_stats(item, name, key)
    return max(1, math.ceil(window.reset_time - time.time()))


def _make_pool(url: str) -> Any:
    try:
        client = import_module("valkey.asyncio")  # optional, and its options carry no types
    except ImportError:
        raise SettingsError(
            ["TOLLHOUSE_REDIS_URL is set, but the client is missing: `pip install tollhouse[redis]`, or unset it."]
        ) from None
    return client.ConnectionPool.from_url(
        url, socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS
    )
