"""The worker in every replica: a lane for each subscriber, and a clock that wakes them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

import structlog
from sqlalchemy import bindparam, exists, select

from tollhouse.clock import Clock
from tollhouse.db import Database, Statement
from tollhouse.errors import DatabaseUnavailable
from tollhouse.events import deliveries, mail_wait
from tollhouse.events.lanes import Holder, Lane, Pace
from tollhouse.events.outbox import MAIL, Outbox
from tollhouse.events.outcomes import Ran
from tollhouse.events.running import Runner
from tollhouse.events.tables import deliveries as table
from tollhouse.events.tables import is_waiting, subscribers
from tollhouse.signing.tokens import create_id

log = structlog.get_logger()

POLL_SECONDS: Final = 1.0
LEARN_SECONDS: Final = 2.0
REFRESH_SECONDS: Final = 3_600.0
STOP_SECONDS_MAX: Final = 20.0

DUE_SUBSCRIBERS: Final = Statement(
    select(subscribers.c.name)
    .where(
        exists().where(table.c.subscriber == subscribers.c.name, is_waiting(table), table.c.due_at <= bindparam("now"))
    )
    .distinct(),
    str,
)


class Worker:
    """Claims what is due and runs it, until stopped."""

    def __init__(self, db: Database, clock: Clock, outbox: Outbox) -> None:
        """Work on one database; `add_lane` says on what."""
        self._db = db
        self._clock = clock
        self._outbox = outbox
        self._lanes: dict[str, Lane] = {}
        self._serving: dict[str, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()  # what dropped lanes still run
        self._poller: asyncio.Task[None] | None = None
        self._holder = Holder(db, clock, create_id("wrk", clock.now_us()))
        outbox.on_wake(self._wake)

    def add_lane(self, name: str, run: Runner, *, pace: Pace) -> None:
        """Run this subscriber's deliveries with `run`, which raises `GiveUp`, `Expired`, or anything else to retry."""
        lane = Lane(self._holder, name, run, pace, self._note)
        self._lanes[name] = lane
        if self._poller is not None:
            self._serve(lane)

    async def drop_lane(self, name: str) -> Collection[asyncio.Task[None]]:
        """Claim nothing more for this subscriber, and give back what has not begun; return what still runs."""
        lane, serving = self._lanes.pop(name), self._serving.pop(name)
        self._leaving = {task for task in self._leaving if not task.done()} | lane.running
        lane.close()
        await serving  # not cancelled: what a claim under way brings is given back as well
        await lane.give_back()
        return lane.running

    async def start(self) -> None:
        """Begin to work."""
        for lane in self._lanes.values():
            self._serve(lane)
        self._poller = asyncio.create_task(self._poll(), name="delivery poll")

    def _serve(self, lane: Lane) -> None:
        lane.wake.set()
        self._serving[lane.name] = asyncio.create_task(lane.serve(), name=f"lane {lane.name}")

    async def stop(self) -> None:
        """Claim nothing more, let what runs finish for a while, and give the rest back at once."""
        tasks = [*self._serving.values(), *([self._poller] if self._poller else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self._lanes.values():
            lane.close()
        running = [*self._leaving, *(task for lane in self._lanes.values() for task in lane.running)]
        if running:
            _, unfinished = await asyncio.wait(running, timeout=STOP_SECONDS_MAX)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        try:
            await self._db.write(deliveries.RELEASE, my_lease=self._holder.lease, now=self._clock.now_us())
        except DatabaseUnavailable:
            log.warning("deliveries_not_released", detail="they are due again when their lease runs out")

    def _wake(self, names: Iterable[str]) -> None:
        for name in names:
            lane = self._lanes.get(name)
            if lane is not None:
                lane.wake.set()

    def _note(self, lane: Lane, ran: Ran) -> None:
        if lane.name == MAIL and ran.outcome is None:
            self._outbox.mail_waits_since = None  # the mail server takes mail again; the poll finds what still waits

    async def _poll(self) -> None:
        """Wake the lanes that have due work; rows of other replicas, retries and lost leases are found here."""
        learned_at = refreshed_at = asyncio.get_running_loop().time()
        while True:
            loop_time = asyncio.get_running_loop().time()
            try:
                await self._wake_due()
                await mail_wait.look(self._db, self._clock, self._outbox)
                if loop_time - refreshed_at > REFRESH_SECONDS:
                    await self._outbox.refresh()
                    refreshed_at = loop_time
                elif loop_time - learned_at > LEARN_SECONDS:
                    await self._outbox.learn()
                    learned_at = loop_time
            except DatabaseUnavailable as error:
                log.warning("delivery_poll_failed", detail=error.detail)
            except Exception:
                log.exception("delivery_poll_failed")  # and go on: without the poll, retries would never be found
            await asyncio.sleep(POLL_SECONDS)

    async def _wake_due(self) -> None:
        due = await self._db.fetch_all(DUE_SUBSCRIBERS, now=self._clock.now_us())
        for name in due:
            lane = self._lanes.get(name)
            if lane is not None:
                lane.was_polled = True
        self._wake(due)
