"""Deliveries as an operator sees them: listed, and tried again by hand."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select, update

from tollhouse.db import BATCH_SIZE, Database, Statement
from tollhouse.events.tables import FAILED, WAITING
from tollhouse.events.tables import deliveries as table

FILTERS: Final = {
    "status": table.c.status == bindparam("status"),
    "subscriber": table.c.subscriber == bindparam("subscriber"),
    "event_id": table.c.event_id == bindparam("event_id"),
    "since": table.c.created_at >= bindparam("since"),
}


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One delivery as an operator sees it; times in microseconds UTC."""

    id: str
    subscriber: str
    event_id: str | None
    user_id: str | None
    status: str
    reason: str | None
    attempts: int
    due_at: int
    created_at: int
    finished_at: int | None
    applied_at: int | None


_columns: Final = [table.c[name] for name in DeliveryRecord.__dataclass_fields__]
FIND: Final = Statement(select(*_columns).where(table.c.id == bindparam("delivery_id")), DeliveryRecord)
OF_EVENT: Final = Statement(
    select(*_columns).where(table.c.event_id == bindparam("event_id")).order_by(table.c.created_at, table.c.id),
    DeliveryRecord,
)
_again: Final[dict[str, Any]] = {
    "status": WAITING,
    "attempts": 0,
    "due_at": bindparam("now"),
    "finished_at": None,
}
_failed = (table.c.status == FAILED, table.c.event_id.is_not(None))
# By itself it holds nobody back; all that failed come in order, as if they had never been tried.
RETRY: Final = Statement(
    update(table).where(table.c.id == bindparam("delivery_id"), *_failed).values(**_again, held_until=bindparam("now")),
    str,
)
_of_subscriber = (
    *_failed,
    table.c.subscriber == bindparam("subscriber"),
    table.c.finished_at >= bindparam("since"),
)
# The earliest of every user first, so that no batch lets out what an earlier event is still missing before.
_next_batch = select(table.c.id).where(*_of_subscriber).order_by(table.c.sequence).limit(BATCH_SIZE)
RETRY_BATCH: Final = Statement(
    update(table).where(table.c.id.in_(_next_batch), *_of_subscriber).values(**_again, held_until=None), str
)


async def find(db: Database, *, limit: int, **wanted: Any) -> list[DeliveryRecord]:
    """Return deliveries, the newest first; `wanted` are values of `FILTERS`, None where all are."""
    given = {name: value for name, value in wanted.items() if value is not None}
    return await db.fetch_all(_list(frozenset(given)), **given, limit=limit)


@functools.cache
def _list(filters: frozenset[str]) -> Statement[DeliveryRecord]:
    return Statement(
        select(*_columns)
        .where(*(FILTERS[name] for name in sorted(filters)))
        .order_by(table.c.created_at.desc(), table.c.sequence.desc(), table.c.id.desc())
        .limit(bindparam("limit")),
        DeliveryRecord,
    )


async def retry_failed(db: Database, *, subscriber: str, since: int, now_us: int) -> int:
    """Have everything that has failed since then delivered to a subscriber after all; return how much that is."""
    total = 0
    while True:
        changed = await db.write(RETRY_BATCH, subscriber=subscriber, since=since, now=now_us)
        total += changed
        if changed < BATCH_SIZE:
            return total
