"""Trying again: on a schedule that ends, by hand, and in order."""

from __future__ import annotations

import pytest

from tests.endpoints.receiver import DOWN, OK, Answer, Arrival, Receiver
from tests.endpoints.rig import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    declare,
    emit,
    endpoint_row,
    events_of,
    only_told,
    open_house,
    told,
    tried,
    tried_until,
    turn,
    until,
)
from tollhouse.clock import SECOND
from tollhouse.endpoints import endpoints, resending
from tollhouse.endpoints.endpoints import Endpoint
from tollhouse.endpoints.errors import EndpointUnknown, EventUnknown
from tollhouse.events import records
from tollhouse.events.outcomes import Answer as Answered
from tollhouse.events.outcomes import Retry
from tollhouse.testing import TestKit

TRIES = 10


async def turn_to_next_try(kit: TestKit) -> None:
    """Turn the clock to when something is due next, and have it tried."""
    due = min(row["due_at"] for row in await told(kit) if row["status"] == "waiting")
    await turn(kit, (due - kit.clock.now_us()) / SECOND + 0.001)


async def pause(kit: TestKit, name: str = "app") -> None:
    """Disable an endpoint as an operator does."""
    await endpoints.disable(kit.toll.run, name, because="Somebody said so.")
    await kit.toll.run.outbox.learn()


async def resume(kit: TestKit, name: str = "app") -> Endpoint:
    """Enable it again; returns it as it was."""
    before = await endpoints.enable(kit.toll.run, name)
    await kit.toll.run.outbox.learn()
    assert before is not None
    return before


async def test_ten_tries_over_75_hours_then_it_is_listed_and_can_be_sent_by_hand(kit: TestKit, receiver: Receiver):
    receiver.usual = Answer(500)
    await emit(kit, ALICE)
    await kit.settle()
    for number in range(2, TRIES + 1):
        await turn_to_next_try(kit)
        assert len(await tried(kit)) == number
    attempts, delivery = await tried(kit), await only_told(kit)
    assert [row["number"] for row in attempts] == list(range(1, TRIES + 1))
    assert attempts[-1]["started_at"] - attempts[0]["started_at"] >= 75 * HOUR * SECOND
    assert (delivery["status"], delivery["reason"]) == ("failed", "It answered 500.")
    await turn(kit, 30 * DAY)
    assert len(receiver.arrivals) == TRIES

    receiver.usual = OK
    run = kit.toll.run
    assert await run.db.write(records.RETRY, delivery_id=delivery["id"], now=run.now_us)
    await kit.settle()
    assert (await only_told(kit))["status"] == "delivered"
    assert len(set(receiver.ids)) == 1


@pytest.mark.usefixtures("quick")
async def test_a_failing_event_holds_its_users_later_ones_for_an_hour(kit: TestKit, receiver: Receiver):
    async def refuse_the_first_of_alice(arrival: Arrival) -> Answer:
        return Answer(422) if (arrival.user, arrival.event["sequence"]) == (ALICE, 1) else OK

    def got(user: str) -> list[int]:
        return [each.event["sequence"] for each in receiver.arrivals if each.user == user]

    receiver.decide = refuse_the_first_of_alice
    await emit(kit, ALICE, BOB, ALICE, BOB)
    await kit.settle()
    assert (got(ALICE), got(BOB)) == ([1], [1, 2])
    await turn(kit, HOUR - 10)
    assert set(got(ALICE)) == {1}
    await emit(kit, BOB, ALICE)
    await kit.settle()
    assert set(got(ALICE)) == {1}
    assert got(BOB) == [1, 2, 3]
    await turn(kit, 70)  # those held back are looked at once a minute
    await turn(kit, 70)
    assert [sequence for sequence in got(ALICE) if sequence > 1] == [2, 3]
    assert [row["status"] for row in await told(kit) if row["user_id"] == ALICE] == [
        "waiting",
        "delivered",
        "delivered",
    ]


@pytest.mark.usefixtures("quick")
async def test_when_the_host_is_back_all_comes_at_once_and_in_order(kit: TestKit, receiver: Receiver):
    receiver.usual = DOWN
    users = [ALICE, BOB, "usr_charlie"]
    for _ in range(3):
        await emit(kit, *users)
    await tried_until(kit, 3)
    await turn_to_next_try(kit)
    for seconds in (40, 150, 700, 2_000, 8_000):  # while it is down they even pass each other
        count = len(await tried(kit))
        kit.clock.advance(seconds)
        await tried_until(kit, count + 1)
    receiver.arrivals.clear()
    receiver.usual = OK
    kit.clock.advance(361)  # longer than the longest pause between probes
    await receiver.until(9)
    await kit.settle()
    for user in users:
        arrived = [each.event["sequence"] for each in receiver.arrivals if each.user == user]
        assert sorted(arrived) == [1, 2, 3]
        _, *rest = arrived
        assert rest == sorted(rest), (user, arrived)  # only the probe may have come out of turn
    assert {row["status"] for row in await told(kit)} == {"delivered"}


