"""Closing: an endpoint that wants no more, or has failed for days, is disabled, and the admins are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import bindparam, func, select

from tollhouse.clock import DAY
from tollhouse.db import Statement
from tollhouse.endpoints import endpoints, notices
from tollhouse.endpoints.endpoints import Endpoint
from tollhouse.events.tables import attempts
from tollhouse.runtime import Runtime
from tollhouse.telemetry import metrics

log = structlog.get_logger()

FAILING_US: Final = 5 * DAY  # of nothing but failure
EVERY_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Failing:
    """Since when an endpoint has failed, in microseconds UTC, and whether it still does; None: it does not."""

    first: int | None
    last: int | None


def time_or_none(time_us: int | None) -> int | None:
    """Return the one column of an aggregate, which is NULL over no rows."""
    return time_us


_of = attempts.c.subscriber == bindparam("subscriber")
LAST_SUCCESS: Final = Statement(
    select(func.max(attempts.c.started_at)).where(_of, attempts.c.succeeded == 1), time_or_none
)
FAILURES: Final = Statement(
    select(func.min(attempts.c.started_at), func.max(attempts.c.started_at)).where(
        _of, attempts.c.succeeded == 0, attempts.c.started_at > bindparam("after")
    ),
    Failing,
)


async def close_failing(run: Runtime) -> None:
    """Close every endpoint that has failed for five days without one success."""
    for endpoint in await endpoints.find_all(run):
        if endpoint.disabled_at is None and await _has_failed_long(run, endpoint):
            days = FAILING_US // DAY
            await close(run, endpoint, because=f"Every attempt of the last {days} days failed.")


async def _has_failed_long(run: Runtime, endpoint: Endpoint) -> bool:
    """Whether its failures since its last success, or since it was enabled last, lie five days apart."""
    succeeded_at = await run.db.fetch_one(LAST_SUCCESS, subscriber=endpoint.subscriber)
    after = max(succeeded_at or 0, endpoint.enabled_at)
    failing = await run.db.fetch_one(FAILURES, subscriber=endpoint.subscriber, after=after)
    return bool(failing and failing.first and failing.last and failing.last - failing.first >= FAILING_US)


async def close(run: Runtime, endpoint: Endpoint, *, because: str) -> None:
    """Disable an endpoint and tell the admins; once, however many find out at once."""
    if not await endpoints.disable(run, endpoint.name, because=because):
        return
    log.error("endpoint_disabled", endpoint=endpoint.name, reason=because)
    metrics.endpoints_disabled.labels(endpoint=endpoint.name).inc()
    await notices.tell_admins(
        run,
        subject=f"Events no longer reach {endpoint.name}",
        text=(
            f"The endpoint {endpoint.name} ({endpoint.url}) was disabled. {because}\n\n"
            f"What happened since then, and what had not arrived, is kept. Once it works again:\n\n"
            f"    tollhouse endpoints enable {endpoint.name}\n\n"
            f"tells how to send what it has missed.\n"
        ),
    )
