"""What works in the background while the application runs: deliveries, scheduled jobs, the clock and the keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from tollhouse.access.access import Access
from tollhouse.billing import freshness, parked
from tollhouse.billing.freshness import Freshness
from tollhouse.billing.opening import keep_till
from tollhouse.billing.reconcile import nightly
from tollhouse.billing.till import Till
from tollhouse.endpoints import closing, declared, notices, resending
from tollhouse.endpoints.lanes import EndpointLanes
from tollhouse.events import Handlers, Worker
from tollhouse.events.lanes import Pace
from tollhouse.events.outbox import MAIL, NOTICE
from tollhouse.events.schedule import Schedule
from tollhouse.identity import sign_in_mail, sweep
from tollhouse.ledger import expiry
from tollhouse.mail.transport import Transport
from tollhouse.runtime import Runtime

log = structlog.get_logger()

MAIL_CONCURRENCY: Final = 8
CLOCK_SECONDS: Final = 30.0
ACCESS_KEPT_SECONDS: Final = 600
PAYLOADS_PRUNED_SECONDS: Final = 3_600

Work = Callable[[], Coroutine[Any, Any, None]]  # goes on until cancelled


@dataclass(frozen=True, slots=True)
class Parts:
    """What works together in a running application."""

    run: Runtime
    access: Access
    till: Till | None
    freshness: Freshness | None  # of Stripe's webhooks, where there is a till
    handlers: Handlers
    transport: Transport


async def start(stack: AsyncExitStack, parts: Parts) -> None:
    """Begin to work on deliveries and schedules; `stack` stops all of it gracefully."""
    run = parts.run
    worker = Worker(run.db, run.clock, run.outbox)
    if run.settings.has_gate:
        worker.add_lane(MAIL, sign_in_mail.runner(run, parts.transport), pace=Pace(MAIL_CONCURRENCY))
        worker.add_lane(NOTICE, notices.runner(run, parts.transport), pace=Pace(1))
    parts.handlers.attach(run.db, run.outbox, worker)
    schedule = Schedule(run.db, run.clock)
    schedule.add("sweep", every_seconds=sweep.EVERY_SECONDS, run=lambda: sweep.sweep(run))
    schedule.add("tokens", every_seconds=ACCESS_KEPT_SECONDS, run=parts.access.keep)
    schedule.add("credits", every_seconds=expiry.EVERY_SECONDS, run=lambda: expiry.expire_due(run))
    schedule.add("endpoints", every_seconds=closing.EVERY_SECONDS, run=lambda: closing.close_failing(run))
    schedule.add("endpoint gaps", every_seconds=resending.GAPS_EVERY_SECONDS, run=lambda: resending.fill_gaps(run))
    endpoints = EndpointLanes(run, worker)
    works: list[Work] = [schedule.serve, partial(_keep_time, run), parts.access.keep_keys, endpoints.keep]
    if parts.till is not None and parts.freshness is not None:
        works += _attach_till(parts.till, parts.freshness, worker, schedule)
    await declared.declare(run)
    await endpoints.learn()
    await run.outbox.refresh()
    stack.push_async_callback(endpoints.close)
    await worker.start()
    stack.push_async_callback(worker.stop)
    for work in works:
        stack.push_async_callback(_cancel, asyncio.create_task(work()))


def _attach_till(till: Till, fresh: Freshness, worker: Worker, schedule: Schedule) -> list[Work]:
    run = till.run
    parked.attach(till, worker, run.outbox)
    schedule.add("payloads", every_seconds=PAYLOADS_PRUNED_SECONDS, run=lambda: parked.prune(run))
    schedule.add("freshness", every_seconds=freshness.EVERY_SECONDS, run=fresh.check, at_once=False)
    schedule.add("reconcile", every_seconds=nightly.EVERY_SECONDS, run=lambda: nightly.run(till), at_once=False)
    return [partial(keep_till, till), partial(parked.watch, run)]


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _keep_time(run: Runtime) -> None:
    """Ask the database for its time now and then, so that all replicas agree whatever their own clocks say."""
    while True:
        await asyncio.sleep(CLOCK_SECONDS)
        try:
            run.clock.set(await run.db.now_us())
        except Exception as error:  # noqa: BLE001 (whatever it is, the monotonic clock goes on meanwhile)
            log.warning("clock_not_set", error=type(error).__name__)
