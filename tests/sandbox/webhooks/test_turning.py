"""Webhooks while the clock is turned: one long turn brings what many short ones do."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import START
from tests.sandbox.receiver import URL, Receiver, create_customer, listen
from tollhouse.sandbox import Sandbox

HOUR = 3600
DAY = 24 * HOUR


async def advance(api: httpx.AsyncClient, seconds: int) -> dict[str, Any]:
    reply = await api.post("/control/clock/advance", json={"seconds": seconds})
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


async def play(steps: list[int]) -> list[tuple[str, int]]:
    """Return which event was tried when, where one has to be tried again and another one is delayed."""
    receiver = Receiver()
    receiver.statuses[URL] = [500, 500]
    async with Sandbox(seed=1, start=START, transport=receiver) as sandbox, sandbox.client() as api:
        await listen(api)
        fault = {"fault": "delay", "types": ["product.created"], "seconds": HOUR}
        assert (await api.post("/control/faults", json=fault)).status_code == 200
        await create_customer(api)
        await api.post("/v1/products", data={"name": "Plan"})
        for seconds in steps:
            assert (await advance(api, seconds))["settled"]
        tried = [
            (each["type"], attempt["at"] - START)
            for each in (await api.get("/control/deliveries")).json()["data"]
            for attempt in each["attempts"]
        ]
    assert receiver.types == [type for type, _ in sorted(tried, key=lambda each: each[1])]
    return sorted(tried, key=lambda each: each[1])


async def test_one_long_turn_brings_what_many_short_ones_do() -> None:
    long = await play([DAY])
    assert long == [
        ("customer.created", 0),
        ("customer.created", 300),
        ("product.created", HOUR),
        ("customer.created", 300 + HOUR),
    ]
    assert long == await play([60] * 66 + [DAY])


async def test_an_app_sees_the_time_at_which_things_happened() -> None:
    seen: list[int] = []

    class App(Receiver):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            seen.append(sandbox.clock.now() - START)
            return await super().handle_async_request(request)

    async with Sandbox(seed=1, start=START, transport=App()) as sandbox, sandbox.client() as api:
        await listen(api)
        for seconds in (0, 100, 7 * DAY):
            await api.post("/control/faults", json={"fault": "delay", "seconds": seconds, "times": 1})
            await create_customer(api)
        assert await sandbox.advance_and_settle(40 * DAY)
        assert sandbox.clock.now() == START + 40 * DAY
    assert seen == [0, 100, 7 * DAY]


async def test_an_endpoint_that_hangs_has_failed_by_the_end(receiver: Receiver) -> None:
    receiver.gates[URL] = asyncio.Event()
    async with Sandbox(start=START, transport=receiver, webhook_seconds_max=0.01) as sandbox, sandbox.client() as api:
        await listen(api)
        await create_customer(api)
        assert (await advance(api, DAY))["settled"]
        (delivery,) = (await api.get("/control/deliveries")).json()["data"]
    assert (delivery["status"], len(delivery["attempts"])) == ("failed", 4)


async def test_turning_waits_no_longer_than_it_is_given(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.gates[URL] = asyncio.Event()
    await listen(api)
    await create_customer(api)
    began = time.monotonic()
    assert not await sandbox.advance_and_settle(DAY, settle_seconds_max=0.02)
    assert time.monotonic() - began < 1
    assert sandbox.clock.now() == START + DAY
    receiver.gates[URL].set()
    await sandbox.settle()


async def test_others_are_answered_while_the_clock_is_turned_far(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.gates[URL] = asyncio.Event()
    await listen(api)
    await create_customer(api)
    turning = asyncio.create_task(advance(api, DAY))
    await receiver.gets(1, URL)
    assert (await api.get("/control/clock")).json()["turned"] == 0
    receiver.gates[URL].set()
    assert (await turning)["turned"] == DAY


@pytest.mark.parametrize("seconds", [0, 1])
async def test_with_nothing_due_it_is_turned_at_once(api: httpx.AsyncClient, seconds: int) -> None:
    assert await advance(api, seconds) == {
        "now": START + seconds, "turned": seconds, "stands_still": True, "settled": True,
    }  # fmt: skip
