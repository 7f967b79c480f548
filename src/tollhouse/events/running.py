"""Running one delivery: within its time, with whatever it raises as its outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from tollhouse.clock import SECOND, Clock
from tollhouse.errors import TollhouseError
from tollhouse.events.deliveries import Delivery
from tollhouse.events.outcomes import Answer, GiveUp, Ran, Retry, Unsuccessful
from tollhouse.events.retries import check_attempts
from tollhouse.events.tables import WAITING
from tollhouse.telemetry import metrics

log = structlog.get_logger()

Runner = Callable[[Delivery], Awaitable[Answer | None]]


async def run_delivery(run: Runner, delivery: Delivery, *, clock: Clock, seconds_max: float) -> Ran:
    """Run a delivery and return how it went."""
    started_at, began = clock.now_us(), time.monotonic()
    done = await _within_limits(run, delivery, seconds_max)
    duration_us = round((time.monotonic() - began) * SECOND)
    if isinstance(done, TollhouseError):
        return Ran(done, done.answer if isinstance(done, Unsuccessful) else None, started_at, duration_us)
    return Ran(None, done, started_at, duration_us)


async def _within_limits(run: Runner, delivery: Delivery, seconds_max: float) -> Answer | TollhouseError | None:
    try:
        check_attempts(delivery)
        return await asyncio.wait_for(_contained(run, delivery), seconds_max)
    except TollhouseError as error:
        return error
    except TimeoutError:
        return Retry("It took too long.")


async def _contained(run: Runner, delivery: Delivery) -> Answer | TollhouseError | None:
    """Run one delivery; an exit or a cancellation that it makes up itself ends neither this process nor its lane."""
    try:
        return await run(delivery)
    except TollhouseError as error:
        return error
    except BaseException as error:
        task = asyncio.current_task()
        assert task is not None
        if isinstance(error, KeyboardInterrupt) or task.cancelling():  # the time is up, or the worker stops
            raise
        log.exception("delivery_raised", delivery_id=delivery.id, subscriber=delivery.subscriber)
        return Retry(f"It raised {type(error).__name__}.")


def report(delivery: Delivery, status: str, outcome: TollhouseError | None) -> None:
    """Count and log how a delivery went."""
    metrics.deliveries.labels(subscriber=delivery.subscriber, status=status).inc()
    detail = {
        "delivery_id": delivery.id,
        "subscriber": delivery.subscriber,
        "attempt": delivery.attempts,
        "status": status,
    }
    if outcome is None:
        log.info("delivery_done", **detail)
    elif isinstance(outcome, GiveUp) or status == "failed":
        log.error("delivery_parked", reason=outcome.detail, **detail)
    else:
        log.warning("delivery_postponed" if status == WAITING else "delivery_ended", reason=outcome.detail, **detail)
