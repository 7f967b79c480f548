"""Receipts: an app's word that it has done what an event asks of it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, bindparam, func, or_, select, update

from tollhouse.db import Database, Statement, any_of
from tollhouse.endpoints.endpoints import SUBSCRIBER
from tollhouse.endpoints.errors import EndpointUnknown, EventUnknown, ReceiptUnclear
from tollhouse.events import records
from tollhouse.events.tables import DELIVERED, FAILED, WAITING, events
from tollhouse.events.tables import deliveries as table
from tollhouse.runtime import Runtime


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
APPLIED_AT: Final = Statement(
    select(func.min(table.c.applied_at)).where(
        table.c.event_id == bindparam("told_event"), table.c.subscriber == bindparam("told")
    ),
    time_or_none,
)
_tells_of_payment = or_(
    and_(events.c.subject == bindparam("purchase_id"), events.c.type == "payment.succeeded"),
    and_(events.c.subject == bindparam("subscription_id"), events.c.type == "subscription.updated"),
)
OF_PURCHASE: Final = Statement(
    select(func.min(table.c.applied_at))
    .join_from(events, table, table.c.event_id == events.c.id)
    .where(_tells_of_payment, table.c.subscriber.like(SUBSCRIBER + "%")),
    time_or_none,
)


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
    await run.db.write(APPLY, told_event=event_id, told=SUBSCRIBER + name, now=run.now_us)
    applied_at = await run.db.fetch_one(APPLIED_AT, told_event=event_id, told=SUBSCRIBER + name)
    assert applied_at is not None, "it was there a moment ago, and deliveries of an event are kept with it"
    return applied_at


async def of_purchase(db: Database, *, purchase_id: str, subscription_id: str | None) -> int | None:
    """Return since when an app is known to have applied what was bought, or None."""
    return await db.fetch_one(OF_PURCHASE, purchase_id=purchase_id, subscription_id=subscription_id or "")
