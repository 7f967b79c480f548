"""Two servers on one database: keys are rotated and sessions ended in the middle of load."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import httpx
import pytest

from tests.access.conftest import bearer
from tests.hostile.gate import SECRET, Mailbox, ask, environment_for, redeem
from tests.support.processes import Process
from tollhouse.access import signing_keys
from tollhouse.testing import TestKit

URL = "http://localhost:9000"  # what both of them are called by the proxy that stands before them
AHEAD_SECONDS = 3
REVOKED_SECONDS_MAX = 5.0
PEOPLE = 4

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]


@dataclass
class Two:
    """Both servers, a kit on their database, and people who are signed in."""

    clients: list[httpx.AsyncClient]
    kit: TestKit
    cookies: list[str]

    def one(self) -> httpx.AsyncClient:
        return random.choice(self.clients)

    async def token(self, person: int = 0) -> str:
        reply = await self.one().post("/auth/token", headers={"cookie": self.cookies[person]})
        assert reply.status_code == 200, reply.text
        return reply.json()["access_token"]


@pytest.fixture
async def two(migrated_database_url: str, spawn_tollhouse: Callable[..., Process]) -> AsyncIterator[Two]:
    with Mailbox() as mailbox:
        environment = environment_for(migrated_database_url, smtp_port=mailbox.port, url=URL)
        started = [spawn_tollhouse("serve", "--port", "{port}", env=environment) for _ in range(2)]
        clients = [httpx.AsyncClient(base_url=(await server.answers()).url, trust_env=False) for server in started]
        cookies = [
            await sign_in(clients[0].base_url, mailbox, f"person{number}@example.com") for number in range(PEOPLE)
        ]
        async with TestKit(database_url=migrated_database_url, secret=SECRET) as kit:
            yield Two(clients, kit, cookies)
        for client in clients:
            await client.aclose()


async def sign_in(url: httpx.URL, mailbox: Mailbox, address: str) -> str:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as browser:
        assert (await ask(browser, address)).status_code == 202
        (letter,) = await mailbox.wait_for(address)
        assert (await redeem(browser, letter.token)).status_code == 200
        return f"tollhouse={browser.cookies['tollhouse']}"


def kid_of(token: str) -> str:
    return json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))["kid"]


async def refused(client: httpx.AsyncClient, token: str) -> bool:
    return (await client.get("/auth/whoami", headers=bearer(token))).status_code == 401


async def seconds_until(done: Callable[[], Awaitable[bool]]) -> float:
    began = time.monotonic()
    for _ in range(100):
        if await done():
            return time.monotonic() - began
        await asyncio.sleep(0.1)
    raise AssertionError("never")


async def test_a_rotation_under_load_fails_no_request_on_any_replica(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in production, but that the new key waits three seconds for its first signature and not an hour."""
    monkeypatch.setattr(signing_keys, "PUBLISHED_AHEAD_US", AHEAD_SECONDS * 1_000_000)
    statuses, kids = Counter[int](), list[str]()
    first = kid_of(await two.token())
    stop_at = time.monotonic() + AHEAD_SECONDS + 1.5

    async def load(person: int) -> None:
        while time.monotonic() < stop_at:
            token = await two.token(person)
            kids.append(kid_of(token))
            for client in two.clients:
                statuses[(await client.get("/auth/whoami", headers=bearer(token))).status_code] += 1
            statuses[(await two.one().get("/.well-known/jwks.json")).status_code] += 1

    running = [asyncio.create_task(load(person)) for person in range(PEOPLE)]
    await asyncio.sleep(0.5)
    newest = (await two.kit.toll.access.keys.rotate())[0]
    await asyncio.gather(*running)
    assert set(statuses) == {200}
    assert sum(statuses.values()) > 20, "there was a load at all"
    assert set(kids) == {first, newest.id}
    assert kids[-1] == newest.id


async def test_a_cookie_is_refused_with_the_next_request_and_a_remembered_token_within_five_seconds(two: Two) -> None:
    tokens = [await two.token(person) for person in range(PEOPLE)]
    here, there = two.clients

    async def statuses() -> list[int]:
        return [(await there.get("/auth/whoami", headers=bearer(token))).status_code for token in tokens]

    assert await statuses() == [200] * PEOPLE
    assert (await here.post("/auth/sign-out", headers={"cookie": two.cookies[0]})).status_code == 204
    assert (await there.get("/auth/session", headers={"cookie": two.cookies[0]})).status_code == 401
    assert (await there.post("/auth/token", headers={"cookie": two.cookies[0]})).status_code == 401
    assert await seconds_until(lambda: refused(there, tokens[0])) < REVOKED_SECONDS_MAX
    assert await statuses() == [401, *[200] * (PEOPLE - 1)]


async def test_a_compromised_key_is_refused_everywhere_within_five_seconds(two: Two) -> None:
    old = await two.token()
    assert {(await client.get("/auth/whoami", headers=bearer(old))).status_code for client in two.clients} == {200}
    await two.kit.toll.access.keys.rotate(compromised=True)
    waited = [await seconds_until(lambda client=client: refused(client, old)) for client in two.clients]
    assert sum(waited) < REVOKED_SECONDS_MAX
    new = await two.token()
    assert {(await client.get("/auth/whoami", headers=bearer(new))).status_code for client in two.clients} == {200}


async def test_servers_that_start_together_publish_one_set_of_keys(two: Two) -> None:
    replies = await asyncio.gather(*(client.get("/.well-known/jwks.json") for client in two.clients * 10))
    published = {tuple(sorted(key["kid"] for key in reply.json()["keys"])) for reply in replies}
    assert len(published) == 1
    assert len(published.pop()) == 2
