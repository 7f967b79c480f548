"""Flood limits: cheap ones that protect the machine; in memory, or over all replicas in Valkey or Redis."""

from __future__ import annotations

import math
import time
from typing import Any, Final

import structlog
from limits import RateLimitItem, RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from tollhouse.errors import RateLimited
from tollhouse.telemetry import metrics

log = structlog.get_logger()

REDIS_TIMEOUT_SECONDS: Final = 0.5


class Flood:
    """Counts in fixed windows; when Valkey does not answer, this replica counts for itself, so it is never open."""

    def __init__(self, redis_url: str | None = None) -> None:
        """Count in memory, or in Valkey or Redis where a URL is given."""
        self._memory = FixedWindowRateLimiter(MemoryStorage())
        self._shared = None if redis_url is None else FixedWindowRateLimiter(_redis_storage(redis_url))

    async def per_second(self, name: str, key: str, count: int) -> None:
        """Count one; raise `RateLimited` beyond `count` a second."""
        await self._hit(RateLimitItemPerSecond(count), name, key)

    async def per_minute(self, name: str, key: str, count: int) -> None:
        """Count one; raise `RateLimited` beyond `count` a minute."""
        await self._hit(RateLimitItemPerMinute(count), name, key)

    async def _hit(self, item: RateLimitItem, name: str, key: str) -> None:
        limiter = self._memory
        if self._shared is not None:
            try:
                if await self._shared.hit(item, name, key):
                    return
                limiter = self._shared
            except Exception as error:  # noqa: BLE001 (whatever the client library raises: count in memory instead)
                log.warning("shared_limits_unavailable", error=type(error).__name__)
        if limiter is self._memory and await limiter.hit(item, name, key):
            return
        metrics.limited.labels(limit=name).inc()
        window = await limiter.get_window_stats(item, name, key)
        raise RateLimited(retry_after_seconds=max(1, math.ceil(window.reset_time - time.time())))


def _redis_storage(url: str) -> Any:
    from limits.aio.storage import RedisStorage

    return RedisStorage(
        f"async+{url}", socket_timeout=REDIS_TIMEOUT_SECONDS, socket_connect_timeout=REDIS_TIMEOUT_SECONDS
    )
