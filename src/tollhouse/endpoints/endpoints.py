"""Endpoints: added, changed, disabled and enabled; who gets which events follows in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.db import BATCH_SIZE, Statement, Transaction, some
from tollhouse.endpoints.errors import EndpointExists, EndpointUnknown
from tollhouse.endpoints.tables import endpoints as table
from tollhouse.events.outbox import EVENT_TYPES
from tollhouse.events.tables import FAILED, is_waiting, subscribers
from tollhouse.events.tables import deliveries as told
from tollhouse.outbound import Reach
from tollhouse.runtime import Runtime

SUBSCRIBER: Final = "endpoint:"  # begins the names under which deliveries to endpoints are kept
NEVER_US: Final = 2**62  # an endpoint's subscriptions end with it, not when no process has shown itself for a week


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint as it is stored; times in microseconds UTC, `event_types` a JSON list."""

    name: str
    url: str
    secrets: bytes
    event_types: str
    with_address: int
    private_network: int
    is_declared: int
    disabled_at: int | None
    disabled_because: str | None
    created_at: int
    enabled_at: int

    @property
    def subscriber(self) -> str:
        """The name under which its deliveries are kept."""
        return SUBSCRIBER + self.name

    @property
    def types(self) -> tuple[str, ...]:
        """The types of events that it gets."""
        return tuple(json.loads(self.event_types))

    @property
    def reach(self) -> Reach:
        """How far calls to it may go."""
        return Reach.PRIVATE if self.private_network else Reach.CONFIGURED


_columns: Final = [table.c[name] for name in Endpoint.__dataclass_fields__]
_row: Final[dict[str, Any]] = {name: bindparam(name) for name in Endpoint.__dataclass_fields__}
ALL: Final = Statement(select(*_columns).order_by(table.c.name), Endpoint)
FIND: Final = Statement(select(*_columns).where(table.c.name == bindparam("wanted")), Endpoint)
PUT: Final = Statement(
    upsert(table)
    .values(_row)
    .on_conflict_do_update(index_elements=["name"], set_={name: bindparam(name) for name in _row if name != "name"}),
    str,
)
ADD: Final = Statement(upsert(table).values(_row).on_conflict_do_nothing(index_elements=["name"]), str)
REMOVE: Final = Statement(delete(table).where(table.c.name == bindparam("wanted")), str)
DISABLE: Final = Statement(
    update(table)
    .where(table.c.name == bindparam("wanted"), table.c.disabled_at.is_(None))
    .values(disabled_at=bindparam("now"), disabled_because=bindparam("because")),
    str,
)
# Whoever is in the settings no more may be removed by command.
RELEASE: Final = Statement(update(table).where(table.c.name == bindparam("wanted")).values(is_declared=0), str)
ENABLE: Final = Statement(
    update(table)
    .where(table.c.name == bindparam("wanted"), table.c.disabled_at.is_not(None))
    .values(disabled_at=None, disabled_because=None, enabled_at=bindparam("now")),
    str,
)
SET_SECRETS: Final = Statement(
    update(table).where(table.c.name == bindparam("wanted")).values(secrets=bindparam("sealed")), str
)
UNSUBSCRIBE: Final = Statement(delete(subscribers).where(subscribers.c.name == bindparam("subscriber")), str)
SUBSCRIBE: Final = Statement(
    insert(subscribers).values({name: bindparam(name) for name in ("name", "event_type", "seen_at", "with_address")}),
    str,
)
# What is being sent at this moment is left to whoever sends it.
PARK: Final = Statement(
    update(told)
    .where(*some(told.c.id, told.c.subscriber == bindparam("subscriber"), is_waiting(told), told.c.lease.is_(None)))
    .values(status=FAILED, reason=bindparam("because"), finished_at=bindparam("now"), sealed=None),
    str,
)


async def find_all(run: Runtime) -> list[Endpoint]:
    """Return every endpoint, by name."""
    return await run.db.fetch_all(ALL)


async def find(run: Runtime, name: str) -> Endpoint:
    """Return an endpoint; raise `EndpointUnknown`."""
    endpoint = await run.db.fetch_one(FIND, wanted=name)
    if endpoint is None:
        raise EndpointUnknown(f"There is no endpoint {name}.")
    return endpoint


async def add(run: Runtime, endpoint: Endpoint) -> None:
    """Add an endpoint; raise `EndpointExists`. Every replica knows it within seconds."""

    async def work(tx: Transaction) -> None:
        if not await tx.execute(ADD, **row_of(endpoint)):
            raise EndpointExists(f"There is an endpoint {endpoint.name} already.")
        await subscribe(tx, endpoint)

    await run.db.transact(work)


async def put(tx: Transaction, endpoint: Endpoint) -> None:
    """Write an endpoint down, new or not, with its subscriptions."""
    await tx.execute(PUT, **row_of(endpoint))
    await subscribe(tx, endpoint)


async def subscribe(tx: Transaction, endpoint: Endpoint) -> None:
    """Have an endpoint get its events from now on, or none while it is disabled."""
    await tx.execute(UNSUBSCRIBE, subscriber=endpoint.subscriber)
    if endpoint.disabled_at is not None:
        return
    row: dict[str, Any] = {"name": endpoint.subscriber, "seen_at": NEVER_US, "with_address": endpoint.with_address}
    await tx.execute_many(SUBSCRIBE, [row | {"event_type": each} for each in endpoint.types])


async def remove(run: Runtime, name: str) -> None:
    """Forget an endpoint; what waits for it is listed as failed. Raises `EndpointUnknown`."""
    endpoint = await find(run, name)

    async def work(tx: Transaction) -> None:
        await tx.execute(REMOVE, wanted=name)
        await tx.execute(UNSUBSCRIBE, subscriber=endpoint.subscriber)

    await run.db.transact(work)
    await park(run, endpoint, "The endpoint was removed.")


async def disable(run: Runtime, name: str, *, because: str) -> bool:
    """Send an endpoint nothing more and list what waits for it as failed; return whether it was enabled."""
    endpoint = await find(run, name)

    async def work(tx: Transaction) -> bool:
        if not await tx.execute(DISABLE, wanted=name, now=run.now_us, because=because):
            return False
        await tx.execute(UNSUBSCRIBE, subscriber=endpoint.subscriber)
        return True

    disabled = await run.db.transact(work)
    await park(run, endpoint, f"The endpoint was disabled. {because}")
    return disabled


async def enable(run: Runtime, name: str) -> Endpoint | None:
    """Send an endpoint its events again; return it as it was while disabled, or None if it was not."""
    endpoint = await find(run, name)

    async def work(tx: Transaction) -> bool:
        if not await tx.execute(ENABLE, wanted=name, now=run.now_us):
            return False
        await subscribe(tx, replace(endpoint, disabled_at=None))
        return True

    return endpoint if await run.db.transact(work) else None


def row_of(endpoint: Endpoint) -> dict[str, Any]:
    """Return the row of an endpoint."""
    return {name: getattr(endpoint, name) for name in Endpoint.__dataclass_fields__}


def types_of(wanted: Sequence[str]) -> str:
    """Return the column of the types wanted; without any, all."""
    return json.dumps(sorted(set(wanted) or EVENT_TYPES))


async def park(run: Runtime, endpoint: Endpoint, because: str) -> None:
    """List what waits for an endpoint as failed."""
    while await run.db.write(PARK, subscriber=endpoint.subscriber, because=because, now=run.now_us) == BATCH_SIZE:
        pass
