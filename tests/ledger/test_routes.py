"""The caller's own credits, and those that your servers ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.hostile.gate import environment_for
from tests.ledger.rig import COUNT_USERS
from tests.support.processes import Process
from tollhouse import Tollhouse
from tollhouse.access import api_keys
from tollhouse.testing import SignedInClient, TestKit
from tollhouse.testing.kit_settings import make_settings

NOBODY = "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"
FOREIGN = "https://clerk.example.com/tenant#user_1"
ALL = ("credits:read", "credits:grant", "credits:spend")


async def server(kit: TestKit, *scopes: str) -> httpx.AsyncClient:
    _, secret = await api_keys.create(kit.toll.run, name="app", scopes=scopes or ALL)
    browser = kit.new_browser()
    browser.headers["authorization"] = f"Bearer {secret}"
    return browser


@pytest.fixture
async def app(kit: TestKit) -> httpx.AsyncClient:
    """A server of ours with every scope."""
    return await server(kit)


def path_of(user: str, rest: str = "") -> str:
    return f"/api/users/{quote(user, safe='')}/credits{rest}"


async def granted(app: httpx.AsyncClient, user: str, credits: int, **more: Any) -> dict[str, Any]:
    reply = await app.post(path_of(user, "/grants"), json={"credits": credits, **more})
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_who_has_no_credits_sees_zeros(alice: SignedInClient):
    reply = await alice.get("/credits")
    assert reply.json() == {"balance": 0, "held": 0, "available": 0, "debt": 0, "lots": []}
    assert (await alice.get("/credits/entries")).json() == {"entries": [], "next_cursor": None}


async def test_nobody_sees_credits_without_a_session_or_token(kit: TestKit):
    for path in ("/credits", "/credits/entries"):
        assert (await kit.new_browser().get(path)).status_code == 401


async def test_what_was_granted_spent_and_held_is_shown(kit: TestKit, app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 100, reference="welcome", expires_at="2199-01-31T12:00:00Z")
    spent = await app.post(path_of(alice.user_id, "/spends"), json={"credits": 30, "reference": "image-42"})
    assert (spent.status_code, spent.json()["balance"]) == (201, 70)
    await app.post(path_of(alice.user_id, "/holds"), json={"credits": 5})
    shown = (await alice.get("/credits")).json()
    (lot,) = shown.pop("lots")
    assert shown == {"balance": 70, "held": 5, "available": 65, "debt": 0}
    assert (lot["granted"], lot["remaining"], lot["held"]) == (100, 70, 5)
    assert lot["expires_at"] == "2199-01-31T12:00:00Z"
    assert (await app.get(path_of(alice.user_id))).json() == shown | {"lots": [lot]}
    entries = (await alice.get("/credits/entries")).json()["entries"]
    assert [(entry["number"], entry["kind"], entry["credits"], entry["reference"]) for entry in entries] == [
        (2, "spend", -30, "image-42"),
        (1, "grant", 100, "welcome"),
    ]


async def test_pages_of_entries_show_each_once(app: httpx.AsyncClient, alice: SignedInClient):
    for credits in (1, 2, 3):
        await granted(app, alice.user_id, credits)
    first = (await alice.get("/credits/entries", params={"limit": 2})).json()
    rest = (await alice.get("/credits/entries", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [entry["credits"] for entry in first["entries"] + rest["entries"]] == [3, 2, 1]
    assert rest["next_cursor"] is None


async def test_a_page_that_is_none_is_refused(alice: SignedInClient):
    for query in ("limit=0", "limit=101", "limit=x", "cursor=x", "cursor=-1", "limit=", "cursor=٣"):
        reply = await alice.get(f"/credits/entries?{query}")
        assert (reply.status_code, reply.json()["code"]) == (422, "body_invalid"), query


async def test_mallory_sees_nothing_of_alice(kit: TestKit, app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 100)
    mallory = await kit.sign_in("mallory@example.com")
    assert (await mallory.get("/credits")).json()["balance"] == 0
    assert (await mallory.get("/credits/entries")).json()["entries"] == []
    for method, path in (("GET", path_of(alice.user_id)), ("POST", path_of(mallory.user_id, "/grants"))):
        assert (await mallory.request(method, path, json={"credits": 5})).status_code == 401


async def test_too_few_credits_say_how_many_there_are(app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 2)
    for path in ("/spends", "/holds"):
        reply = await app.post(path_of(alice.user_id, path), json={"credits": 3})
        assert reply.status_code == 402
        problem = reply.json()
        assert (problem["code"], problem["available"], problem["requested"]) == ("credits_insufficient", 2, 3)


async def test_each_key_may_do_what_its_scopes_say(kit: TestKit, alice: SignedInClient):
    for rest, scope in (("", "credits:read"), ("/grants", "credits:grant"), ("/spends", "credits:spend")):
        others = [each for each in ALL if each != scope]
        for client, expected in ((await server(kit, *others), {403}), (await server(kit, scope), {200, 201, 402})):
            path = path_of(alice.user_id, rest)
            reply = await (client.post(path, json={"credits": 1}) if rest else client.get(path))
            assert reply.status_code in expected, (rest, scope)


BODIES: list[dict[str, Any]] = [
    {},
    {"credits": 0},
    {"credits": True},
    {"credits": 1.0},
    {"credits": "1"},
    {"credits": [1]},
    {"credits": 10**12 + 1},
    {"credits": 1, "user_id": NOBODY},
    {"credits": 1, "reference": 5},
    {"credits": 1, "reference": "a\nb"},
    {"credits": 1, "reference": "a\0"},
    {"credits": 1, "reference": "x" * 201},
    {"credits": 1, "x" * 500: 1},
]


async def test_what_is_no_wish_is_refused_and_changes_nothing(app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 10)
    for body in BODIES:
        for rest in ("/grants", "/spends", "/holds"):
            reply = await app.post(path_of(alice.user_id, rest), json=body)
            assert reply.status_code == 422, (rest, body)
            assert reply.json()["code"] in ("body_invalid", "credits_invalid")
    assert (await app.get(path_of(alice.user_id))).json()["available"] == 10


async def test_a_time_that_is_none_or_has_passed_is_refused(app: httpx.AsyncClient, alice: SignedInClient):
    beyond = "9999-12-31T23:59:59-23:59"  # year 10000 at Greenwich
    for expires_at in ("tomorrow", 5, "2026-01-01T00:00:00", "2001-01-01T00:00:00Z", "", beyond):
        reply = await app.post(path_of(alice.user_id, "/grants"), json={"credits": 1, "expires_at": expires_at})
        assert (reply.status_code, reply.json()["field"]) == (422, "expires_at"), expires_at


async def test_a_hold_is_captured_in_part_and_ends(app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 10)
    placed = (await app.post(path_of(alice.user_id, "/holds"), json={"credits": 5, "lifetime_seconds": 60})).json()
    too_many = await app.post(f"/api/credits/holds/{placed['hold_id']}/capture", json={"credits": 6})
    assert too_many.json()["code"] == "credits_invalid"
    captured = await app.post(f"/api/credits/holds/{placed['hold_id']}/capture", json={"credits": 2})
    assert (captured.status_code, captured.json()["status"], captured.json()["captured"]) == (200, "captured", 2)
    for verb in ("capture", "release"):
        again = await app.post(f"/api/credits/holds/{placed['hold_id']}/{verb}")
        assert (again.status_code, again.json()["code"]) == (409, "hold_ended")
    assert (await app.get(path_of(alice.user_id))).json()["available"] == 8


async def test_a_released_hold_gives_everything_back(app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 10)
    placed = (await app.post(path_of(alice.user_id, "/holds"), json={"credits": 5})).json()
    released = await app.post(f"/api/credits/holds/{placed['hold_id']}/release")
    assert (released.status_code, released.json()["status"]) == (200, "released")
    assert (await app.get(path_of(alice.user_id))).json()["available"] == 10


async def test_a_hold_that_never_was_is_unknown(app: httpx.AsyncClient):
    for name in ("hld_none", "hld_" + 32 * "0", "usr_1"):
        reply = await app.post(f"/api/credits/holds/{name}/release")
        assert (reply.status_code, reply.json()["code"]) == (404, "hold_unknown")


async def test_who_is_nobody_is_unknown(kit: TestKit, app: httpx.AsyncClient):
    for user in (NOBODY, "alice", "usr_", "clerk#user_1", "https://x.example#", "#"):
        replies = [await app.get(path_of(user))]
        replies += [
            await app.post(path_of(user, rest), json={"credits": 1}) for rest in ("/grants", "/spends", "/holds")
        ]
        assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(404, "user_unknown")}, user
    assert await kit.toll.run.db.fetch_one(COUNT_USERS) == 0


async def test_a_foreign_user_has_nothing_until_something_is_written(kit: TestKit, app: httpx.AsyncClient):
    assert (await app.get(path_of(FOREIGN))).json()["balance"] == 0
    assert (await app.post(path_of(FOREIGN, "/spends"), json={"credits": 1})).status_code == 402
    assert await kit.toll.run.db.fetch_one(COUNT_USERS) == 0
    first, second = await granted(app, FOREIGN, 5), await granted(app, FOREIGN, 5)
    assert first["user_id"] == second["user_id"]
    assert (await app.get(path_of(FOREIGN))).json() == (await app.get(path_of(first["user_id"]))).json()
    assert await kit.toll.run.db.fetch_one(COUNT_USERS) == 1


async def test_a_key_gets_the_same_reply_for_ever(kit: TestKit, app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 10)
    path, keyed = path_of(alice.user_id, "/spends"), {"idempotency-key": "image-42"}
    replies = []
    for _ in range(3):
        replies.append(await app.post(path, json={"credits": 3}, headers=keyed))
        kit.clock.advance(400 * 86_400)
    assert {(reply.status_code, reply.text) for reply in replies} == {(201, replies[0].text)}
    assert (await app.get(path_of(alice.user_id))).json()["available"] == 7


async def test_a_key_for_another_wish_is_a_conflict(app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 10)
    path, keyed = path_of(alice.user_id, "/spends"), {"idempotency-key": "image-42"}
    await app.post(path, json={"credits": 3}, headers=keyed)
    for body in ({"credits": 4}, {"credits": 3, "reference": "other"}):
        reply = await app.post(path, json=body, headers=keyed)
        assert (reply.status_code, reply.json()["code"]) == (409, "idempotency_conflict")


async def test_keys_of_other_users_routes_and_callers_are_other_keys(
    kit: TestKit, app: httpx.AsyncClient, alice: SignedInClient
):
    bob = await kit.sign_in("bob@example.com")
    keyed = {"idempotency-key": "1"}
    for client, user in ((app, alice), (app, bob), (await server(kit), alice)):
        reply = await client.post(path_of(user.user_id, "/grants"), json={"credits": 3}, headers=keyed)
        assert reply.status_code == 201
    reply = await app.post(path_of(alice.user_id, "/spends"), json={"credits": 1}, headers=keyed)
    assert reply.status_code == 201
    assert (await app.get(path_of(alice.user_id))).json()["available"] == 5


async def test_a_failure_is_not_kept(app: httpx.AsyncClient, alice: SignedInClient):
    keyed, path = {"idempotency-key": "image-42"}, path_of(alice.user_id, "/spends")
    assert (await app.post(path, json={"credits": 3}, headers=keyed)).status_code == 402
    await granted(app, alice.user_id, 3)
    assert (await app.post(path, json={"credits": 3}, headers=keyed)).status_code == 201


async def test_a_key_that_is_none_is_refused(app: httpx.AsyncClient, alice: SignedInClient):
    for key in (b"", b"x" * 256, b"\xe9", b"a\tb"):
        headers = {b"idempotency-key": key}
        reply = await app.post(path_of(alice.user_id, "/grants"), json={"credits": 1}, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_invalid"), key


async def test_holds_are_ended_once_under_a_key(app: httpx.AsyncClient, alice: SignedInClient):
    await granted(app, alice.user_id, 10)
    placed = (await app.post(path_of(alice.user_id, "/holds"), json={"credits": 5})).json()
    path = f"/api/credits/holds/{placed['hold_id']}/capture"
    replies = [await app.post(path, json={}, headers={"idempotency-key": "done"}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert replies[0].json() == replies[1].json()


@pytest.mark.slow
@pytest.mark.unmeasured
async def test_an_issuers_slashes_come_through_a_real_server(
    migrated_database_url: str, spawn_tollhouse: Callable[..., Process]
):
    environment = environment_for(migrated_database_url, smtp_port=25, log_format="console")
    started = await spawn_tollhouse("serve", "--port", "{port}", env=environment).answers()
    settings = make_settings(database_url=migrated_database_url, secret=environment["TOLLHOUSE_SECRET"])
    async with Tollhouse(settings).opened() as run:
        _, secret = await api_keys.create(run, name="app", scopes=ALL)
    async with httpx.AsyncClient(base_url=started.url, headers={"authorization": f"Bearer {secret}"}) as client:
        first = await granted(client, FOREIGN, 5)
        spent = await client.post(path_of(FOREIGN, "/spends"), json={"credits": 2})
        assert (spent.json()["user_id"], spent.json()["balance"]) == (first["user_id"], 3)
        assert (await client.get(path_of(FOREIGN))).json()["available"] == 3
