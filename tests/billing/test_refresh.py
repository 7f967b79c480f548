"""Refreshing: an object is read at Stripe after each event about it, coalesced, and an older reading is dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert

from tests.billing.posting import deliveries_of
from tests.identity.rows import rows_of
from tollhouse.billing import refetch, refresh, refreshing
from tollhouse.billing.errors import StripeUnavailable
from tollhouse.billing.refetch import Write
from tollhouse.billing.tables import stripe_entitlements, stripe_objects, stripe_refreshes
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction
from tollhouse.events.outcomes import GiveUp
from tollhouse.testing import TestKit

NOTE = Statement(
    upsert(stripe_entitlements).values(user_id=bindparam("what"), livemode=0, feature=bindparam("which")), str
)


class Shelf:
    """A kind of object that the test itself keeps: it is read as a number, and the number is written down."""

    def __init__(self, kit: TestKit, monkeypatch: pytest.MonkeyPatch, kind: str = refresh.SUBSCRIPTION) -> None:
        self.kit = kit
        self.value = 0
        self.reads = 0
        self.before_answering: Callable[[], Awaitable[None]] | None = None
        monkeypatch.setattr(refetch, "READINGS", {**refetch.READINGS, kind: self.read})

    async def read(self, _till: Till, object_id: str) -> list[Write]:
        self.reads += 1
        value = self.value
        if self.before_answering is not None:
            await self.before_answering()

        async def write(tx: Transaction) -> None:
            await tx.execute(NOTE, what=object_id, which=str(value))

        return [write]

    async def written(self) -> list[int]:
        return [int(row["feature"]) for row in await rows_of(self.kit, stripe_entitlements)]


async def want(kit: TestKit, object_id: str = "sub_1", kind: str = refresh.SUBSCRIPTION) -> None:
    await kit.toll.run.db.transact(refresh.want, kit.toll.till, kind, object_id)


async def test_what_is_wanted_is_read_and_written_once(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(kit, monkeypatch)
    await want(kit)
    refresh.wake(kit.toll.run)
    await kit.settle()
    assert await shelf.written() == [0]
    (wanted,), (done,) = await rows_of(kit, stripe_objects), await rows_of(kit, stripe_refreshes)
    assert (wanted["kind"], wanted["livemode"], wanted["wanted"], done["done"]) == ("subscription", 0, 1, 1)
    (delivery,) = await deliveries_of(kit, refresh.SUBSCRIBER)
    assert (delivery["event_id"], delivery["status"]) == ("subscription:sub_1:1", "delivered")


async def want_often(kit: TestKit, times: int) -> None:
    async def often(tx: Transaction) -> None:
        for _ in range(times):
            await refresh.want(tx, kit.toll.till, refresh.SUBSCRIPTION, "sub_1")

    await kit.toll.run.db.transact(often)


async def test_many_wishes_are_met_by_one_reading(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(kit, monkeypatch)
    shelf.before_answering = partial(asyncio.sleep, 0.02)
    await want_often(kit, 9)
    refresh.wake(kit.toll.run)
    await kit.settle()
    assert shelf.reads == 1
    shelf.value = 1
    await want_often(kit, 9)
    refresh.wake(kit.toll.run)
    await kit.settle()
    assert shelf.reads == 2
    assert {row["status"] for row in await deliveries_of(kit, refresh.SUBSCRIBER)} == {"delivered"}


async def test_an_older_reading_never_follows_a_newer_one(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(kit, monkeypatch)
    till = kit.toll.till

    async def be_overtaken() -> None:
        shelf.before_answering = None
        shelf.value = 1
        await want(kit)
        assert await refreshing.read_again(till, refresh.SUBSCRIPTION, "sub_1", 2) == "read"

    shelf.before_answering = be_overtaken
    await want(kit)
    assert await refreshing.read_again(till, refresh.SUBSCRIPTION, "sub_1", 1) == "overtaken"
    assert await shelf.written() == [1]


async def test_a_wish_during_a_reading_is_met_by_another_one(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(kit, monkeypatch)

    async def change() -> None:
        shelf.before_answering = None
        shelf.value = 1
        await want(kit)

    shelf.before_answering = change
    await want(kit)
    refresh.wake(kit.toll.run)
    await kit.settle()
    assert sorted(await shelf.written()) == [0, 1]
    (done,) = await rows_of(kit, stripe_refreshes)
    assert done["done"] == 2


async def test_a_transaction_that_is_undone_wants_nothing(kit: TestKit) -> None:
    async def change_its_mind(tx: Transaction) -> None:
        await refresh.want(tx, kit.toll.till, refresh.SUBSCRIPTION, "sub_1")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await kit.toll.run.db.transact(change_its_mind)
    assert await rows_of(kit, stripe_objects) == []
    assert await deliveries_of(kit, refresh.SUBSCRIBER) == []


async def test_while_stripe_is_down_it_is_tried_again(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(kit, monkeypatch)

    async def be_down() -> None:
        raise StripeUnavailable

    shelf.before_answering = be_down
    await want(kit)
    await kit.settle()
    (delivery,) = await deliveries_of(kit, refresh.SUBSCRIBER)
    assert (delivery["status"], delivery["attempts"]) == ("waiting", 1)
    shelf.before_answering = None
    kit.clock.advance(60)
    await kit.settle()
    assert await shelf.written() == [0]


async def test_what_is_gone_at_stripe_is_done(kit: TestKit) -> None:
    for kind in refresh.KINDS:
        await want(kit, f"{kind}_of_nobody", kind)
    refresh.wake(kit.toll.run)
    await kit.settle()
    assert {row["status"] for row in await deliveries_of(kit, refresh.SUBSCRIBER)} == {"delivered"}
    assert len(await rows_of(kit, stripe_refreshes)) == len(refresh.KINDS)


@pytest.mark.parametrize(
    "name", ["", "subscription", "subscription:sub_1", "subscription::1", "x:sub_1:1", "charge:c:x"]
)
def test_a_name_that_names_nothing_is_given_up(name: str) -> None:
    with pytest.raises(GiveUp):
        refreshing.parse(name)


async def test_an_object_of_the_other_mode_is_given_up(kit: TestKit) -> None:
    with pytest.raises(GiveUp):
        await refreshing.read_again(kit.toll.till, refresh.SUBSCRIPTION, "sub_1", 1)


async def test_wishes_from_everywhere_at_once_are_counted(kit: TestKit) -> None:
    await asyncio.gather(*(want(kit, "sub_1") for _ in range(20)))
    (wanted,) = await rows_of(kit, stripe_objects)
    assert wanted["wanted"] == 20
    names = {row["event_id"] for row in await deliveries_of(kit, refresh.SUBSCRIBER)}
    assert names == {f"subscription:sub_1:{number}" for number in range(1, 21)}
