"""A replica that dies or freezes while it sends: nothing is lost, and an app gets twice what was under way, at most."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import Any

import pytest

from tests.endpoints.receiver import OK, Answer, Arrival, Receiver
from tests.endpoints.rig import ALICE, declare, events_of, told, tried, until
from tests.endpoints.rig_processes import LOST_SECONDS, Fleet, arrived, happen, open_fleet

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]

POINTS = ("delivery.claimed", "delivery.run", "delivery.finished")
SERIAL_KILLS = (1, 3)  # at which pass
TOGETHER_SECONDS = 0.05
MANY = tuple(f"usr_many_{n}" for n in range(6))


async def extras(fleet: Fleet, receiver: Receiver) -> Counter[str]:
    """Which events came more than once, and how often; fails unless every one came, in order, and is noted as such."""

    async def is_told() -> bool:
        return {row["status"] for row in await told(fleet.kit)} == {"delivered"}

    await until(is_told)
    assert set(receiver.ids) == {row["id"] for row in await events_of(fleet.kit)}
    first: defaultdict[str, list[int]] = defaultdict(list)
    for arrival in receiver.arrivals:
        if arrival.event["sequence"] not in first[arrival.user]:
            first[arrival.user].append(arrival.event["sequence"])
    assert all(sequences == sorted(sequences) for sequences in first.values())
    return Counter({key: count - 1 for key, count in Counter(receiver.ids).items() if count > 1})


@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_loses_nothing_and_doubles_what_was_under_way_at_most(
    migrated_database_url: str, receiver: Receiver, point: str
):
    async with open_fleet(migrated_database_url, declare(receiver)) as fleet:
        for number in SERIAL_KILLS:  # of one user each, so that nothing else is under way
            with fleet.replica(f"usr_{number}", point=f"{point}:{number}") as replica:
                await replica.died()
        fleet.turn(LOST_SECONDS)
        doubled = await extras(fleet, receiver)
        assert doubled.total() == (len(SERIAL_KILLS) if point == "delivery.run" else 0)
        with fleet.replica(*MANY, point=f"{point}:9") as replica:
            dying = asyncio.create_task(replica.died())
            while not dying.done():  # both replicas send what happens in either
                await happen(fleet.kit.toll.run, *MANY)
                await asyncio.wait([dying], timeout=TOGETHER_SECONDS)
            await dying
        fleet.turn(LOST_SECONDS)
        doubled = await extras(fleet, receiver) - doubled
        assert max(doubled.values(), default=0) <= 1
        assert doubled.total() <= len(MANY)


@pytest.fixture
def asleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replica here looks for work only when the clocks are turned; ask for it before the fleet."""
    monkeypatch.setattr("tollhouse.endpoints.lanes.LEARN_SECONDS", 3_600)
    monkeypatch.setattr("tollhouse.events.worker.POLL_SECONDS", 3_600)


async def take_over(fleet: Fleet) -> list[dict[str, Any]]:
    """Have the replica here do what the frozen one held, and return the deliveries as they are then."""
    fleet.turn(LOST_SECONDS)
    await arrived(fleet.kit.toll.run, ALICE)
    return await told(fleet.kit)


@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize(("point", "doubled"), [("delivery.claimed", 0), ("delivery.run", 1)])
async def test_what_one_held_before_it_froze_is_anothers_when_it_thaws(
    migrated_database_url: str, receiver: Receiver, point: str, doubled: int
):
    async with open_fleet(migrated_database_url, declare(receiver)) as fleet:
        with fleet.replica(ALICE, rounds=1, point=point, is_frozen_there=True, is_quiet=True) as replica:
            await replica.frozen()
            after = await take_over(fleet)
            replica.thaw()
            await replica.leave()
        assert await told(fleet.kit) == after
        assert [row["attempts"] for row in after] == [2, 1]
        extra = await extras(fleet, receiver)
        assert extra.total() == doubled
        assert set(extra) <= {after[0]["event_id"]}


@pytest.mark.usefixtures("asleep")
@pytest.mark.parametrize("late", [OK, Answer(500)], ids=["taken", "refused"])
async def test_an_answer_to_one_that_was_frozen_changes_nothing(
    migrated_database_url: str, receiver: Receiver, late: Answer
):
    thawed = asyncio.Event()

    async def answer(_: Arrival) -> Answer:
        if len(receiver.arrivals) > 1:
            return OK
        await thawed.wait()
        return late

    receiver.decide = answer
    async with open_fleet(migrated_database_url, declare(receiver)) as fleet:
        with fleet.replica(ALICE, rounds=1, is_quiet=True) as replica:
            await receiver.until(1)
            replica.freeze()
            after = await take_over(fleet)
            thawed.set()
            replica.thaw()
            await replica.leave()
        assert await told(fleet.kit) == after
        assert await extras(fleet, receiver) == {after[0]["event_id"]: 1}
        assert sorted((row["number"], row["status"]) for row in await tried(fleet.kit)) == [
            (1, 200),
            (1, late.status),
            (2, 200),
        ]
