"""Whoever is erased pays nothing any more; while Stripe cannot be told, nobody is erased."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.billing.shop import arrived, begun, bought, break_stripe, hold_webhooks_back, mend_stripe, pay, sessions_of
from tests.identity.rows import rows_of, run_sql
from tollhouse.billing import customers, erasing
from tollhouse.billing.errors import StripeUnavailable
from tollhouse.billing.tables import subscriptions
from tollhouse.events.tables import events
from tollhouse.identity import users
from tollhouse.identity.tables import users as users_table
from tollhouse.testing import SignedInClient, TestKit


async def delete_account(client: SignedInClient) -> httpx.Response:
    return await client.post("/account/delete", data={"confirm": "yes"}, headers={"accept": "text/html"})


async def at_stripe(kit: TestKit) -> list[str]:
    async with kit.stripe.client() as client:
        found = (await client.get("/v1/subscriptions", params={"status": "all"})).raise_for_status().json()
    return [each["status"] for each in found["data"]]


async def users_left(kit: TestKit) -> list[dict[str, Any]]:
    return await rows_of(kit, users_table)


async def test_deleting_the_account_on_its_page_ends_the_subscription_at_once(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    reply = await delete_account(alice)
    assert reply.status_code == 200
    assert await at_stripe(kit) == ["canceled"]
    assert await users_left(kit) == []
    await arrived(kit)
    assert [row["status"] for row in await rows_of(kit, subscriptions)] == ["canceled"]
    types = [row["type"] for row in await rows_of(kit, events)]
    assert types.count("user.erased") == types.count("subscription.ended") == 1


async def test_a_subscription_that_no_event_has_told_of_ends_too(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    await bought(kit, alice, "pro-monthly")
    assert await users.erase(kit.toll.run, alice.user_id)
    assert await at_stripe(kit) == ["canceled"]


async def test_open_pages_are_closed_so_that_nobody_pays_for_nothing(kit: TestKit, alice: SignedInClient):
    await begun(alice)
    await begun(alice, "pro-monthly")
    assert await users.erase(kit.toll.run, alice.user_id)
    assert [session["status"] for session in await sessions_of(kit)] == ["expired", "expired"]


async def test_what_others_pay_for_goes_on(kit: TestKit, alice: SignedInClient):
    bob = await kit.sign_in("bob@example.com")
    await bought(kit, alice, "pro-monthly")
    await bought(kit, bob, "pro-monthly")
    await begun(bob, "pack-100")
    assert await users.erase(kit.toll.run, alice.user_id)
    assert sorted(await at_stripe(kit)) == ["active", "canceled"]
    assert "open" in [session["status"] for session in await sessions_of(kit)]


@pytest.mark.slow  # three seconds of asking again
async def test_while_stripe_is_down_the_account_stays_and_says_why(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    await break_stripe(kit, fault="error", method="GET", path="/v1/*", status=500)
    reply = await delete_account(alice)
    assert reply.status_code == 502
    assert "Nothing was deleted" in reply.text
    assert len(await users_left(kit)) == 1
    assert (await alice.get("/auth/session")).status_code == 200
    await mend_stripe(kit)
    assert await at_stripe(kit) == ["active"]
    assert (await delete_account(alice)).status_code == 200
    assert await at_stripe(kit) == ["canceled"]


async def test_a_subscription_that_cannot_be_ended_keeps_its_user(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    await break_stripe(kit, fault="error", method="DELETE", path="/v1/subscriptions/*", status=400)
    with pytest.raises(StripeUnavailable, match="Nothing was deleted"):
        await users.erase(kit.toll.run, alice.user_id)
    assert len(await users_left(kit)) == 1


async def test_who_never_bought_anything_is_erased_without_stripe(kit: TestKit, alice: SignedInClient):
    await break_stripe(kit, fault="error", method="*", path="/v1/*", status=500)
    assert await users.erase(kit.toll.run, alice.user_id)
    assert await users_left(kit) == []


async def test_what_is_gone_at_stripe_already_stops_nothing(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    await run_sql(kit, "UPDATE tollhouse_subscriptions SET customer_id = 'cus_gone'")
    await erasing.end_all(kit.toll.till, alice.user_id)
    assert await at_stripe(kit) == ["canceled"]
    await erasing.end_all(kit.toll.till, alice.user_id)
    await run_sql(kit, "DELETE FROM tollhouse_customers")
    await erasing.end_all(kit.toll.till, alice.user_id)


async def test_a_page_that_was_paid_at_the_last_moment_leaves_no_subscription(kit: TestKit, alice: SignedInClient):
    reply = await begun(alice, "pro-monthly")
    await break_stripe(kit, fault="error", method="POST", path="/v1/checkout/sessions/*/expire", status=400, times=1)
    assert await users.erase(kit.toll.run, alice.user_id)
    await pay(kit, reply["checkout_session_id"])
    await arrived(kit)
    assert await at_stripe(kit) == ["canceled"]


async def test_a_customer_that_is_gone_at_stripe_has_nothing_to_end(kit: TestKit, alice: SignedInClient) -> None:
    async with kit.stripe.client() as client:
        gone = (await client.post("/v1/customers")).json()["id"]
        await kit.toll.run.db.write(customers.BEGIN, user_id=alice.user_id, livemode=0, created_at=kit.toll.run.now_us)
        await kit.toll.run.db.write(customers.STORE, owner=alice.user_id, mode=0, made_for=0, made=gone)
        (await client.delete(f"/v1/customers/{gone}")).raise_for_status()
    await erasing.end_all(kit.toll.till, alice.user_id)
