"""Sending again: one event, or everything that an endpoint has missed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, exists, insert, select

from tollhouse.clock import MINUTE, SECOND
from tollhouse.db import BATCH_SIZE, Statement, Transaction
from tollhouse.endpoints import endpoints
from tollhouse.endpoints.bodies import TEST
from tollhouse.endpoints.endpoints import NEVER_US, Endpoint
from tollhouse.endpoints.errors import EndpointUnknown, EventUnknown
from tollhouse.endpoints.rolling import LOCK
from tollhouse.endpoints.sending import Sender
from tollhouse.events import Event, records
from tollhouse.events.deliveries import RECALL
from tollhouse.events.handlers import FIND_EVENT
from tollhouse.events.outbox import ADD_DELIVERY, delivery_row
from tollhouse.events.outcomes import Answer, Unsuccessful
from tollhouse.events.tables import FAILED, deliveries, events, subscribers
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

LEARNT_US: Final = 15 * SECOND  # by then every replica knows of an endpoint, and has committed what it began before
GAPS_LOOKED_FOR_US: Final = 5 * MINUTE
GAPS_EVERY_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Missed:
    """An event that an endpoint wants and was never to get."""

    id: str
    user_id: str | None
    sequence: int | None
    created_at: int


_wanted = exists().where(subscribers.c.name == bindparam("subscriber"), subscribers.c.event_type == events.c.type)
_has_delivery = exists().where(deliveries.c.event_id == events.c.id, deliveries.c.subscriber == bindparam("subscriber"))
MISSED: Final = Statement(
    select(*(events.c[name] for name in Missed.__dataclass_fields__))
    .where(
        events.c.created_at >= bindparam("since"),
        _wanted,
        events.c.created_at < bindparam("until"),
        ~_has_delivery,
    )
    .order_by(events.c.created_at, events.c.id)
    .limit(BATCH_SIZE),
    Missed,
)


ADD_MISSED: Final = Statement(
    insert(deliveries).values(
        **{name: bindparam(name) for name in (*delivery_row(now_us=0), "subscriber", "finished_at")},
        status=FAILED,
        reason="It happened while the endpoint was disabled.",
        attempts=0,
    ),
    str,
)


async def fill_gaps(run: Runtime) -> None:
    """Queue what other replicas emitted before they had learnt of an endpoint that was enabled a moment ago."""
    now = run.now_us
    for endpoint in await endpoints.find_all(run):
        if endpoint.disabled_at is None and endpoint.enabled_at > now - GAPS_LOOKED_FOR_US:
            until = min(endpoint.enabled_at + LEARNT_US, now - LEARNT_US)
            await _add_missed(run, endpoint, ADD_DELIVERY, since=endpoint.enabled_at, until=until)
            run.outbox.wake(endpoint.subscriber)


async def catch_up(run: Runtime, endpoint: Endpoint, *, since: int) -> int:
    """Have everything since then that did not reach an endpoint sent to it, in order; return how much that is.

    That is what waits for its next try, what failed, and what happened while nobody was to be told. This is listed as
    failed first, so that no event leaves before those that come before it are there.
    """
    told = {"subscriber": endpoint.subscriber}
    total = await run.db.write(RECALL, **told, now=run.now_us, because="%")
    await _add_missed(run, endpoint, ADD_MISSED, {"finished_at": run.now_us}, since=since, until=NEVER_US)
    total += await records.retry_failed(run.db, **told, since=since, now_us=run.now_us)
    run.outbox.wake(endpoint.subscriber)
    return total


async def _add_missed(
    run: Runtime,
    endpoint: Endpoint,
    add: Statement[Any],
    more: Mapping[str, Any] | None = None,
    *,
    since: int,
    until: int,
) -> None:
    """Add a delivery for each event that has none; of two who do so at once, the second finds them there."""

    async def work(tx: Transaction) -> int:
        await tx.fetch_one(LOCK, wanted=endpoint.name)
        missed = await tx.fetch_all(MISSED, subscriber=endpoint.subscriber, since=since, until=until)
        await tx.execute_many(add, [_row(run, endpoint, each, **more or {}) for each in missed])
        return len(missed)

    while await run.db.transact(work) == BATCH_SIZE:
        pass


def _row(run: Runtime, endpoint: Endpoint, event: Missed | Event, **more: Any) -> dict[str, Any]:
    told = {"event_id": event.id, "user_id": event.user_id, "sequence": event.sequence}
    return delivery_row(now_us=run.now_us, subscriber=endpoint.subscriber, **told, **more)


async def resend(run: Runtime, event_id: str, *, name: str | None = None) -> list[str]:
    """Send one event again, to one endpoint or to all that are enabled, and return the ids of the deliveries.

    It goes out with its old id, so an app that has it already leaves it at that; and it holds nobody's events back.
    Raises `EventUnknown` and `EndpointUnknown`.
    """
    event = await run.db.fetch_one(FIND_EVENT, event_id=event_id)
    if event is None:
        raise EventUnknown(f"There is no event {event_id} here.")
    named = [await endpoints.find(run, name)] if name else await endpoints.find_all(run)
    to = [each for each in named if each.disabled_at is None]
    if not to:
        raise EndpointUnknown("There is no endpoint that is enabled.")
    rows = [_row(run, each, event, held_until=run.now_us) for each in to]

    async def work(tx: Transaction) -> None:
        await tx.execute_many(ADD_DELIVERY, rows)

    await run.db.transact(work)
    run.outbox.wake(*(each.subscriber for each in to))
    return [row["id"] for row in rows]


async def send_test(run: Runtime, name: str) -> Answer | Unsuccessful:
    """Send an endpoint an event of the type `test` at once, of nobody and about nothing, and return what came of it."""
    sender = Sender(run, await endpoints.find(run, name))
    event = Event(create_id("out", run.now_us), TEST, None, None, run.now_us, {"endpoint": name})
    try:
        return await sender.send(event)
    except Unsuccessful as error:
        return error
    finally:
        await sender.aclose()
