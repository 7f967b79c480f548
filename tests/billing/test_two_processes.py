"""Two servers on one database: whichever of them is told, and however often at once, everything happens once."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.hostile.gate import SECRET, environment_for
from tests.identity.rows import rows_of
from tests.support.processes import Process
from tollhouse.access import api_keys
from tollhouse.billing.catalogue_sync import push
from tollhouse.billing.tables import payments, stripe_events
from tollhouse.ledger.tables import entries, lots
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.serving import serving
from tollhouse.testing import SignedInClient, TestKit
from tollhouse.testing.kit_settings import STRIPE

from .posting import PATH, sign
from .shop import PRODUCTS, balance_of, begun, open_shop, pay

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]

DELIVERIES = 50
EACH = 8  # of every way by which one payment comes to be known
SPENDERS = 20
CREDITS = 10


@dataclass
class Two:
    """Both servers, and a third of the test's own on the same database to see what they have done."""

    clients: list[httpx.AsyncClient]
    kit: TestKit
    alice: SignedInClient

    async def deliver(self, events: Iterable[dict[str, Any]]) -> list[httpx.Response]:
        """Post them all at once, in turns to one and the other."""
        secret = self.kit.toll.settings.stripe_webhook_secrets[0]
        bodies = [json.dumps(event).encode() for event in events]
        return await asyncio.gather(
            *(
                client.post(PATH, content=body, headers={"stripe-signature": sign(body, secret)})
                for client, body in zip(itertools.cycle(self.clients), bodies, strict=False)
            )
        )

    async def paid(self, price: str) -> str:
        """The session of a purchase that is paid at Stripe, and that nobody has heard of."""
        session_id = (await begun(self.alice, price))["checkout_session_id"]
        await pay(self.kit, session_id)
        return session_id

    async def told(self, event_type: str) -> dict[str, Any]:
        """The newest event of a type that Stripe has."""
        async with self.kit.stripe.client() as client:
            found = await client.get("/v1/events", params={"type": event_type, "limit": 1})
            return found.raise_for_status().json()["data"][0]


@pytest.fixture
async def two(migrated_database_url: str, spawn_tollhouse: Callable[..., Process]) -> AsyncIterator[Two]:
    sandbox = Sandbox()
    async with AsyncExitStack() as stack:
        given = STRIPE | {"stripe_api_base": await stack.enter_async_context(serving(sandbox))}
        environment = environment_for(
            migrated_database_url, smtp_port=9, url="http://localhost:9000", products=json.dumps(PRODUCTS), **given
        )
        started = [spawn_tollhouse("serve", "--port", "{port}", env=environment) for _ in range(2)]
        kit = await stack.enter_async_context(open_shop(migrated_database_url, secret=SECRET, stripe=sandbox))
        await push(kit.toll.till)
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=each.url, trust_env=False, timeout=30))
            for each in [await server.answers() for server in started]
        ]
        yield Two(clients, kit, await kit.sign_in("alice@example.com"))


async def test_two_servers_count_money_and_credits_once(two: Two) -> None:
    await check_one_event_often(two)
    await check_three_ways_at_once(two)
    await check_spenders(two)


async def check_one_event_often(two: Two) -> None:
    await two.paid("pack-100")
    event = await two.told("checkout.session.completed")
    replies = await two.deliver([event] * DELIVERIES)
    said = Counter((reply.status_code, reply.json()["status"]) for reply in replies)
    assert said == {(200, "processed"): 1, (200, "duplicate"): DELIVERIES - 1}
    assert len(await rows_of(two.kit, payments)) == len(await rows_of(two.kit, lots)) == 1
    assert [row["id"] for row in await rows_of(two.kit, stripe_events)] == [event["id"]]
    assert (await balance_of(two.kit, two.alice)).balance == 100


async def check_three_ways_at_once(two: Two) -> None:
    """The session's event, the invoice's and the buyer who comes back."""
    session_id = await two.paid("pro-monthly")
    events = [await two.told("checkout.session.completed"), await two.told("invoice.paid")]
    look = f"/billing/return/status?checkout_session_id={session_id}"
    looks = (client.get(look) for client in two.clients * (EACH // 2))
    replies, seen = await asyncio.gather(two.deliver(events * EACH), asyncio.gather(*looks))
    assert {reply.status_code for reply in replies} == {200}
    assert Counter(reply.json()["status"] for reply in replies)["duplicate"] == (EACH - 1) * len(events)
    assert {reply.json()["status"] for reply in seen} == {"paid"}
    await two.kit.settle()
    assert len(await rows_of(two.kit, payments)) == len(await rows_of(two.kit, lots)) == 2
    assert [row["kind"] for row in await rows_of(two.kit, entries)] == ["grant", "grant"]
    assert (await balance_of(two.kit, two.alice)).balance == 200


async def check_spenders(two: Two) -> None:
    bob = await two.kit.sign_in("bob@example.com")
    _, secret = await api_keys.create(two.kit.toll.run, name="app", scopes=["credits:grant", "credits:spend"])
    headers = {"authorization": f"Bearer {secret}"}
    path = f"/api/users/{bob.user_id}/credits"
    given = await two.clients[0].post(f"{path}/grants", json={"credits": CREDITS}, headers=headers)
    assert given.status_code == 201, given.text
    spends = (
        client.post(f"{path}/spends", json={"credits": 1}, headers=headers) for client in two.clients * (SPENDERS // 2)
    )
    replies = await asyncio.gather(*spends)
    assert Counter(reply.status_code for reply in replies) == {201: CREDITS, 402: SPENDERS - CREDITS}
    assert {reply.json().get("code") for reply in replies} == {None, "credits_insufficient"}
    assert (await balance_of(two.kit, bob)).available == 0
