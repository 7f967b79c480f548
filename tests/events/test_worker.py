"""The worker: at once, side by side, and never stopped by what it runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from tests.events.conftest import Replicate
from tests.events.rig import SET_ATTEMPTS, Rig, Seen, ended
from tollhouse.errors import DatabaseUnavailable, TollhouseError
from tollhouse.events import Event
from tollhouse.events.deliveries import Delivery
from tollhouse.events.lanes import Pace
from tollhouse.events.outcomes import Expired, GiveUp, Retry
from tollhouse.events.retries import RETRY_SECONDS


class Unusual(BaseException):
    """What no `except Exception` catches."""


def raising(error: BaseException) -> Callable[[Event], object]:
    async def act(_: Event) -> None:
        raise error

    return act


async def exits(_: Event) -> None:
    sys.exit(3)


async def test_an_event_reaches_its_handler_at_once(rig: Rig) -> None:
    seen = Seen()
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    for n in range(5):
        seen.arrived.clear()
        await rig.emit("user.created", user_id=f"usr_{n}")
        committed = loop.time()
        await asyncio.wait_for(seen.arrived.wait(), 2)
        latencies.append(loop.time() - committed)
    assert sorted(latencies)[2] < 0.1, "the median: the machine may be busy"
    assert seen.events[0].data == {"n": 0}
    await rig.until(ended(5))


async def test_what_another_process_left_is_found_soon(rig: Rig, replicate: Replicate) -> None:
    seen = Seen()
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    command = await replicate()
    await command.outbox.learn()
    await command.emit("user.created")
    await asyncio.wait_for(seen.arrived.wait(), 1.8)


@pytest.mark.parametrize(
    "error",
    [ValueError("a@b.example"), TimeoutError(), TollhouseError(), Unusual(), asyncio.CancelledError(), SystemExit(3)],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_handler_raises_is_its_outcome_and_the_lane_goes_on(rig: Rig, error: BaseException) -> None:
    seen = Seen(act=raising(error))  # type: ignore[arg-type]
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    await rig.emit("user.created", user_id="usr_mallory")
    (row,) = await rig.until(lambda rows: rows[0].lease is None and rows[0].attempts == 1)
    assert row.status == "waiting"
    assert "a@b.example" not in (row.reason or ""), "a foreign error may hold anything"
    assert row.reason in (f"It raised {type(error).__name__}.", "Something went wrong.")
    seen.act = None
    await rig.emit("user.created", user_id="usr_alice")
    await rig.until(ended(1))


@pytest.mark.parametrize(("error", "status"), [(GiveUp("No."), "failed"), (Expired("Late."), "expired")])
async def test_a_handler_may_end_its_delivery(rig: Rig, error: TollhouseError, status: str) -> None:
    rig.handlers.on("user.created", name="seen")(Seen(act=raising(error)).handle)  # type: ignore[arg-type]
    await rig.start()
    await rig.emit("user.created")
    (row,) = await rig.until(ended(1))
    assert (row.status, row.reason) == (status, error.detail)


async def test_a_delivery_that_kills_every_process_is_parked_in_the_end(rig: Rig) -> None:
    seen = Seen()
    rig.handlers.on("user.created", name="seen")(seen.handle)
    rig.handlers.attach(rig.db, rig.outbox, rig.worker)
    await rig.outbox.refresh()
    await rig.emit("user.created")
    await rig.db.write(SET_ATTEMPTS, tried=len(RETRY_SECONDS) + 1)  # claimed so often, and never an outcome
    await rig.worker.start()
    (row,) = await rig.until(ended(1))
    assert row.status == "failed"
    assert "ended before" in (row.reason or "")
    assert seen.events == []


async def test_a_slow_subscriber_delays_nobody_else(rig: Rig) -> None:
    enough = asyncio.Event()

    async def wait(_: Event) -> None:
        await enough.wait()

    slow, quick = Seen(act=wait), Seen()
    rig.handlers.on("user.created", name="slow")(slow.handle)
    rig.handlers.on("user.created", name="quick")(quick.handle)
    await rig.start()
    for n in range(20):
        await rig.emit("user.created", user_id=f"usr_{n}")
    await rig.until(lambda rows: sum(row.status == "delivered" for row in rows) == 20)
    await rig.until(lambda _: len(slow.events) >= 4)
    assert len(quick.events) == 20
    assert len(slow.events) == 4, "so many at once, and no more"
    enough.set()


async def test_events_of_a_user_come_in_order_and_of_others_between(rig: Rig, replicate: Replicate) -> None:
    async def pause(event: Event) -> None:
        await asyncio.sleep(0.002 * ((event.sequence or 0) % 3))

    seen = Seen(act=pause)
    rigs = [rig, await replicate()]
    for each in rigs:
        each.handlers.on("user.created", name="seen")(seen.handle)
        await each.start()
    users = ["usr_alice", "usr_bob", "usr_charlie"]
    for n in range(30):
        await rigs[n % 2].emit("user.created", user_id=users[n % 3])
    await rig.until(ended(30), within_seconds=20)
    for user in users:
        assert [number for name, number in seen.order if name == user] == list(range(1, 11))


async def test_a_failing_head_holds_its_user_for_an_hour(rig: Rig) -> None:
    failing = True

    async def act(event: Event) -> None:
        if failing and event.sequence == 1 and event.user_id == "usr_alice":
            raise Retry("No.")

    seen = Seen(act=act)
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    for user_id in ("usr_alice", "usr_alice", "usr_bob"):
        await rig.emit("user.created", user_id=user_id)
    await rig.until(ended(1))
    await asyncio.sleep(0.1)
    assert sorted(seen.order) == [("usr_alice", 1), ("usr_bob", 1)]  # users wait for nobody but themselves
    rig.clock.advance(3599)
    rig.outbox.wake()
    await asyncio.sleep(0.2)
    assert ("usr_alice", 2) not in seen.order
    rig.clock.advance(2)
    rig.outbox.wake()
    await rig.until(ended(2))
    assert seen.order[-1] == ("usr_alice", 2)
    failing = False
    rig.clock.advance(3600)
    rig.outbox.wake()
    await rig.until(ended(3))


async def test_a_handler_that_hangs_is_cut_off_and_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollhouse.events.handlers.PACE", Pace(concurrency=4, run_seconds_max=0.1))
    rig.handlers.on("user.created", name="seen")(Seen(act=lambda _: asyncio.sleep(60)).handle)
    await rig.start()
    await rig.emit("user.created")
    (row,) = await rig.until(lambda rows: rows[0].reason is not None)
    assert (row.status, row.reason, row.lease) == ("waiting", "It took too long.", None)


async def test_a_mail_whose_content_cannot_be_opened_does_not_stop_the_others(rig: Rig) -> None:
    sent: list[str] = []

    async def send(delivery: Delivery) -> None:
        if delivery.sealed == b"broken":
            raise ValueError("wrong tag")
        sent.append(delivery.id)

    rig.worker.add_lane("mail", send, pace=Pace(1))
    await rig.start()
    await rig.queue_mail("dlv_1", sealed=b"broken")
    await rig.queue_mail("dlv_2")
    await rig.until(ended(1))
    assert sent == ["dlv_2"]


@pytest.mark.slow
async def test_a_database_that_fails_is_logged_and_the_worker_goes_on(rig: Rig) -> None:
    """An error of any kind: a deadlock, a table that a restore has not brought back yet, an outage."""
    seen = Seen()
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    with capture_logs() as logs:
        await rename(rig, "tollhouse_deliveries", "elsewhere")
        await asyncio.sleep(2.2)
        rig.outbox.wake()
        await asyncio.sleep(0.2)
        await rename(rig, "elsewhere", "tollhouse_deliveries")
    assert {"delivery_poll_failed", "delivery_claim_failed"} <= {entry["event"] for entry in logs}
    await rig.emit("user.created")
    await rig.until(ended(1))


async def rename(rig: Rig, old: str, new: str) -> None:
    from sqlalchemy import text

    from tollhouse.db import Statement

    async def work(tx: object) -> None:
        await tx.fetch_all(Statement(text(f"ALTER TABLE {old} RENAME TO {new}"), str))  # type: ignore[attr-defined]

    for _ in range(5):
        try:
            await rig.db.transact(work)
        except DatabaseUnavailable:
            continue
        return
