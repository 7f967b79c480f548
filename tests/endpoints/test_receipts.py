"""An app says that it has applied an event: in its answer, or later, and once is enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.endpoints.receiver import Answer, Arrival, Receiver
from tests.endpoints.rig import ALICE, House, declare, emit, events_of, only_told, open_house, server, told, tried
from tollhouse.testing import TestKit

APPLIED = Answer(200, b'{"applied": true}')
NOT_OURS = "out_019aa3d1f0c67b2e4d8c91f35a60e7d4"


@pytest.fixture
async def app(kit: TestKit) -> httpx.AsyncClient:
    """A server of ours that may say so."""
    return await server(kit, "events:apply")


async def only_id(kit: TestKit) -> str:
    (event,) = await events_of(kit)
    return event["id"]


def path_of(event_id: str) -> str:
    return f"/api/events/{event_id}/applied"


async def test_the_answer_says_so(kit: TestKit, receiver: Receiver):
    receiver.usual = APPLIED
    await emit(kit, ALICE)
    await kit.settle()
    row = await only_told(kit)
    assert row["status"] == "delivered"
    assert row["applied_at"] == row["finished_at"]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b'{"applied": false}'),
        Answer(200, b'{"applied": "true"}'),
        Answer(200, b'{"applied": 1}'),
        Answer(200, b"[true]"),
        Answer(200, b"applied"),
        Answer(200, b"[" * 2_000),
        Answer(200, b"1" * 2_000),
        Answer(200, b'{"applied": true, "more": "' + b"x" * 3_000 + b'"}'),
        Answer(200, b"\xff\xfe\x00"),
        Answer(500, b'{"applied": true}'),
    ],
    ids=lambda answer: f"{answer.status} {answer.body[:20]!r}",
)
async def test_nothing_else_says_so(small_kit: TestKit, receiver: Receiver, answer: Answer):
    receiver.usual = answer
    await emit(small_kit, ALICE)
    await small_kit.settle()
    row = await only_told(small_kit)
    assert (row["status"], row["applied_at"]) == ("delivered" if answer.status == 200 else "waiting", None)
    assert len(await tried(small_kit)) == 1


async def test_it_may_be_said_later_and_again(kit: TestKit, receiver: Receiver, app: httpx.AsyncClient):
    await emit(kit, ALICE)
    await kit.settle()
    said = await app.post(path_of(await only_id(kit)))
    assert said.status_code == 200, said.text
    row = await only_told(kit)
    kit.clock.advance(60)
    again = await app.post(path_of(await only_id(kit)), json={"endpoint": "app"})
    assert again.json() == said.json()
    assert await only_told(kit) == row
    assert row["applied_at"] is not None


async def test_who_may_not_say_so_is_refused(kit: TestKit):
    await emit(kit, ALICE)
    await kit.settle()
    path = path_of(await only_id(kit))
    nobody = await kit.new_browser().post(path)
    assert nobody.status_code == 401
    reader = await (await server(kit, "events:read")).post(path)
    assert (reader.status_code, reader.json()["code"]) == (403, "scope_missing")
    alice = await kit.sign_in("alice@example.com")
    assert (await alice.post(path)).status_code == 401
    assert (await told(kit))[0]["applied_at"] is None


async def test_what_cannot_be_meant_is_refused(kit: TestKit, app: httpx.AsyncClient):
    await emit(kit, ALICE)
    await kit.settle()
    path = path_of(await only_id(kit))
    for at, body, status, code in (
        (path_of(NOT_OURS), {}, 404, "event_unknown"),
        (path_of("evt_1"), {}, 404, "event_unknown"),
        (path, {"endpoint": "other"}, 404, "endpoint_unknown"),
        (path, {"endpoint": ""}, 404, "endpoint_unknown"),
        (path, {"endpoint": 7}, 422, "body_invalid"),
        (path, {"endpoints": "app"}, 422, "body_invalid"),
    ):
        reply = await app.post(at, json=body)
        assert (body, reply.json()["code"]) == (body, code)
        assert reply.status_code in (status, 400)
    assert (await only_told(kit))["applied_at"] is None


@pytest.mark.usefixtures("quick")
async def test_what_is_applied_is_not_sent_again(kit: TestKit, receiver: Receiver, app: httpx.AsyncClient):
    receiver.script.append(Answer(500))
    await emit(kit, ALICE, ALICE)
    await kit.settle()
    first, second = [row["id"] for row in await events_of(kit)]
    await app.post(path_of(first))
    await receiver.until(2)
    await kit.settle()
    kit.clock.advance(60)
    await kit.settle()
    assert receiver.ids == [first, second]
    assert [row["status"] for row in await told(kit)] == ["delivered", "delivered"]


async def test_it_may_be_said_before_the_answer(kit: TestKit, receiver: Receiver, app: httpx.AsyncClient):
    async def apply_and_fail(arrival: Arrival) -> Answer:
        said = await app.post(path_of(arrival.event["id"]))
        return Answer(500 if said.status_code == 200 else 200)

    receiver.decide = apply_and_fail
    await emit(kit, ALICE)
    await receiver.until(1)
    await kit.settle()
    row = await only_told(kit)
    assert (row["status"], row["lease"]) == ("delivered", None)
    assert row["applied_at"] is not None
    receiver.decide = None
    await emit(kit, ALICE)
    await receiver.until(2)
    await kit.settle()
    kit.clock.advance(60)
    await kit.settle()
    assert len(receiver.arrivals) == 2


@pytest.fixture
async def two(migrated_database_url: str, receiver: Receiver) -> AsyncIterator[House]:
    """Two endpoints that get the same."""
    declared = [declare(receiver, name="a"), declare(receiver, name="b")]
    async with open_house(migrated_database_url, *declared) as running:
        yield running


async def test_of_two_endpoints_the_one_that_is_meant_is_named(two: House):
    await emit(two, ALICE)
    await two.settle()
    app = await server(two, "events:apply")
    path = path_of(await only_id(two))
    unclear = await app.post(path)
    assert (unclear.status_code, unclear.json()["code"]) == (422, "receipt_unclear")
    assert (await app.post(path, json={"endpoint": "b"})).status_code == 200
    ((a,), (b,)) = await told(two, "a"), await told(two, "b")
    assert (a["applied_at"], b["applied_at"] is not None) == (None, True)


async def test_many_who_say_it_at_once_are_told_the_same(kit: TestKit, app: httpx.AsyncClient):
    await emit(kit, ALICE)
    await kit.settle()
    path = path_of(await only_id(kit))
    replies = await asyncio.gather(*(app.post(path) for _ in range(8)))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.text for reply in replies}) == 1
