"""The worker in every replica: one lane for each subscriber, so that a slow one delays nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import bindparam, exists, select

from tollhouse.clock import MINUTE, SECOND, Clock
from tollhouse.db import Database, Statement
from tollhouse.errors import DatabaseUnavailable, TollhouseError
from tollhouse.events import deliveries
from tollhouse.events.deliveries import Delivery, GiveUp, Retry
from tollhouse.events.outbox import MAIL, Outbox
from tollhouse.events.tables import WAITING, is_waiting, subscribers
from tollhouse.events.tables import deliveries as table
from tollhouse.failpoints import reach
from tollhouse.signing.tokens import create_id
from tollhouse.telemetry import metrics

log = structlog.get_logger()

MAIL_SILENCE_US: Final = 2 * MINUTE  # so long without any mail delivered, waiting ones are the mail server's doing
POLL_SECONDS: Final = 1.0
LEARN_SECONDS: Final = 10.0
REFRESH_SECONDS: Final = 3_600.0
RUN_SECONDS_MAX: Final = 70.0  # shorter than the lease
STOP_SECONDS_MAX: Final = 20.0

Runner = Callable[[Delivery], Awaitable[None]]

DUE_SUBSCRIBERS: Final = Statement(
    select(subscribers.c.name)
    .where(
        exists().where(table.c.subscriber == subscribers.c.name, is_waiting(table), table.c.due_at <= bindparam("now"))
    )
    .distinct(),
    str,
)


@dataclass(slots=True)
class Lane:
    """One subscriber's deliveries: how they are run, and how many at once."""

    name: str
    run: Runner
    concurrency: int
    wake: asyncio.Event
    running: set[asyncio.Task[None]]


