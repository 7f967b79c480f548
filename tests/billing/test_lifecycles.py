"""What customers go through at Stripe, told by its webhooks: renewals that fail, other plans, and news that is late."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.identity.rows import rows_of
from tollhouse.billing import entitlements, subscriptions
from tollhouse.billing.tables import payments, purchases
from tollhouse.clock import DAY, SECOND
from tollhouse.ledger.tables import lots
from tollhouse.testing import SignedInClient, TestKit

from .posting import posted
from .shop import arrived, balance_of, begun, bought, open_shop, pay, session_of

pytestmark = pytest.mark.slow

DAY_SECONDS = DAY // SECOND
GRACE_DAYS = 7
AT_ONCE = 10
HTML = {"accept": "text/html"}
CARD = "4242424242424242"


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    async with open_shop(migrated_database_url) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    return await kit.sign_in("alice@example.com")


async def wait(kit: TestKit, days: float) -> None:
    """Let days go by, at Stripe and here."""
    await kit.stripe.control("/clock/advance", seconds=int(days * DAY_SECONDS))
    await arrived(kit)


async def billing_page(kit: TestKit) -> str:
    """What Alice sees, who has to sign in again after a month."""
    alice = await kit.sign_in("alice@example.com")
    return (await alice.get("/account/billing", headers=HTML)).text


async def available(kit: TestKit) -> int:
    """What Alice can spend, be it written down yet or not that credits have expired."""
    alice = await kit.sign_in("alice@example.com")
    return (await alice.get("/credits")).raise_for_status().json()["available"]


async def send_webhooks(kit: TestKit, *, are_sent: bool) -> None:
    """Have Stripe send what happens from now on, or keep it to itself."""
    async with kit.stripe.client() as client:
        (endpoint,) = (await client.get("/v1/webhook_endpoints")).json()["data"]
        data = {"disabled": "false" if are_sent else "true"}
        (await client.post(f"/v1/webhook_endpoints/{endpoint['id']}", data=data)).raise_for_status()


async def subscribed(kit: TestKit, alice: SignedInClient, price: str = "pro-monthly") -> str:
    session = await session_of(kit, (await bought(kit, alice, price))["checkout_session_id"])
    return session["subscription"]


async def test_a_renewal_that_fails_has_its_grace_and_is_made_good(kit: TestKit, alice: SignedInClient) -> None:
    subscription_id = await subscribed(kit, alice)
    await kit.stripe.control(f"/subscriptions/{subscription_id}/fail_next_payment")
    await wait(kit, 31.1)
    features = {"exports", "long-history"}
    assert "The last payment did not go through" in await billing_page(kit)
    assert await entitlements.features_of(kit.toll.till, alice.user_id) == features, "there are days of grace"
    (row,) = await subscriptions.living(kit.toll.run, alice.user_id, 0)
    assert row.status == "past_due"
    await wait(kit, GRACE_DAYS)
    assert await entitlements.features_of(kit.toll.till, alice.user_id) == frozenset()
    assert await available(kit) == 0
    await kit.stripe.control(f"/subscriptions/{subscription_id}/card", card=CARD)
    await wait(kit, 8)
    assert "Renews on" in await billing_page(kit)
    assert await entitlements.features_of(kit.toll.till, alice.user_id) == features
    assert await available(kit) == 100
    assert len(await rows_of(kit, payments)) == 2


async def test_a_plan_changed_at_stripe_is_changed_here(kit: TestKit, alice: SignedInClient) -> None:
    subscription_id = await subscribed(kit, alice)
    async with kit.stripe.client() as client:
        path = f"/v1/subscriptions/{subscription_id}"
        item = (await client.get(path)).json()["items"]["data"][0]["id"]
        (price,) = (await client.get("/v1/prices", params={"lookup_keys[]": "pro-yearly"})).json()["data"]
        changed = {"items[0][id]": item, "items[0][price]": price["id"], "proration_behavior": "always_invoice"}
        (await client.post(path, data=changed)).raise_for_status()
    await arrived(kit)
    (row,) = await subscriptions.living(kit.toll.run, alice.user_id, 0)
    assert (row.price_id, row.status) == ("pro-yearly", "active")
    assert "€90.00 / year" in await billing_page(kit)
    assert len(await rows_of(kit, payments)) == 2


async def test_up_and_down_in_turns_brings_no_credits_for_nothing(kit: TestKit, alice: SignedInClient) -> None:
    path = f"/v1/subscriptions/{await subscribed(kit, alice)}"
    async with kit.stripe.client() as client:
        item = (await client.get(path)).json()["items"]["data"][0]["id"]
        for quantity in (5, 1, 5, 1, 5):
            changed = {"items[0][id]": item, "items[0][quantity]": quantity, "proration_behavior": "always_invoice"}
            (await client.post(path, data=changed)).raise_for_status()
            await arrived(kit)
    assert await available(kit) == 500, "five seats were paid once"


async def live(kit: TestKit, buyer: SignedInClient) -> None:
    """Buy credits, of which some go back, and a plan."""
    pack = await begun(buyer)
    await pay(kit, pack["checkout_session_id"])
    await pay(kit, (await begun(buyer, "pro-monthly"))["checkout_session_id"])
    intent = (await session_of(kit, pack["checkout_session_id"]))["payment_intent"]
    await kit.stripe.control("/refunds", payment_intent=intent, amount=200)


async def state_of(kit: TestKit, buyer: SignedInClient) -> dict[str, Any]:
    """All that matters in the end."""
    wanted = {
        purchases: ("price_id", "status", "amount_minor"),
        payments: ("price_id", "amount_minor", "credits", "reversed_minor", "reversed_credits"),
        lots: ("kind", "granted", "remaining"),
    }
    state: dict[str, Any] = {}
    for table, names in wanted.items():
        rows = [row for row in await rows_of(kit, table) if row["user_id"] == buyer.user_id]
        state[table.name] = sorted(tuple(row[name] for name in names) for row in rows)
    balance = await balance_of(kit, buyer)
    living = await subscriptions.living(kit.toll.run, buyer.user_id, 0)
    state["balance"] = (balance.balance, balance.held, balance.debt)
    state["subscriptions"] = [(each.price_id, each.status) for each in living]
    return state


async def events_at_stripe(kit: TestKit) -> list[dict[str, Any]]:
    async with kit.stripe.client() as client:
        return (await client.get("/v1/events", params={"limit": 100})).raise_for_status().json()["data"]


async def test_news_of_three_days_ago_ten_times_and_shuffled_end_the_same(kit: TestKit, alice: SignedInClient) -> None:
    await live(kit, alice)
    await arrived(kit)
    known = {event["id"] for event in await events_at_stripe(kit)}
    bob = await kit.sign_in("bob@example.com")
    await send_webhooks(kit, are_sent=False)
    await live(kit, bob)
    await arrived(kit)
    late = [event for event in await events_at_stripe(kit) if event["id"] not in known]
    assert {"checkout.session.completed", "invoice.paid", "refund.created"} <= {event["type"] for event in late}
    assert await state_of(kit, bob) != await state_of(kit, alice)
    await wait(kit, 3)
    await send_webhooks(kit, are_sent=True)
    often = late * 10
    random.Random(5).shuffle(often)
    for start in range(0, len(often), AT_ONCE):
        await asyncio.gather(*(posted(kit, event) for event in often[start : start + AT_ONCE]))
    await arrived(kit)
    assert await state_of(kit, bob) == await state_of(kit, alice)
