"""Scheduled work: once for all replicas, again when its time comes, whatever happened before."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from tests.events.conftest import Replicate
from tests.events.rig import Rig
from tollhouse.errors import DatabaseUnavailable
from tollhouse.events.schedule import Schedule


class Counted:
    """A job that counts its runs, and raises what it is told to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs = 0
        self.error = error

    async def run(self) -> None:
        self.runs += 1
        if self.error is not None:
            raise self.error


async def test_one_of_many_replicas_runs_a_job_each_time(rig: Rig, replicate: Replicate) -> None:
    job = Counted()
    schedules = [Schedule(each.db, rig.clock) for each in (rig, await replicate(), await replicate())]
    for schedule in schedules:
        schedule.add("sweep", every_seconds=60, run=job.run)
    for wanted in (1, 2, 3):
        await asyncio.gather(*(schedule.tick() for schedule in schedules * 3))
        assert job.runs == wanted
        rig.clock.advance(59)
        await schedules[wanted % 3].tick()
        assert job.runs == wanted
        rig.clock.advance(1)


async def test_a_job_not_wanted_at_once_waits_its_time_on_a_new_database(rig: Rig, replicate: Replicate) -> None:
    job = Counted()
    schedules = [Schedule(each.db, rig.clock) for each in (rig, await replicate())]
    for schedule in schedules:
        schedule.add("nightly", every_seconds=60, run=job.run, at_once=False)
    for runs in (0, 1, 2):
        await asyncio.gather(*(schedule.tick() for schedule in schedules))
        assert job.runs == runs
        rig.clock.advance(60)


async def test_a_job_that_raises_comes_again_and_holds_up_no_other(rig: Rig) -> None:
    bad, worse, good = Counted(DatabaseUnavailable()), Counted(ZeroDivisionError()), Counted()
    schedule = Schedule(rig.db, rig.clock)
    for name, job in (("bad", bad), ("worse", worse), ("good", good)):
        schedule.add(name, every_seconds=60, run=job.run)
    with capture_logs() as logs:
        await schedule.tick()
        rig.clock.advance(60)
        await schedule.tick()
    assert (bad.runs, worse.runs, good.runs) == (2, 2, 2)
    told = [(entry["event"], entry["job"]) for entry in logs]
    assert told == [("scheduled_work_failed", "bad"), ("scheduled_work_raised", "worse")] * 2


async def test_two_jobs_have_a_lease_each(rig: Rig) -> None:
    often, seldom = Counted(), Counted()
    schedule = Schedule(rig.db, rig.clock)
    schedule.add("often", every_seconds=10, run=often.run)
    schedule.add("seldom", every_seconds=100, run=seldom.run)
    for _ in range(11):
        await schedule.tick()
        rig.clock.advance(10)
    assert (often.runs, seldom.runs) == (11, 2)
