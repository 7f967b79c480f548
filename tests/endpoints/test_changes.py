"""An endpoint that is changed, disabled or removed while events are on their way: none is lost, none comes twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.endpoints.receiver import OK, Answer, Arrival, Receiver
from tests.endpoints.rig import ALICE, declare, emit, open_house, told, until
from tests.identity.rows import rows_of
from tollhouse.endpoints import endpoints, resending
from tollhouse.endpoints.secrets import Secret, create_secret, seal_secrets
from tollhouse.endpoints.tables import endpoints as table
from tollhouse.events import Outbox
from tollhouse.events.tables import subscribers
from tollhouse.testing import TestKit

pytestmark = pytest.mark.usefixtures("quick")
USERS, EACH, CHANGES = 10, 10, 8


async def change_secret(kit: TestKit) -> None:
    run = kit.toll.run
    sealed = seal_secrets(run.keys, "app", [Secret(create_secret())])
    await run.db.write(endpoints.SET_SECRETS, wanted="app", sealed=sealed)


async def test_nothing_is_lost_and_nothing_comes_twice_while_an_endpoint_changes(kit: TestKit, receiver: Receiver):
    async def take_a_moment(_: Arrival) -> Answer:
        await asyncio.sleep(0.005)
        return OK

    async def change_again_and_again() -> None:
        for number in range(1, CHANGES + 1):
            await receiver.until(number * USERS * EACH // (CHANGES + 1))
            await change_secret(kit)

    receiver.decide = take_a_moment
    changing = asyncio.create_task(change_again_and_again())
    await asyncio.gather(*(emit(kit, *[f"usr_{n}"] * EACH) for n in range(USERS)))
    await receiver.until(USERS * EACH)
    await changing
    await kit.settle()
    assert len(receiver.ids) == len(set(receiver.ids)) == USERS * EACH
    assert {(row["status"], row["attempts"]) for row in await told(kit)} == {("delivered", 1)}


async def test_what_is_under_way_when_an_endpoint_is_disabled_still_arrives(kit: TestKit, receiver: Receiver):
    go_on = asyncio.Event()

    async def wait(_: Arrival) -> Answer:
        await go_on.wait()
        return OK

    receiver.decide = wait
    await emit(kit, ALICE, ALICE)
    await receiver.until(1)
    await endpoints.disable(kit.toll.run, "app", because="Somebody said so.")
    go_on.set()
    await kit.settle()
    assert [row["status"] for row in await told(kit)] == ["delivered", "failed"]
    assert len(receiver.arrivals) == 1


async def test_what_fails_while_its_endpoint_is_disabled_is_listed(kit: TestKit, receiver: Receiver):
    go_on = asyncio.Event()

    async def fail_in_the_end(_: Arrival) -> Answer:
        await go_on.wait()
        return Answer(503, b"not now")

    receiver.decide = fail_in_the_end
    await emit(kit, ALICE)
    await receiver.until(1)
    await endpoints.disable(kit.toll.run, "app", because="Somebody said so.")
    go_on.set()
    await kit.settle()
    (row,) = await told(kit)
    assert (row["status"], row["reason"]) == ("failed", "host: It answered 503.")


async def test_what_waits_for_an_endpoint_that_is_removed_is_listed(kit: TestKit, receiver: Receiver):
    receiver.usual = Answer(500)
    await emit(kit, ALICE, ALICE)
    await kit.settle()
    await endpoints.remove(kit.toll.run, "app")
    assert [row["status"] for row in await told(kit)] == ["failed", "failed"]
    assert [row["reason"] for row in await told(kit)] == ["The endpoint was removed."] * 2
    assert await rows_of(kit, table) == []
    await kit.toll.run.outbox.learn()
    await emit(kit, ALICE)
    assert len(await told(kit)) == 2


async def test_an_endpoint_that_is_added_gets_what_happens_from_then_on(kit: TestKit, receiver: Receiver):
    run = kit.toll.run
    await emit(kit, ALICE)
    await receiver.until(1)
    async with Receiver() as second:
        known = await endpoints.find(run, "app")
        sealed = seal_secrets(run.keys, "more", [Secret(create_secret())])
        added = endpoints.Endpoint(
            **endpoints.row_of(known) | {"name": "more", "url": second.url, "secrets": sealed, "is_declared": 0}
        )
        await endpoints.add(run, added)
        await until(lambda: knows(kit, "endpoint:more"))
        await run.outbox.learn()
        await emit(kit, ALICE)
        await second.until(1)
        await kit.settle()
        assert [each.event["sequence"] for each in second.arrivals] == [2]
        assert [each.event["sequence"] for each in receiver.arrivals] == [1, 2]
        with pytest.raises(endpoints.EndpointExists):
            await endpoints.add(run, added)


async def knows(kit: TestKit, name: str) -> bool:
    return any(row["name"] == name for row in await rows_of(kit, subscribers))


async def test_events_that_waited_go_to_where_the_endpoint_is_now(migrated_database_url: str, receiver: Receiver):
    receiver.usual = Answer(500)
    async with open_house(migrated_database_url, declare(receiver)) as kit:
        await emit(kit, ALICE)
        await kit.settle()
    async with (
        Receiver() as moved,
        open_house(migrated_database_url, declare(moved), secret=kit.toll.settings.secret) as kit,
    ):
        kit.clock.advance(7)
        await moved.until(1)
        await kit.settle()
        assert moved.ids == receiver.ids
        (row,) = await told(kit)
        assert row["status"] == "delivered"


async def test_what_was_emitted_before_an_enabled_endpoint_was_learnt_of_arrives_all_the_same(
    kit: TestKit, receiver: Receiver
):
    run = kit.toll.run
    await endpoints.disable(run, "app", because="Somebody said so.")
    outbox = Outbox(run.db, run.clock)  # of another replica, which learns of it too late
    await outbox.learn()
    assert await endpoints.enable(run, "app")
    await run.db.transact(outbox.emit, ("credits.spent", {"user_id": ALICE}), user_id=ALICE)
    kit.clock.advance(20)
    for _ in range(2):
        await resending.fill_gaps(run)
    await kit.settle()
    assert len(receiver.arrivals) == len(await told(kit)) == 1
    await run.db.transact(outbox.emit, ("credits.spent", {"user_id": ALICE}), user_id=ALICE)
    kit.clock.advance(20)
    await resending.fill_gaps(run)
    assert len(await told(kit)) == 1, "later than any replica takes to learn"
