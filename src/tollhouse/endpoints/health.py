"""How an endpoint does: when it last succeeded, since when it fails, what waits, and what it has missed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, cast, exists, func, literal, select

from tollhouse.db import Statement
from tollhouse.endpoints.closing import FAILURES, LAST_SUCCESS, time_or_none
from tollhouse.endpoints.endpoints import Endpoint
from tollhouse.events.tables import FAILED, WAITING, deliveries, events, subscribers
from tollhouse.runtime import Runtime

COUNTED_MAX: Final = 1_000  # of what there is more of it is only said that there is


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint does; times in microseconds UTC, counts end at `COUNTED_MAX`."""

    last_success_at: int | None
    failing_since_at: int | None
    waiting: int
    failed: int


@dataclass(frozen=True, slots=True)
class Missed:
    """Since when an endpoint has missed events, in microseconds UTC, and how many; the count ends at `COUNTED_MAX`."""

    since: int
    count: int


def _count(*conditions: Any) -> Statement[int]:
    found = select(literal(1)).where(*conditions).limit(COUNTED_MAX).subquery()
    return Statement(select(cast(func.count(), BigInteger)).select_from(found), int)


_told = deliveries.c.subscriber == bindparam("subscriber")
_failed = (_told, deliveries.c.status == FAILED, deliveries.c.event_id.is_not(None))
COUNT_WAITING: Final = _count(_told, deliveries.c.status == WAITING)
COUNT_FAILED: Final = _count(*_failed)
FIRST_FAILED: Final = Statement(
    select(func.min(deliveries.c.finished_at)).where(*_failed, deliveries.c.finished_at >= bindparam("after")),
    time_or_none,
)
COUNT_FAILED_SINCE: Final = _count(*_failed, deliveries.c.finished_at >= bindparam("since"))
COUNT_UNTOLD: Final = _count(
    events.c.created_at >= bindparam("since"),
    exists().where(subscribers.c.name == bindparam("subscriber"), subscribers.c.event_type == events.c.type),
    ~exists().where(deliveries.c.event_id == events.c.id, deliveries.c.subscriber == bindparam("subscriber")),
)


async def look(run: Runtime, endpoint: Endpoint) -> Health:
    """Return how an endpoint does."""
    told = {"subscriber": endpoint.subscriber}
    succeeded_at = await run.db.fetch_one(LAST_SUCCESS, **told)
    failing = await run.db.fetch_one(FAILURES, **told, after=max(succeeded_at or 0, endpoint.enabled_at))
    return Health(
        last_success_at=succeeded_at,
        failing_since_at=failing.first if failing else None,
        waiting=await run.db.fetch_one(COUNT_WAITING, **told) or 0,
        failed=await run.db.fetch_one(COUNT_FAILED, **told) or 0,
    )


async def find_missed(run: Runtime, endpoint: Endpoint, *, disabled_at: int) -> Missed:
    """Return what an endpoint, enabled again, has missed.

    That may begin before it was disabled: with the first delivery that was given up after its last success.
    """
    told = {"subscriber": endpoint.subscriber}
    succeeded_at = await run.db.fetch_one(LAST_SUCCESS, **told) or 0
    first = await run.db.fetch_one(FIRST_FAILED, **told, after=min(succeeded_at, disabled_at))
    since = min(disabled_at, first or disabled_at)
    failed = await run.db.fetch_one(COUNT_FAILED_SINCE, **told, since=since) or 0
    untold = await run.db.fetch_one(COUNT_UNTOLD, **told, since=since) or 0
    return Missed(since, min(failed + untold, COUNTED_MAX))