class Worker:
    """Claims what is due and runs it, until stopped."""

    def __init__(self, db: Database, clock: Clock, outbox: Outbox) -> None:
        """Work on one database; `add_lane` says on what."""
        self._db = db
        self._clock = clock
        self._outbox = outbox
        self._lanes: dict[str, Lane] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._lease = create_id("wrk", clock.now_us())
        outbox.on_wake(self._wake)

    def add_lane(self, name: str, run: Runner, *, concurrency: int) -> None:
        """Run this subscriber's deliveries with `run`, which raises `GiveUp`, `Expired`, or anything else to retry."""
        self._lanes[name] = Lane(name, run, concurrency, asyncio.Event(), set())

    async def start(self) -> None:
        """Begin to work."""
        for lane in self._lanes.values():
            self._tasks.append(asyncio.create_task(self._serve(lane), name=f"lane {lane.name}"))
        self._tasks.append(asyncio.create_task(self._poll(), name="delivery poll"))

    async def stop(self) -> None:
        """Claim nothing more, let what runs finish for a while, and give the rest back at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        running = [task for lane in self._lanes.values() for task in lane.running]
        if running:
            _, unfinished = await asyncio.wait(running, timeout=STOP_SECONDS_MAX)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        try:
            await self._db.write(deliveries.RELEASE, my_lease=self._lease, now=self._clock.now_us())
        except DatabaseUnavailable:
            log.warning("deliveries_not_released", detail="they are due again when their lease runs out")

    def _wake(self, names: Iterable[str]) -> None:
        for name in names:
            lane = self._lanes.get(name)
            if lane is not None:
                lane.wake.set()

    async def _poll(self) -> None:
        """Wake the lanes that have due work; rows of other replicas, retries and lost leases are found here."""
        learned_at = refreshed_at = asyncio.get_running_loop().time()
        while True:
            loop_time = asyncio.get_running_loop().time()
            try:
                self._wake(await self._db.fetch_all(DUE_SUBSCRIBERS, now=self._clock.now_us()))
                self._outbox.mail_waits_since = await self._db.fetch_one(
                    deliveries.MAIL_WAITS_SINCE, lately=self._clock.now_us() - MAIL_SILENCE_US
                )
                metrics.mail_wait.set(lag_seconds(self._outbox, self._clock))
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

    async def _serve(self, lane: Lane) -> None:
        while True:
            await lane.wake.wait()
            lane.wake.clear()
            try:
                while await self._claim(lane):
                    pass
            except DatabaseUnavailable as error:
                log.warning("delivery_claim_failed", subscriber=lane.name, detail=error.detail)
            except Exception:
                log.exception("delivery_claim_failed", subscriber=lane.name)  # the poll wakes this lane again

    async def _claim(self, lane: Lane) -> bool:
        """Start as many deliveries as there is room for; return whether more may be due."""
        if len(lane.running) >= lane.concurrency:
            await asyncio.wait(lane.running, return_when=asyncio.FIRST_COMPLETED)
        room = lane.concurrency - len(lane.running)
        claimed = await deliveries.claim(
            self._db, subscriber=lane.name, lease=self._lease, limit=room, now_us=self._clock.now_us()
        )
        for delivery in claimed:
            reach("delivery.claimed")
            task = asyncio.create_task(self._run(lane, delivery))
            lane.running.add(task)
            task.add_done_callback(lane.running.discard)
        return len(claimed) == room

    async def _run(self, lane: Lane, delivery: Delivery) -> None:
        outcome = await run_within_limits(lane.run, delivery)
        reach("delivery.run")
        try:
            status = await deliveries.finish(
                self._db, delivery, lease=self._lease, outcome=outcome, now_us=self._clock.now_us()
            )
        except DatabaseUnavailable as error:
            log.warning("delivery_outcome_unwritten", delivery_id=delivery.id, detail=error.detail)
            return  # due again when the lease runs out: at least once
        except Exception:
            log.exception("delivery_outcome_unwritten", delivery_id=delivery.id)
            return
        reach("delivery.finished")
        report(lane, delivery, status, outcome)
        if lane.name == MAIL and outcome is None:
            self._outbox.mail_waits_since = None  # the mail server takes mail again; the poll finds what still waits
        if status != WAITING and delivery.event_id is not None:
            lane.wake.set()  # the next one of this user may have been held back


async def run_within_limits(run: Runner, delivery: Delivery) -> TollhouseError | None:
    """Run one delivery and return what went wrong, if anything; whatever it raises is its outcome, not ours."""
    try:
        deliveries.check_attempts(delivery)
        return await asyncio.wait_for(contained(run, delivery), RUN_SECONDS_MAX)
    except TollhouseError as error:
        return error
    except TimeoutError:
        return Retry("It took too long.")


async def contained(run: Runner, delivery: Delivery) -> TollhouseError | None:
    """Run one delivery; an exit or a cancellation that it makes up itself ends neither this process nor its lane."""
    try:
        await run(delivery)
    except TollhouseError as error:
        return error
    except BaseException as error:
        task = asyncio.current_task()
        assert task is not None
        if isinstance(error, KeyboardInterrupt) or task.cancelling():  # the time is up, or the worker stops
            raise
        log.exception("delivery_raised", delivery_id=delivery.id, subscriber=delivery.subscriber)
        return Retry(f"It raised {type(error).__name__}.")
    return None


def report(lane: Lane, delivery: Delivery, status: str, outcome: TollhouseError | None) -> None:
    """Count and log how a delivery went."""
    metrics.deliveries.labels(subscriber=lane.name, status=status).inc()
    detail = {"delivery_id": delivery.id, "subscriber": lane.name, "attempt": delivery.attempts, "status": status}
    if outcome is None:
        log.info("delivery_done", **detail)
    elif isinstance(outcome, GiveUp) or status == "failed":
        log.error("delivery_parked", reason=outcome.detail, **detail)
    else:
        log.warning("delivery_postponed" if status == WAITING else "delivery_ended", reason=outcome.detail, **detail)


def lag_seconds(outbox: Outbox, clock: Clock) -> float:
    """Return how long the oldest mail has waited for the mail server."""
    since = outbox.mail_waits_since
    return 0.0 if since is None else (clock.now_us() - since) / SECOND