async def test_a_dead_endpoint_is_asked_once_in_a_pause(kit: TestKit, receiver: Receiver):
    receiver.usual = DOWN
    await emit(kit, *(f"usr_{n}" for n in range(40)))
    burst = len(await tried_until(kit, 5))
    assert burst <= 16 + 5
    for number, seconds in enumerate((7, 13, 25, 49, 97, 193, 361, 361), 1):
        kit.clock.advance(seconds)  # longer than 5 s, 10 s, … 300 s, each with a fifth of jitter
        await emit(kit, f"usr_later_{number}")
        assert len(await tried_until(kit, burst + number)) == burst + number
    untouched = [row for row in await told(kit) if row["attempts"] == 0]
    assert len(untouched) >= 40 - burst
    receiver.usual = OK
    await turn(kit, 361)
    assert {row["status"] for row in await told(kit)} == {"delivered"}


async def test_one_dead_endpoint_delays_no_other(migrated_database_url: str, receiver: Receiver):
    async with Receiver(usual=Answer(is_silent=True)) as dead:
        declared = [declare(dead, name="dead"), declare(receiver, name="alive")]
        async with open_house(migrated_database_url, *declared) as kit:
            await emit(kit, *(f"usr_{n % 20}" for n in range(60)))
            await receiver.until(60)
            assert 1 <= len(dead.arrivals) <= 16
            assert await tried(kit, "dead") == []
            await dead.stop()


@pytest.mark.usefixtures("quick")
async def test_whatever_was_missed_is_caught_up_once_and_in_order(kit: TestKit, receiver: Receiver):
    receiver.usual = Answer(500)
    await emit(kit, ALICE, ALICE, BOB)  # of these, one each was tried, and waits
    await tried_until(kit, 2)
    kit.clock.advance(60)
    await pause(kit)
    for _ in range(3):
        await emit(kit, ALICE, BOB)
    await kit.settle()

    async def is_parked() -> bool:  # what a lane gave back when it was closed is parked a moment later
        return [row["status"] for row in await told(kit)] == ["failed"] * 3

    await until(is_parked)
    kit.clock.advance(DAY)
    receiver.usual = OK
    receiver.arrivals.clear()
    before = await resume(kit)
    assert before.disabled_at is not None
    await emit(kit, ALICE, BOB)  # of today, and already in order behind nothing
    await kit.settle()
    assert await resending.catch_up(kit.toll.run, before, since=before.disabled_at) == 9
    await receiver.until(11)
    await kit.settle()
    assert sorted(receiver.ids) == sorted(row["id"] for row in await events_of(kit))
    for user, total in ((ALICE, 6), (BOB, 5)):
        arrived = [each.event["sequence"] for each in receiver.arrivals if each.user == user]
        assert arrived == [total, *range(1, total)]
    assert await resending.catch_up(kit.toll.run, before, since=before.disabled_at) == 0


@pytest.mark.usefixtures("quick")
async def test_catching_up_looks_no_further_back_than_it_is_told(kit: TestKit, receiver: Receiver):
    await pause(kit)
    await emit(kit, ALICE)
    kit.clock.advance(HOUR)
    since = kit.toll.run.now_us
    await emit(kit, ALICE)
    before = await resume(kit)
    assert await resending.catch_up(kit.toll.run, before, since=since) == 1
    await kit.settle()
    assert [each.event["sequence"] for each in receiver.arrivals] == [2]


async def test_one_event_is_sent_again_with_its_own_id(kit: TestKit, receiver: Receiver):
    run = kit.toll.run
    await emit(kit, ALICE, ALICE)
    await kit.settle()
    first, _ = receiver.ids
    (again,) = await resending.resend(run, first)
    await kit.settle()
    assert receiver.ids[2:] == [first]
    assert again in {row["id"] for row in await told(kit)}
    with pytest.raises(EventUnknown):
        await resending.resend(run, "out_019aa3d1f0c67b2e4d8c91f35a60e7d4")
    with pytest.raises(EndpointUnknown):
        await resending.resend(run, first, name="other")


async def test_an_event_that_fails_when_sent_again_holds_nobody_back(kit: TestKit, receiver: Receiver):
    await emit(kit, ALICE)
    await kit.settle()
    receiver.script.append(Answer(400))
    await resending.resend(kit.toll.run, receiver.ids[0])
    await kit.settle()
    await emit(kit, ALICE)
    await kit.settle()
    assert [each.event["sequence"] for each in receiver.arrivals] == [1, 1, 2]


async def test_a_test_event_is_about_nobody_and_leaves_nothing(small_kit: TestKit, receiver: Receiver):
    run = small_kit.toll.run
    receiver.script += [Answer(201, b"hi"), Answer(404)]
    worked = await resending.send_test(run, "app")
    assert isinstance(worked, Answered)
    assert (worked.status, worked.text) == (201, "hi")
    refused = await resending.send_test(run, "app")
    assert isinstance(refused, Retry)
    assert refused.detail == "It answered 404."
    event = receiver.arrivals[0].event
    assert (event["type"], event["sequence"], event["data"]) == ("test", None, {"endpoint": "app"})
    assert await told(small_kit) == []
    with pytest.raises(EndpointUnknown):
        await resending.send_test(run, "other")
    assert (await endpoint_row(small_kit))["disabled_at"] is None
