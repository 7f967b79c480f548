"""An outbox with its worker on a database of the test's own, and what lies in its tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, delete, select, update

from tests.db.rows import open_database
from tollhouse.clock import Clock
from tollhouse.db import Database, Statement
from tollhouse.events import Event, Handlers, Outbox, Worker
from tollhouse.events.outbox import ADD_DELIVERY, mail_row
from tollhouse.events.tables import deliveries, events


@dataclass(frozen=True)
class Row:
    """A delivery as it lies in the table."""

    id: str
    subscriber: str
    event_id: str | None
    user_id: str | None
    sequence: int | None
    sealed: bytes | None
    status: str
    reason: str | None
    attempts: int
    due_at: int
    lease: str | None
    held_until: int | None
    expires_at: int | None
    created_at: int
    finished_at: int | None


ROWS = Statement(
    select(*(deliveries.c[name] for name in Row.__dataclass_fields__)).order_by(
        deliveries.c.subscriber, deliveries.c.user_id, deliveries.c.sequence, deliveries.c.id
    ),
    Row,
)
SEQUENCES = Statement(select(events.c.user_id, events.c.sequence).order_by(events.c.sequence), lambda *row: row)
CLEAR = Statement(delete(deliveries), str)
SET_ATTEMPTS = Statement(update(deliveries).values(attempts=bindparam("tried")), str)


@dataclass
class Rig:
    """One replica."""

    db: Database
    clock: Clock = field(default_factory=Clock)
    handlers: Handlers = field(default_factory=Handlers)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.db, self.clock)
        self.worker = Worker(self.db, self.clock, self.outbox)

    async def start(self) -> None:
        self.handlers.attach(self.db, self.outbox, self.worker)
        await self.outbox.refresh()
        await self.worker.start()

    async def stop(self) -> None:
        await self.worker.stop()

    async def emit(self, *types: str, user_id: str = "usr_alice") -> None:
        await self.db.transact(self.outbox.emit, *((name, {"n": n}) for n, name in enumerate(types)), user_id=user_id)
        self.outbox.wake()

    async def queue_mail(self, name: str, *, expires_in: float = 600, sealed: bytes = b"sealed") -> None:
        expires_at = self.clock.now_us() + round(expires_in * 1_000_000)
        row = mail_row(delivery_id=name, sealed=sealed, expires_at=expires_at, now_us=self.clock.now_us())
        await self.db.write(ADD_DELIVERY, **row)
        self.outbox.wake("mail")

    async def rows(self) -> list[Row]:
        return await self.db.fetch_all(ROWS)

    async def row(self) -> Row:
        (row,) = await self.rows()
        return row

    async def row_of(self, delivery_id: str) -> Row:
        return next(row for row in await self.rows() if row.id == delivery_id)

    async def until(self, holds: Callable[[list[Row]], bool], *, within_seconds: float = 5) -> list[Row]:
        """The deliveries, once that holds for them."""
        deadline = asyncio.get_running_loop().time() + within_seconds
        while True:
            rows = await self.rows()
            if holds(rows):
                return rows
            assert asyncio.get_running_loop().time() < deadline, rows
            await asyncio.sleep(0.01)


@dataclass
class Seen:
    """A handler that writes down what it gets, and does what it is told to."""

    act: Callable[[Event], Awaitable[None]] | None = None
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.arrived = asyncio.Event()

    async def handle(self, event: Event) -> None:
        self.events.append(event)
        self.arrived.set()
        if self.act is not None:
            await self.act(event)

    @property
    def order(self) -> list[tuple[str | None, int | None]]:
        return [(event.user_id, event.sequence) for event in self.events]


def ended(count: int) -> Callable[[list[Row]], bool]:
    return lambda rows: sum(row.status != "waiting" for row in rows) >= count


async def open_rig(url: str, clock: Clock | None = None, **options: Any) -> Rig:
    return Rig(await open_database(url), clock or Clock(), **options)
