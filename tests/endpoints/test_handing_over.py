"""A user's next event goes right behind the one before it, also where a look found it held back and put it off."""

from __future__ import annotations

import asyncio

import pytest

from tests.endpoints.receiver import DOWN, OK, Answer, Arrival, Receiver
from tests.endpoints.rig import ALICE, BOB, HOUR, emit, told, tried, tried_until, until
from tollhouse.clock import SECOND
from tollhouse.testing import TestKit


@pytest.mark.usefixtures("quick")
async def test_what_was_recalled_and_put_off_comes_right_behind_its_head(kit: TestKit, receiver: Receiver):
    receiver.usual = DOWN
    await emit(kit, ALICE, ALICE)
    await tried_until(kit, 1)
    for _ in range(2):
        count = len(await tried(kit))
        kit.clock.advance(HOUR + 1)
        await tried_until(kit, count + 1)

    async def both_tried() -> bool:
        return all(row["attempts"] for row in await told(kit))

    await until(both_tried)
    head = asyncio.Event()

    async def answer(arrival: Arrival) -> Answer:
        if arrival.user == ALICE and arrival.event["sequence"] == 1:
            await head.wait()
        return OK

    receiver.decide = answer
    receiver.arrivals.clear()
    kit.clock.advance(1)
    await emit(kit, BOB)
    await receiver.until(2)  # Bob's, whose answer has Alice's recalled, and the first of hers

    async def is_put_off() -> bool:
        second = (await told(kit))[1]
        return second["held_until"] is None and second["due_at"] > kit.clock.now_us() + 30 * SECOND

    await until(is_put_off)
    head.set()
    await receiver.until(3, within_seconds=5)
    assert [(each.user, each.event["sequence"]) for each in receiver.arrivals] == [(BOB, 1), (ALICE, 1), (ALICE, 2)]


@pytest.mark.usefixtures("quick")
async def test_what_came_while_its_head_was_under_way_comes_right_behind_it(kit: TestKit, receiver: Receiver):
    head = asyncio.Event()

    async def answer(arrival: Arrival) -> Answer:
        if arrival.event["sequence"] == 1:
            await head.wait()
        return OK

    receiver.decide = answer
    await emit(kit, ALICE)
    await receiver.until(1)
    await emit(kit, ALICE)

    async def is_put_off() -> bool:
        return (await told(kit))[1]["due_at"] > kit.clock.now_us() + 30 * SECOND

    await until(is_put_off)  # by the next look, within a second or two
    head.set()
    await receiver.until(2, within_seconds=5)
