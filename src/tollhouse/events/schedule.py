"""Scheduled work: whichever replica takes the lease does it, the others wait for the next time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.clock import SECOND, Clock
from tollhouse.db import Database, Statement
from tollhouse.errors import TollhouseError
from tollhouse.events.tables import leases as table

log = structlog.get_logger()

TICK_SECONDS: Final = 15.0

TAKE: Final = Statement(
    upsert(table)
    .values(name=bindparam("name"), held_until=bindparam("until"))
    .on_conflict_do_update(
        index_elements=["name"], set_={"held_until": bindparam("until")}, where=table.c.held_until <= bindparam("now")
    )
    .returning(table.c.name),
    str,
)

WAIT_FIRST: Final = Statement(
    upsert(table)
    .values(name=bindparam("name"), held_until=bindparam("until"))
    .on_conflict_do_nothing(index_elements=["name"]),
    str,
)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do every so often, on one replica."""

    name: str
    every_seconds: int
    run: Callable[[], Awaitable[None]]
    at_once: bool  # on a new database; else for the first time when its time has passed once


class Schedule:
    """The scheduled jobs of this process."""

    def __init__(self, db: Database, clock: Clock) -> None:
        """Keep leases in this database."""
        self._db = db
        self._clock = clock
        self._jobs: list[Job] = []

    def add(self, name: str, *, every_seconds: int, run: Callable[[], Awaitable[None]], at_once: bool = True) -> None:
        """Run something every so many seconds, on whichever replica comes first."""
        self._jobs.append(Job(name, every_seconds, run, at_once))

    async def tick(self) -> None:
        """Run what is due and not done by another replica; a job that fails is logged and comes again."""
        for job in self._jobs:
            now = self._clock.now_us()
            until = now + job.every_seconds * SECOND
            if not job.at_once:
                await self._db.write(WAIT_FIRST, name=job.name, until=until)
            if await self._db.write_one(TAKE, name=job.name, until=until, now=now):
                await self._run(job)

    async def _run(self, job: Job) -> None:
        try:
            await job.run()
        except TollhouseError as error:
            log.warning("scheduled_work_failed", job=job.name, detail=error.detail)
        except Exception:
            log.exception("scheduled_work_raised", job=job.name)

    async def serve(self) -> None:
        """Tick until cancelled."""
        while True:
            try:
                await self.tick()
            except TollhouseError as error:
                log.warning("scheduled_work_failed", detail=error.detail)
            except Exception:
                log.exception("scheduled_work_raised")
            await asyncio.sleep(TICK_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311 (jitter, not a secret)
