"""Reading at Stripe again what events have asked for: outside any transaction, coalesced, and written in one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakValueDictionary

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing import refetch, refresh
from tollhouse.billing.refetch import Write
from tollhouse.billing.tables import stripe_objects, stripe_refreshes
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction
from tollhouse.events import Outbox, Worker
from tollhouse.events.deliveries import Delivery
from tollhouse.events.lanes import Pace
from tollhouse.events.outbox import NO_EVENT
from tollhouse.events.outcomes import GiveUp
from tollhouse.telemetry import metrics

log = structlog.get_logger()

CONCURRENCY: Final = 8  # the budget of requests is the account's own

WANTED: Final = Statement(
    select(stripe_objects.c.wanted).where(
        stripe_objects.c.id == bindparam("object_id"), stripe_objects.c.livemode == bindparam("livemode")
    ),
    int,
)
DONE: Final = Statement(select(stripe_refreshes.c.done).where(stripe_refreshes.c.id == bindparam("object_id")), int)
FINISH: Final = Statement(
    upsert(stripe_refreshes)
    .values(id=bindparam("object_id"), done=bindparam("seen"), done_at=bindparam("now"))
    .on_conflict_do_update(
        index_elements=["id"],
        set_={"done": bindparam("seen"), "done_at": bindparam("now")},
        where=stripe_refreshes.c.done < bindparam("seen"),
    ),
    str,
)


def attach(till: Till, worker: Worker, outbox: Outbox) -> None:
    """Have the worker read what is wanted; call before `outbox.refresh`."""
    outbox.register(refresh.SUBSCRIBER, NO_EVENT)
    worker.add_lane(refresh.SUBSCRIBER, runner(till), pace=Pace(CONCURRENCY))


def runner(till: Till) -> Callable[[Delivery], Awaitable[None]]:
    """Return what reads one wanted object; what Stripe or the database refuses is tried again on the schedule."""
    locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def run(delivery: Delivery) -> None:
        kind, object_id, number = parse(delivery.event_id or "")
        lock = locks.setdefault(object_id, asyncio.Lock())
        async with lock:  # those who wait find it done; all at once, each would ask Stripe
            outcome = await read_again(till, kind, object_id, number)
        metrics.stripe_refreshes.labels(kind=kind, outcome=outcome).inc()

    return run


def parse(name: str) -> tuple[str, str, int]:
    """Return the kind, the id and the number that `refresh.want` has put into the name of a delivery."""
    kind, _, rest = name.partition(":")
    object_id, _, number = rest.rpartition(":")
    if kind not in refresh.KINDS or not object_id or not number.isdigit():
        raise GiveUp(f"Nothing of this kind can be read at Stripe: {name}.")
    return kind, object_id, int(number)


async def read_again(till: Till, kind: str, object_id: str, number: int) -> str:
    """Read an object unless that was done since it was wanted; return `read`, `coalesced` or `overtaken`."""
    db = till.run.db
    wanted = await db.fetch_one(WANTED, object_id=object_id, livemode=till.livemode)
    if wanted is None:
        raise GiveUp("It is of the other of Stripe's modes.")
    if (await db.fetch_one(DONE, object_id=object_id) or 0) >= number:
        return "coalesced"
    writes = await refetch.READINGS[kind](till, object_id)
    for write in writes[:-1]:  # each locks in the order that everybody does, which several in one would not
        await db.transact(write)
    is_newest = await db.transact(_finish, till, object_id, wanted, writes[-1:])
    till.run.outbox.wake_for_events()
    refresh.wake(till.run)
    return "read" if is_newest else "overtaken"


async def _finish(tx: Transaction, till: Till, object_id: str, seen: int, last: list[Write]) -> bool:
    """Write what was read, unless somebody who read later was faster: then it is dropped."""
    if not await tx.execute(FINISH, object_id=object_id, seen=seen, now=till.run.now_us):
        return False
    for write in last:
        await write(tx)
    return True
