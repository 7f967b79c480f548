"""Webhooks that go wrong on purpose."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.conftest import START
from tests.sandbox.receiver import URL, Receiver, create_customer, listen, verify
from tollhouse.sandbox import Sandbox

OTHER = "https://other.example.com/hook"


async def break_it(api: httpx.AsyncClient, fault: str, **fields: Any) -> dict[str, Any]:
    reply = await api.post("/control/faults", json={"fault": fault, **fields})
    assert reply.status_code == 200, reply.text
    rule: dict[str, Any] = reply.json()
    return rule


def ids(receiver: Receiver) -> list[str]:
    return [event["id"] for event in receiver.events]


def objects(receiver: Receiver) -> list[str]:
    return [event["data"]["object"]["id"] for event in receiver.events]


async def test_a_duplicate_comes_twice_under_one_id(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    await break_it(api, "duplicate", types=["customer.created"], times=1, copies=2)
    first, second = await create_customer(api), await create_customer(api)
    await sandbox.settle()
    assert objects(receiver) == [first, first, first, second]
    assert len(set(ids(receiver))) == 2
    events = (await api.get("/v1/events")).json()["data"]
    assert [event["pending_webhooks"] for event in events] == [0, 0]


async def test_a_twin_tells_the_same_under_another_id(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    await break_it(api, "twin", times=1)
    id = await create_customer(api)
    await create_customer(api)
    await sandbox.settle()
    assert objects(receiver).count(id) == 2
    assert len(set(ids(receiver))) == 3
    assert len((await api.get("/v1/events")).json()["data"]) == 3


async def test_the_next_event_overtakes_one_that_is_held(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    await break_it(api, "reorder", times=1)
    first, second, third = [await create_customer(api) for _ in range(3)]
    await sandbox.settle()
    assert objects(receiver) == [second, first, third]


async def test_a_held_event_that_nothing_overtakes_comes_in_the_end(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    await break_it(api, "reorder", seconds=10)
    id = await create_customer(api)
    await sandbox.settle()
    assert receiver.requests == []
    sandbox.advance(10)
    await sandbox.settle()
    assert objects(receiver) == [id]


async def test_a_delayed_event_comes_by_the_sandboxs_clock(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    await break_it(api, "delay", seconds=100, times=1)
    first, second = await create_customer(api), await create_customer(api)
    sandbox.advance(99)
    await sandbox.settle()
    assert objects(receiver) == [second]
    sandbox.advance(1)
    await sandbox.settle()
    assert objects(receiver) == [second, first]


async def test_a_dropped_event_never_comes_although_it_is_there(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    kept = await listen(api, url=OTHER)
    await break_it(api, "drop", endpoint=kept["id"])
    await create_customer(api)
    sandbox.advance(24 * 3600)
    await sandbox.settle()
    assert receiver.urls == [URL]
    (event,) = (await api.get("/v1/events")).json()["data"]
    assert event["pending_webhooks"] == 1


async def test_a_wrong_signature_fits_nobodys_secret(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    secret = (await listen(api))["secret"]
    await break_it(api, "wrong_signature", times=1)
    receiver.statuses[URL] = [400]
    await create_customer(api)
    await sandbox.settle()
    sandbox.advance(3600)
    await sandbox.settle()
    wrong, right = receiver.requests
    with pytest.raises(stripe.SignatureVerificationError):
        verify(wrong, secret)
    verify(right, secret)


async def test_a_slow_body_arrives_whole_and_delays_nobody_else(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    slow = await listen(api)
    await listen(api, url=OTHER)
    await break_it(api, "slow", endpoint=slow["id"], seconds=0.1)
    await create_customer(api)
    await receiver.gets(1, OTHER)
    assert receiver.urls == [OTHER]
    await sandbox.settle()
    late = receiver.requests[1]
    assert int(late.headers["content-length"]) == len(late.content)
    verify(late, slow["secret"])


async def test_an_event_that_is_withheld_never_was(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    await break_it(api, "withhold", types=["customer.*"], times=1)
    lost, told = await create_customer(api), await create_customer(api)
    await sandbox.settle()
    assert objects(receiver) == [told]
    assert len((await api.get("/v1/events")).json()["data"]) == 1
    assert (await api.get(f"/v1/customers/{lost}")).status_code == 200


async def test_a_rule_strikes_the_types_it_names_alone(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    await break_it(api, "drop", types=["invoice.*"])
    await create_customer(api)
    await sandbox.settle()
    assert receiver.types == ["customer.created"]


async def test_a_lifted_rule_strikes_no_more(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    await listen(api)
    rule = await break_it(api, "drop")
    await create_customer(api)
    (known,) = (await api.get("/control/faults")).json()["data"]
    assert known["hits"] == 1
    await api.delete(f"/control/faults/{rule['id']}")
    await create_customer(api)
    await sandbox.settle()
    assert len(receiver.requests) == 1
    assert (await api.delete(f"/control/faults/{rule['id']}")).status_code == 404


async def test_the_same_seed_strikes_the_same_events() -> None:
    struck: list[list[bool]] = []
    for seed in (7, 7, 8):
        receiver = Receiver()
        async with Sandbox(seed=seed, start=START, transport=receiver) as sandbox, sandbox.client() as api:
            await listen(api)
            await break_it(api, "drop", probability=0.5)
            made = [await create_customer(api) for _ in range(16)]
            await sandbox.settle()
            arrived = objects(receiver)
            struck.append([id in arrived for id in made])
    assert struck[0] == struck[1]
    assert struck[0] != struck[2]
    assert 0 < sum(struck[0]) < 16
