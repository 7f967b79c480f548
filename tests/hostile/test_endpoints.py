"""Unlucky networks, poisonous events and two at once: nobody's events stop, and none arrives twice for no reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from tests.endpoints.receiver import DOWN, OK, Answer, Arrival, Receiver
from tests.endpoints.rig import (
    ALICE,
    BOB,
    House,
    declare,
    emit,
    open_house,
    told,
    tried_until,
    until,
)
from tollhouse.db import Transaction
from tollhouse.endpoints import endpoints, resending
from tollhouse.events.deliveries import CLAIM
from tollhouse.events.outbox import ADD_DELIVERY, delivery_row
from tollhouse.testing import TestKit

EMAIL = "alice.liddell@example.com"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of endpoints are learnt at once."""
    monkeypatch.setattr("tollhouse.endpoints.lanes.LEARN_SECONDS", 0.02)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as running:
        yield running


@pytest.fixture
async def kit(receiver: Receiver) -> AsyncIterator[House]:
    async with open_house(None, declare(receiver, with_address=True)) as running:
        yield running


async def sign_in(kit: TestKit) -> None:
    """Have something happen to Alice that comes with her address."""
    run = kit.toll.run
    told_of: tuple[str, dict[str, Any]] = ("user.signed_in", {"user_id": ALICE})
    await run.db.transact(run.outbox.emit, told_of, user_id=ALICE, address=EMAIL)
    run.outbox.wake()


async def test_what_was_being_claimed_when_the_lane_paused_does_not_stop_it_for_ever(
    kit: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    answer, claimed, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def fail_together(_: Arrival) -> Answer:
        await answer.wait()
        return DOWN

    receiver.decide = fail_together
    await emit(kit, *(f"usr_{n}" for n in range(5)))
    await receiver.until(5)
    db = kit.toll.run.db
    write_all = db.write_all

    async def write_slowly(statement: Any, **values: Any) -> Any:
        rows = await write_all(statement, **values)
        if statement is CLAIM and rows:
            claimed.set()
            await go_on.wait()
        return rows

    monkeypatch.setattr(db, "write_all", write_slowly)  # the real claim, whose answer is a while on its way
    await emit(kit, "usr_late")
    await claimed.wait()
    answer.set()

    async def five_have_failed() -> bool:
        return sum(row["reason"] is not None for row in await told(kit)) == 5

    await until(five_have_failed)
    await kit.learnt()
    go_on.set()
    await asyncio.sleep(0)  # the claim has brought its row into a lane that pauses by now
    receiver.decide = None
    kit.clock.advance(61)  # longer than the first pause, and than any lease
    await receiver.until(5 + 6, within_seconds=5)
    await kit.settle()


async def test_one_event_that_its_app_cannot_take_has_its_three_days(kit: House, receiver: Receiver):
    async def answer(arrival: Arrival) -> Answer:
        return DOWN if arrival.user == ALICE else OK

    receiver.decide = answer
    await emit(kit, ALICE)
    await tried_until(kit, 1)
    for n in range(12):
        await emit(kit, f"usr_{n}")
        await kit.settle()
    (alices,) = [row for row in await told(kit) if row["user_id"] == ALICE]
    assert (alices["status"], alices["attempts"] <= 3) == ("waiting", True), alices["attempts"]


async def test_a_pause_that_is_asked_for_about_one_event_is_not_everybodys(kit: House, receiver: Receiver):
    receiver.script.append(Answer(422, headers={"retry-after": "3600"}))
    await emit(kit, ALICE)
    await tried_until(kit, 1)
    await emit(kit, BOB)
    await receiver.until(2, within_seconds=2)
    await kit.settle()


async def test_who_waits_behind_thousands_of_one_user_is_served_within_seconds(kit: House, receiver: Receiver):
    receiver.script.append(Answer(422))
    await emit(kit, ALICE)
    await tried_until(kit, 1)
    run = kit.toll.run
    held = {"now_us": run.now_us, "subscriber": "endpoint:app", "event_id": "out_x", "user_id": ALICE}
    rows = [delivery_row(**held, sequence=n) for n in range(2, 3_002)]

    async def work(tx: Transaction) -> None:
        await tx.execute_many(ADD_DELIVERY, rows)

    await run.db.transact(work)
    await emit(kit, BOB)
    await receiver.until(2, within_seconds=3)


async def test_two_who_catch_up_at_once_send_each_event_once(migrated_database_url: str, receiver: Receiver):
    async with open_house(migrated_database_url, declare(receiver)) as kit:
        run = kit.toll.run
        await endpoints.disable(run, "app", because="Somebody said so.")
        await run.outbox.learn()
        await emit(kit, *[ALICE, BOB] * 3)
        before = await endpoints.enable(run, "app")
        assert before is not None
        assert before.disabled_at is not None
        since = before.disabled_at
        await asyncio.gather(*(resending.catch_up(run, before, since=since) for _ in range(2)))
        assert len(await told(kit)) == 6


async def test_who_wants_no_addresses_any_more_gets_none_that_wait(kit: House, receiver: Receiver):
    receiver.script.append(Answer(500))
    await sign_in(kit)
    await tried_until(kit, 1)
    run = kit.toll.run
    await run.db.transact(endpoints.put, replace(await endpoints.find(run, "app"), with_address=0))
    await asyncio.sleep(0.2)  # learnt by then
    kit.clock.advance(10)
    event = (await receiver.until(2))[1].event
    await kit.settle()
    assert "email" not in event["data"]


async def test_an_answer_that_repeats_an_address_is_not_kept_with_it(kit: House, receiver: Receiver):
    async def complain(arrival: Arrival) -> Answer:
        return Answer(422, b'{"detail": [{"input": ' + arrival.body + b"}]}")  # as validating frameworks do

    receiver.decide = complain
    await sign_in(kit)
    (attempt,) = await tried_until(kit, 1)
    assert EMAIL not in attempt["reply"]


async def test_what_was_claimed_ahead_is_listed_as_failed_once_its_endpoint_is_disabled(kit: House, receiver: Receiver):
    answer = asyncio.Event()

    async def answer_later(_: Arrival) -> Answer:
        await answer.wait()
        return OK

    receiver.decide = answer_later
    await emit(kit, *(f"usr_{n}" for n in range(20)))  # four more than are sent at once
    await receiver.until(16)

    async def count_claimed() -> int:
        return sum(row["lease"] is not None for row in await told(kit))

    async def all_are_claimed() -> bool:
        return await count_claimed() == 20

    async def rest_is_given_back() -> bool:
        return await count_claimed() == 16

    await until(all_are_claimed)
    await endpoints.disable(kit.toll.run, "app", because="Somebody said so.")
    await until(rest_is_given_back)
    answer.set()

    async def is_over() -> bool:
        rows = await told(kit)
        return all(row["status"] != "waiting" for row in rows)

    await until(is_over, within_seconds=3)
