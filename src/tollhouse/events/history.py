"""Events of ours as an operator sees them: listed, and found by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select

from tollhouse.db import Database, Statement
from tollhouse.events.handlers import event_of
from tollhouse.events.outbox import Event
from tollhouse.events.tables import events as table


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event of ours as an operator sees it; `created_at` in microseconds UTC."""

    id: str
    type: str
    user_id: str | None
    sequence: int | None
    subject: str | None
    created_at: int


FILTERS: Final = {
    "event_type": table.c.type == bindparam("event_type"),
    "user_id": table.c.user_id == bindparam("user_id"),
}


def _list(*filters: str) -> Statement[EventRecord]:
    return Statement(
        select(*(table.c[name] for name in EventRecord.__dataclass_fields__))
        .where(*(FILTERS[name] for name in filters))
        .order_by(table.c.created_at.desc(), table.c.sequence.desc(), table.c.id)
        .limit(bindparam("limit")),
        EventRecord,
    )


LISTS: Final[Mapping[frozenset[str], Statement[EventRecord]]] = {
    frozenset(filters): _list(*filters) for filters in ((), ("event_type",), ("user_id",), ("event_type", "user_id"))
}
OF_SUBJECT: Final = Statement(
    select(*(table.c[name] for name in ("id", "type", "user_id", "sequence", "created_at", "data")))
    .where(table.c.subject == bindparam("subject"))
    .order_by(table.c.created_at, table.c.sequence)
    .limit(bindparam("limit")),
    event_of,
)


async def find_all(db: Database, *, limit: int, **wanted: str | None) -> list[EventRecord]:
    """Return events, the newest first; `wanted` are values of `FILTERS`, None where all are."""
    given: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    return await db.fetch_all(LISTS[frozenset(given)], **given, limit=limit)


async def about(db: Database, subject: str, *, limit: int) -> list[Event]:
    """Return the events about a purchase, payment or subscription, the oldest first."""
    return await db.fetch_all(OF_SUBJECT, subject=subject, limit=limit)
