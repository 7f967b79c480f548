"""What happens reaches the app: signed, as the contract says, in order, and once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator

import jsonschema_rs
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.billing.shop import bought, open_shop
from tests.endpoints.receiver import OK, SECRET, Answer, Arrival, Receiver
from tests.endpoints.rig import DAY, declare, emit, events_of, open_house, server, told, tried
from tollhouse.endpoints.bodies import iso_us
from tollhouse.events.schemas import document
from tollhouse.testing import TestKit

USERS, EACH = 12, 8


@pytest.fixture
async def shop(migrated_database_url: str, receiver: Receiver) -> AsyncIterator[TestKit]:
    """A shop that tells the app everything."""
    async with open_shop(migrated_database_url, endpoints=[declare(receiver)]) as running:
        yield running


async def live(kit: TestKit) -> str:
    """Alice signs in, pays, is given credits and spends some; returns her id."""
    alice = await kit.sign_in("alice@example.com")
    await bought(kit, alice)
    app = await server(kit, "credits:grant", "credits:spend")
    path = f"/api/users/{alice.user_id}/credits"
    (await app.post(f"{path}/grants", json={"credits": 3, "reference": "gift"})).raise_for_status()
    (await app.post(f"{path}/spends", json={"credits": 2, "reference": "render"})).raise_for_status()
    await kit.settle()
    return alice.user_id


async def test_what_alice_does_arrives_signed_and_as_the_contract_says(shop: TestKit, receiver: Receiver):
    user_id = await live(shop)
    assert Counter(receiver.types) == {
        **dict.fromkeys(("user.created", "user.signed_in", "checkout.completed", "payment.succeeded"), 1),
        "credits.granted": 2,
        "credits.spent": 1,
    }
    contract = jsonschema_rs.Draft202012Validator(document(is_strict=True))
    kept = {row["id"]: row for row in await events_of(shop)}
    for sequence, arrival in enumerate(receiver.arrivals, 1):
        event = Webhook(SECRET).verify(arrival.body, arrival.headers)
        contract.validate(event)
        assert (event["sequence"], event["data"]["user_id"]) == (sequence, user_id)
        assert event["created_at"] == iso_us(kept[event["id"]]["created_at"])
        assert arrival.headers["webhook-id"] == event["id"]
        assert arrival.headers["content-type"] == "application/json"
        assert b"alice@" not in arrival.body
    assert {row["status"] for row in await told(shop)} == {"delivered"}
    assert {(row["number"], row["succeeded"], row["status"]) for row in await tried(shop)} == {(1, 1, 200)}


async def test_a_signature_holds_for_nothing_else(small_kit: TestKit, receiver: Receiver):
    await emit(small_kit, "usr_alice")
    (arrival,) = await receiver.until(1)
    for body, headers in (
        (arrival.body.replace(b"usr_alice", b"usr_mallo"), arrival.headers),
        (arrival.body, arrival.headers | {"webhook-id": "out_other"}),
        (arrival.body, arrival.headers | {"webhook-timestamp": "1700000000"}),
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "C2FVsBQIhrscChlQIMV+b5sSYspob7oD").verify(arrival.body, arrival.headers)


async def test_an_app_can_check_what_it_gets_while_our_clock_is_turned(small_kit: TestKit, receiver: Receiver):
    small_kit.clock.advance(3 * DAY)
    await emit(small_kit, "usr_alice")
    (arrival,) = await receiver.until(1)
    assert Webhook(SECRET).verify(arrival.body, arrival.headers)["data"] == {"user_id": "usr_alice"}


async def test_an_endpoint_gets_the_types_it_wants_and_no_others(migrated_database_url: str, receiver: Receiver):
    wanted = declare(receiver, event_types=["credits.low", "user.signed_in"])
    async with open_house(migrated_database_url, wanted) as kit:
        alice = await kit.sign_in("alice@example.com")
        for kind in ("credits.spent", "credits.low", "credits.granted"):
            await emit(kit, alice.user_id, kind=kind)
        await kit.settle()
        assert receiver.types == ["user.signed_in", "credits.low"]
        assert len(await told(kit)) == 2


async def test_each_users_events_arrive_in_order_and_once_however_long_answers_take(kit: TestKit, receiver: Receiver):
    dice = random.Random(7)
    under_way: list[str] = []
    seen_at_once: list[list[str]] = []

    async def answer(arrival: Arrival) -> Answer:
        under_way.append(arrival.user)
        seen_at_once.append(sorted(under_way))
        await asyncio.sleep(dice.random() * 0.01)
        under_way.remove(arrival.user)
        return OK

    receiver.decide = answer
    users = [f"usr_{n}" for n in range(USERS)]
    await asyncio.gather(*(emit(kit, *[user] * EACH) for user in users))
    await receiver.until(USERS * EACH)
    await kit.settle()
    assert len(receiver.ids) == len(set(receiver.ids)) == USERS * EACH
    assert max(map(len, seen_at_once)) > 1, "users wait for each other"
    assert all(len(users) == len(set(users)) for users in seen_at_once), "two of one user at once"
    seen: defaultdict[str, list[int]] = defaultdict(list)
    for arrival in receiver.arrivals:
        seen[arrival.user].append(arrival.event["sequence"])
    assert seen == {user: list(range(1, EACH + 1)) for user in users}
