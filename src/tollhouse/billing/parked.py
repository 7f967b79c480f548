"""Parked events: tried again by the worker, replayed by hand, counted for the alarm, and never lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import bindparam, func, literal, literal_column, or_, select, update

from tollhouse.billing import inbox, refreshing
from tollhouse.billing.errors import EventPruned, EventUnknown
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.inbox import DUPLICATE, PARKED_SUBSCRIBER
from tollhouse.billing.outcomes import IGNORED, PARKED, PROCESSED, Outcome
from tollhouse.billing.readers import read_event
from tollhouse.billing.tables import stripe_events as table
from tollhouse.billing.till import Till
from tollhouse.clock import DAY
from tollhouse.db import Statement, Transaction, some
from tollhouse.errors import DatabaseUnavailable
from tollhouse.events import Outbox, Worker
from tollhouse.events.deliveries import Delivery
from tollhouse.events.lanes import Pace
from tollhouse.events.outbox import NO_EVENT
from tollhouse.events.outcomes import GiveUp, Retry
from tollhouse.events.tables import DELIVERED, FAILED, deliveries
from tollhouse.identity.sweep import to_the_end
from tollhouse.runtime import Runtime
from tollhouse.telemetry import metrics

log = structlog.get_logger()

CONCURRENCY: Final = 2
COUNT_SECONDS: Final = 15.0
BODY_KEPT_US: Final = 90 * DAY  # longer than Stripe itself keeps events, and than the window of a reconciliation


@dataclass(frozen=True, slots=True)
class EventRecord:
    """An event as an operator sees it; times in microseconds UTC."""

    id: str
    type: str
    status: str
    reason: str | None
    object_id: str | None
    user_id: str | None
    api_version: str | None
    livemode: int
    stripe_created_at: int | None
    received_at: int
    processed_at: int | None


@dataclass(frozen=True, slots=True)
class Body:
    """The body of an event; None once it is pruned."""

    id: str
    sealed: bytes | None


_columns: Final = tuple(table.c[name] for name in EventRecord.__dataclass_fields__)
# The word in the SQL: a parameter would never meet the index of what is parked.
_is_parked: Final = table.c.status == literal_column(f"'{PARKED}'")

FIND: Final = Statement(select(*_columns).where(table.c.id == bindparam("event_id")), EventRecord)
LIST: Final = Statement(
    select(*_columns).order_by(table.c.received_at.desc(), table.c.id.desc()).limit(bindparam("limit")), EventRecord
)
LIST_WITH: Final = Statement(
    select(*_columns)
    .where(table.c.status == bindparam("wanted_status"))
    .order_by(table.c.received_at.desc(), table.c.id.desc())
    .limit(bindparam("limit")),
    EventRecord,
)
LIST_PARKED: Final = Statement(
    select(*_columns)
    .where(_is_parked)
    .order_by(table.c.received_at.desc(), table.c.id.desc())
    .limit(bindparam("limit")),
    EventRecord,
)
COUNT: Final = Statement(select(func.count()).select_from(table).where(_is_parked), int)
BODY: Final = Statement(select(table.c.id, table.c.sealed).where(table.c.id == bindparam("event_id")), Body)
CLAIM: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("event_id"), or_(table.c.status == PARKED, table.c.status == IGNORED))
    .values(status=PROCESSED),
    str,
)
EXPLAIN: Final = Statement(
    update(table).where(table.c.id == bindparam("event_id"), _is_parked).values(reason=bindparam("new_reason")), str
)
SET_ASIDE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("event_id"), _is_parked)
    .values(status=IGNORED, reason=literal("Set aside by hand. ") + func.coalesce(table.c.reason, "")),
    str,
)
FORGIVE: Final = Statement(
    update(deliveries)
    .where(
        deliveries.c.event_id == bindparam("event_id"),
        deliveries.c.subscriber == PARKED_SUBSCRIBER,
        deliveries.c.status == FAILED,
    )
    .values(status=DELIVERED, reason=None, finished_at=bindparam("now")),
    str,
)
PRUNE: Final = Statement(
    update(table)
    .where(
        *some(
            table.c.id, table.c.sealed.is_not(None), table.c.received_at < bindparam("before"), table.c.status != PARKED
        )
    )
    .values(sealed=None),
    str,
)


def attach(till: Till, worker: Worker, outbox: Outbox) -> None:
    """Have the worker try what is parked, and read what is wanted; call before `outbox.refresh`."""
    outbox.register(PARKED_SUBSCRIBER, NO_EVENT)
    worker.add_lane(PARKED_SUBSCRIBER, runner(till), pace=Pace(CONCURRENCY))
    refreshing.attach(till, worker, outbox)


def runner(till: Till) -> Callable[[Delivery], Awaitable[None]]:
    """Return what tries one parked event again."""

    async def run(delivery: Delivery) -> None:
        assert delivery.event_id is not None
        record = await till.run.db.fetch_one(FIND, event_id=delivery.event_id)
        if record is None or record.status != PARKED:
            return  # somebody replayed it meanwhile
        try:
            outcome = await replay(till, delivery.event_id)
        except (EventUnknown, EventPruned) as error:
            raise GiveUp(error.detail) from error
        if outcome.status == PARKED:
            raise Retry(outcome.reason)

    return run


async def replay(till: Till, event_id: str) -> Outcome:
    """Return what came of a parked or ignored event this time; one that was processed already is a duplicate.

    Raise `EventUnknown`, or `EventPruned` when its body is not kept any more.
    """
    event = read_event(json.loads(await open_body(till.run, event_id)))
    try:
        outcome = await till.run.db.transact(_apply_again, till, event)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is: the event stays parked, with the newer reason)
        outcome = Outcome(PARKED, inbox.reason_of(error))
        await till.run.db.write(EXPLAIN, event_id=event_id, new_reason=outcome.reason)
        inbox.tell_parked(event, outcome.reason, error)
    inbox.wake(till, outcome)
    metrics.stripe_events.labels(about=inbox.about(event), status=outcome.status).inc()
    return outcome


async def _apply_again(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    if not await tx.execute(CLAIM, event_id=event.id):
        return Outcome(DUPLICATE, "It was processed already.")
    outcome = await inbox.apply(tx, till, event)
    await inbox.settle(tx, till, event.id, outcome)
    if outcome.status != PARKED:
        await tx.execute(FORGIVE, event_id=event.id, now=till.run.now_us)
    return outcome


async def set_aside(run: Runtime, event_id: str) -> bool:
    """Have a parked event count as ignored, because a person has seen to it; return whether it was parked."""
    return await run.db.transact(_set_aside, run, event_id)


async def _set_aside(tx: Transaction, run: Runtime, event_id: str) -> bool:
    if not await tx.execute(SET_ASIDE, event_id=event_id):
        return False
    await tx.execute(FORGIVE, event_id=event_id, now=run.now_us)
    return True


async def open_body(run: Runtime, event_id: str) -> bytes:
    """Return the body of an event as it came; raise `EventUnknown`, or `EventPruned` when it is not kept any more."""
    row = await run.db.fetch_one(BODY, event_id=event_id)
    if row is None:
        raise EventUnknown
    if row.sealed is None:
        raise EventPruned
    return run.keys.open_stripe_event(row.sealed, event_id=row.id)


async def prune(run: Runtime) -> None:
    """Let go of old bodies, but for those of parked events; what came of each event stays known for ever."""
    await to_the_end(run.db, PRUNE, before=run.now_us - BODY_KEPT_US)


async def watch(run: Runtime) -> None:
    """Keep the number of parked events in the metrics of this process, until cancelled."""
    while True:
        try:
            await measure(run)
        except DatabaseUnavailable as error:
            log.warning("stripe_parked_uncounted", detail=error.detail)
        await asyncio.sleep(COUNT_SECONDS)


async def measure(run: Runtime) -> None:
    """Put the number of parked events into the metrics."""
    metrics.stripe_parked.set(await count(run))


async def count(run: Runtime) -> int:
    """Return how many events are parked."""
    return await run.db.fetch_one(COUNT) or 0


async def find_all(run: Runtime, *, status: str | None, limit: int) -> list[EventRecord]:
    """Return events, the newest first, of one status if given."""
    if status is None:
        return await run.db.fetch_all(LIST, limit=limit)
    if status == PARKED:
        return await run.db.fetch_all(LIST_PARKED, limit=limit)
    return await run.db.fetch_all(LIST_WITH, wanted_status=status, limit=limit)
