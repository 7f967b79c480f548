"""What anybody may read of events, and what a server of ours may."""

from __future__ import annotations

import json

import jsonschema_rs
import pytest

from tests.endpoints.receiver import Answer, Receiver
from tests.endpoints.rig import ALICE, emit, events_of, server, tried_until
from tollhouse.events.outbox import EVENT_TYPES
from tollhouse.events.schemas import document
from tollhouse.testing import TestKit

SCHEMA = "/events/schema.json"
NOT_OURS = "out_019aa3d1f0c67b2e4d8c91f35a60e7d4"


async def test_anybody_may_read_the_schema_from_anywhere(small_kit: TestKit):
    reply = await small_kit.new_browser().get(SCHEMA, headers={"origin": "https://elsewhere.example.org"})
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/schema+json"
    assert reply.headers["cache-control"] == "public, max-age=3600"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "set-cookie" not in reply.headers
    assert json.loads(reply.content) == document()
    assert set(reply.json()["$defs"]) == EVENT_TYPES
    jsonschema_rs.meta.validate(reply.json())


async def test_the_schema_is_only_read(small_kit: TestKit):
    reply = await small_kit.new_browser().post(SCHEMA, headers={"origin": small_kit.toll.settings.url})
    assert reply.status_code == 405


async def test_an_event_is_shown_with_all_that_became_of_it(kit: TestKit, receiver: Receiver):
    receiver.script += [Answer(503, b"upstream is down"), Answer(200, b'{"applied": true}')]
    await emit(kit, ALICE)
    await tried_until(kit, 1)
    kit.clock.advance(7)
    await tried_until(kit, 2)
    (event,) = await events_of(kit)
    shown = (await (await server(kit, "events:read")).get(f"/api/events/{event['id']}")).json()
    (delivery,) = shown.pop("deliveries")
    assert shown == receiver.arrivals[0].event
    assert (delivery["subscriber"], delivery["status"], delivery["reason"]) == ("endpoint:app", "delivered", None)
    assert delivery["applied_at"] is not None
    first, second = delivery["attempts"]
    assert (first["number"], first["succeeded"], first["status"], first["reason"], first["reply"]) == (
        1,
        False,
        503,
        "host: It answered 503.",
        "upstream is down",
    )
    assert (second["number"], second["succeeded"], second["status"], second["reason"]) == (2, True, 200, None)
    assert 0 < first["duration_ms"] < 5_000
    assert first["started_at"] < second["started_at"]


@pytest.mark.parametrize("event_id", [NOT_OURS, "evt_1", "out_" + "x" * 500])
async def test_an_event_that_is_not_there_is_not_found(kit: TestKit, event_id: str):
    reply = await (await server(kit, "events:read")).get(f"/api/events/{event_id}")
    assert (reply.status_code, reply.json()["code"]) == (404, "event_unknown")


async def test_only_a_server_of_ours_may_look(small_kit: TestKit):
    await emit(small_kit, ALICE)
    (event,) = await events_of(small_kit)
    path = f"/api/events/{event['id']}"
    assert (await small_kit.new_browser().get(path)).status_code == 401
    refused = await (await server(small_kit, "events:apply")).get(path)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    alice = await small_kit.sign_in("alice@example.com")
    assert (await alice.get(path)).status_code == 401
