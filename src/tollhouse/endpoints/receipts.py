"""Receipts: an app's word that it has done what an event asks of it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, bindparam, exists, func, or_, select, update

from tollhouse.db import Statement, any_of
from tollhouse.endpoints.endpoints import SUBSCRIBER
from tollhouse.endpoints.errors import EndpointUnknown, EventUnknown, ReceiptUnclear
from tollhouse.events import records
from tollhouse.events.tables import DELIVERED, FAILED, WAITING, events, is_waiting
from tollhouse.events.tables import deliveries as table
from tollhouse.runtime import Runtime

PAID: Final = "payment.succeeded"
_told = events.join(table, table.c.event_id == events.c.id)


def time_or_none(time_us: int | None) -> int | None:
    """Return the one column of an aggregate, which is NULL over no rows."""
    return time_us


# What is applied need not be delivered any more, whatever became of the answer.
APPLY: Final = Statement(
    update(table)
    .where(
        table.c.event_id == bindparam("told_event"),
        table.c.subscriber == bindparam("told"),
        or_(table.c.applied_at.is_(None), any_of(table.c.status, (WAITING, FAILED))),
    )
    .values(
        applied_at=func.coalesce(table.c.applied_at, bindparam("now")),
        status=DELIVERED,
        finished_at=func.coalesce(table.c.finished_at, bindparam("now")),
        sealed=None,
        lease=None,
    ),
    str,
)
# The user's later ones may have been put off because this one was in their way.
LET_PASS: Final = Statement(
    update(table)
    .where(
        table.c.subscriber == bindparam("told"),
        table.c.user_id.in_(select(events.c.user_id).where(events.c.id == bindparam("told_event"))),
        is_waiting(table),
        table.c.lease.is_(None),
        or_(table.c.attempts == 0, table.c.held_until.is_(None)),
        table.c.due_at > bindparam("now"),
    )
    .values(due_at=bindparam("now")),
    str,
)
APPLIED_AT: Final = Statement(
    select(func.min(table.c.applied_at)).where(
        table.c.event_id == bindparam("told_event"), table.c.subscriber == bindparam("told")
    ),
    time_or_none,
)


def applied_at(payment_id: ColumnElement[str]) -> ColumnElement[int | None]:
    """Return, for a query that has the id of a payment, since when an app is known to have applied it, or NULL."""
    return select(func.min(table.c.applied_at)).select_from(_told).where(*_of(payment_id)).scalar_subquery()


def is_on_its_way(payment_id: ColumnElement[str]) -> ColumnElement[bool]:
    """Return, for a query that has the id of a payment, whether the event of it is still to arrive at an endpoint."""
    return exists().select_from(_told).where(*_of(payment_id), is_waiting(table))


def _of(payment_id: ColumnElement[str]) -> tuple[ColumnElement[bool], ...]:
    return events.c.subject == payment_id, events.c.type == PAID, table.c.subscriber.like(SUBSCRIBER + "%")


async def note(run: Runtime, event_id: str, *, endpoint: str | None) -> int:
    """Note that an app has applied an event, and return since when that is known, in microseconds UTC.

    Without a name, it is the one endpoint that got the event. Raises `EventUnknown`, `EndpointUnknown` for one that
    did not get it, and `ReceiptUnclear` where several did. Saying it again changes nothing.
    """
    told = {
        each.subscriber.removeprefix(SUBSCRIBER)
        for each in await run.db.fetch_all(records.OF_EVENT, event_id=event_id)
        if each.subscriber.startswith(SUBSCRIBER)
    }
    if not told:
        raise EventUnknown("No endpoint got this event.")
    if endpoint is None and len(told) > 1:
        raise ReceiptUnclear
    name = endpoint or told.pop()
    if endpoint is not None and endpoint not in told:
        raise EndpointUnknown(f"{endpoint} did not get this event.")
    for change in (APPLY, LET_PASS):
        await run.db.write(change, told_event=event_id, told=SUBSCRIBER + name, now=run.now_us)
    run.outbox.wake(SUBSCRIBER + name)
    applied_at = await run.db.fetch_one(APPLIED_AT, told_event=event_id, told=SUBSCRIBER + name)
    assert applied_at is not None, "it was there a moment ago, and deliveries of an event are kept with it"
    return applied_at
