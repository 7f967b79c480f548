"""Replicas in processes of their own, killed or frozen at a named point, with a clock that all of them share."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import bindparam, literal, select

from tests.crash.money import PRELOADED, processes
from tests.endpoints.rig import QUIET, until
from tollhouse import failpoints
from tollhouse.app import Tollhouse
from tollhouse.clock import SECOND, FollowingClock
from tollhouse.db import Statement
from tollhouse.endpoints import lanes
from tollhouse.events.deliveries import PUT_OFF_US
from tollhouse.events.schedule import Schedule
from tollhouse.events.tables import deliveries, is_waiting
from tollhouse.runtime import Runtime
from tollhouse.testing import TestKit, make_settings

SECRET = "the same in every process: 3mRt8Yc5kW0z"
STEP_SECONDS = 0.005
PATIENCE_SECONDS = 30
# What the lost one held is free then, and what waited behind that is looked at again.
LOST_SECONDS = lanes.PACE.lease_seconds + PUT_OFF_US // SECOND + 1
WAITING_FOR = Statement(
    select(literal(1)).where(deliveries.c.user_id == bindparam("user"), is_waiting(deliveries)).limit(1), int
)

processes.set_forkserver_preload([*PRELOADED, "tests.endpoints.rig_processes"])


@dataclass(frozen=True)
class Orders:
    """What a replica is to do, where, and at which point to end; `turned` is how far all clocks are, in seconds."""

    database_url: str
    declared: list[dict[str, Any]]
    turned: Any
    stop: Connection  # ends when this replica is to leave, and when the test is gone
    users: tuple[str, ...]  # things happen to them
    rounds: int  # so often, each time when all of the last time has arrived
    point: str = ""
    is_frozen_there: bool = False
    is_quiet: bool = False  # it does nothing by the clock


def live(orders: Orders) -> None:
    """What the process runs."""
    if orders.is_frozen_there:
        mock.patch("signal.SIGKILL", signal.SIGSTOP).start()
    if orders.is_quiet:
        keep_quiet()
    failpoints.arm(orders.point)
    asyncio.run(_live(orders))


def keep_quiet() -> None:
    """Have this replica do only what it is woken for.

    One that is frozen while it writes to SQLite stops everybody, which would tell nothing of deliveries.
    """
    for name in ("endpoints.lanes.LEARN_SECONDS", "events.worker.POLL_SECONDS"):
        mock.patch(f"tollhouse.{name}", 3_600).start()
    mock.patch.object(Schedule, "serve", asyncio.Event().wait).start()


async def _live(orders: Orders) -> None:
    toll = Tollhouse(make_settings(secret=SECRET, database_url=orders.database_url, endpoints=orders.declared))
    toll.clock = FollowingClock(lambda: orders.turned.value)
    async with toll.running() as run:
        for _ in range(orders.rounds):
            await happen(run, *orders.users)
            await arrived(run, *orders.users)
        await asyncio.to_thread(orders.stop.poll, None)


async def happen(run: Runtime, *users: str) -> None:
    """Two things to each of these users, so that one waits for the other."""
    for user in users * 2:
        await run.db.transact(run.outbox.emit, (QUIET, {"user_id": user}), user_id=user)
    run.outbox.wake()


async def arrived(run: Runtime, *users: str) -> None:
    """Return once nothing of these users waits any more, whichever replica has sent it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        for user in users:
            while await run.db.fetch_one(WAITING_FOR, user=user):  # noqa: ASYNC110 (others may send it)
                await asyncio.sleep(STEP_SECONDS)


@dataclass
class Replica:
    """A process at work."""

    process: Any
    stop: Connection

    async def died(self) -> None:
        """Return once it was killed at its point."""
        await asyncio.to_thread(self.process.join, PATIENCE_SECONDS)
        assert self.process.exitcode == -signal.SIGKILL, f"it ended with {self.process.exitcode}, or not at all"

    async def frozen(self) -> None:
        """Return once it stands still at its point."""
        stat = Path(f"/proc/{self.process.pid}/stat")

        async def stands_still() -> bool:
            return ") T " in stat.read_text()

        await until(stands_still)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    async def leave(self) -> None:
        """Have it end as a server does that is told to, all it had begun being done."""
        self.stop.close()
        await asyncio.to_thread(self.process.join, PATIENCE_SECONDS)
        assert self.process.exitcode == 0


@dataclass
class Fleet:
    """Replicas on one database: one here, which a test asks, and others in processes."""

    kit: TestKit
    declared: list[dict[str, Any]]
    turned: Any = field(default_factory=lambda: processes.Value("q", 0, lock=False))

    def turn(self, seconds: int) -> None:
        """Turn the clocks of all."""
        self.turned.value += seconds
        self.kit.clock.advance(seconds)
        self.kit.toll.run.outbox.wake()

    @contextmanager
    def replica(self, *users: str, rounds: int = 1_000_000, **more: Any) -> Iterator[Replica]:
        """One more, which is gone at the end of the block."""
        theirs, ours = processes.Pipe(duplex=False)
        url = self.kit.toll.settings.database_url
        orders = Orders(url, self.declared, self.turned, theirs, users, rounds, **more)
        process = processes.Process(target=live, args=(orders,), daemon=True)
        process.start()
        theirs.close()
        try:
            yield Replica(process, ours)
        finally:
            process.kill()
            process.join()
            ours.close()


@asynccontextmanager
async def open_fleet(database_url: str, *declared: dict[str, Any]) -> AsyncIterator[Fleet]:
    """A replica here, beside which others can be started."""
    async with TestKit(database_url=database_url, secret=SECRET, endpoints=declared) as kit:
        yield Fleet(kit, list(declared))
