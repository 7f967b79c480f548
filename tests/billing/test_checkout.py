from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.identity.rows import run_sql
from tollhouse.billing import stripe_account
from tollhouse.testing import TestKit
from tollhouse.testing.kit import SignedInClient

from .shop import (
    APP,
    arrived,
    balance_of,
    begin,
    begun,
    bought,
    break_stripe,
    hold_webhooks_back,
    mend_stripe,
    open_shop,
    pay,
    purchases_of,
    session_of,
    sessions_of,
)

DAY_SECONDS = 86_400
CHECKOUT = "/v1/checkout/sessions"


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    async with open_shop(migrated_database_url) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    return await kit.sign_in("alice@example.com")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_account, "BACKOFF_SECONDS", 0.01)


async def test_a_purchase_is_written_down_and_its_page_is_the_buyers(kit: TestKit, alice: SignedInClient) -> None:
    reply = await begun(alice, quantity=3, success_url=f"{APP}/thanks?a=1", cancel_url="/account")
    (row,) = await purchases_of(kit)
    session = await session_of(kit, reply["checkout_session_id"])
    assert (row["id"], row["user_id"], row["status"]) == (reply["purchase_id"], alice.user_id, "open")
    assert (row["price_id"], row["quantity"], row["credits"], row["url"]) == ("pack-100", 3, 300, reply["url"])
    assert (row["success_url"], row["cancel_url"]) == (f"{APP}/thanks?a=1", f"{kit.toll.settings.url}/account")
    assert (session["mode"], session["amount_total"], session["currency"]) == ("payment", 1500, "usd")
    assert session["client_reference_id"] == alice.user_id
    assert session["metadata"] == {"tollhouse_purchase": row["id"], "tollhouse_user": alice.user_id}
    assert session["success_url"].endswith("/billing/return?checkout_session_id={CHECKOUT_SESSION_ID}")
    assert session["cancel_url"] == f"{kit.toll.settings.url}/account"
    assert session["expires_at"] * 1_000_000 == row["expires_at"]


async def test_what_is_paid_leads_back_to_the_purchase_by_itself(kit: TestKit, alice: SignedInClient) -> None:
    paid, subscribed = await bought(kit, alice), await bought(kit, alice, "pro-monthly")
    async with kit.stripe.client() as stripe:
        session = await session_of(kit, paid["checkout_session_id"])
        intent = (await stripe.get(f"/v1/payment_intents/{session['payment_intent']}")).json()
        session = await session_of(kit, subscribed["checkout_session_id"])
        subscription = (await stripe.get(f"/v1/subscriptions/{session['subscription']}")).json()
    assert intent["metadata"] == {"tollhouse_purchase": paid["purchase_id"], "tollhouse_user": alice.user_id}
    assert subscription["metadata"]["tollhouse_purchase"] == subscribed["purchase_id"]


async def test_a_bearer_token_buys_for_whom_it_was_given_to(kit: TestKit, alice: SignedInClient) -> None:
    token = (await alice.post("/auth/token")).json()["access_token"]
    program = kit.new_browser()
    reply = await program.post(
        "/stripe/checkout", json={"price": "pack-100"}, headers={"authorization": f"Bearer {token}"}
    )
    assert reply.status_code == 201
    (row,) = await purchases_of(kit)
    assert row["user_id"] == alice.user_id


async def test_nobody_buys_without_a_token_or_a_session(kit: TestKit) -> None:
    mallory = kit.new_browser()
    assert (await begin(mallory)).status_code == 401
    forged = await mallory.post(
        "/stripe/checkout", json={"price": "pack-100"}, headers={"authorization": "Bearer x.y.z"}
    )
    assert (forged.status_code, forged.json()["code"]) == (401, "token_invalid")
    assert await purchases_of(kit) == []


async def test_another_site_cannot_begin_a_purchase(kit: TestKit, alice: SignedInClient) -> None:
    headers = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    reply = await alice.post("/stripe/checkout", json={"price": "pack-100"}, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "cross_site_request")


async def test_the_buyer_and_the_amount_cannot_be_named(kit: TestKit, alice: SignedInClient) -> None:
    for field in ("user_id", "email", "customer", "customer_email", "mode", "unit_amount", "credits", "x" * 61):
        reply = await begin(alice, **{field: "usr_mallory"})
        assert (reply.status_code, reply.json()["code"], reply.json()["field"]) == (422, "body_invalid", field[:60])
    assert await purchases_of(kit) == []


async def test_what_is_not_sold_or_not_so_often_is_refused(kit: TestKit, alice: SignedInClient) -> None:
    quantities: list[Any] = [0, -1, 11, 1.5, "2", True, None, [], 10**30]
    for quantity in quantities:
        reply = await begin(alice, quantity=quantity)
        assert (reply.status_code, reply.json()["field"]) == (422, "quantity"), quantity
    assert (await begin(alice, "price_1Abc")).json()["code"] == "price_unknown"
    assert (await begin(alice, "pro")).status_code == 404
    assert (await alice.post("/stripe/checkout", json={"price": 7})).status_code == 422
    assert (await alice.post("/stripe/checkout", json={})).status_code == 422
    assert (await alice.post("/stripe/checkout", content=b"[]")).status_code == 422
    assert await purchases_of(kit) == []


async def test_a_way_back_elsewhere_is_refused(kit: TestKit, alice: SignedInClient) -> None:
    urls: list[Any] = [
        "https://evil.example/",
        "//evil.example",
        "https://app.example.com.evil.example/",
        "https://app.example.com@evil.example/",
        "http://app.example.com/",
        "javascript:alert(1)",
        "https://app.example.com\\@evil.example",
        "/a/../b",
        "",
        7,
        "/" + "a" * 2000,
    ]
    for field in ("success_url", "cancel_url"):
        for url in urls:
            reply = await begin(alice, **{field: url})
            assert (reply.status_code, reply.json()["code"], reply.json()["field"]) == (422, "next_invalid", field), url
    assert await purchases_of(kit) == []


async def test_a_key_stands_for_one_purchase(kit: TestKit, alice: SignedInClient) -> None:
    first = await begun(alice, key="order-1", quantity=2)
    assert await begun(alice, key="order-1", quantity=2) == first
    conflict = await begin(alice, key="order-1", quantity=3)
    assert (conflict.status_code, conflict.json()["code"]) == (409, "idempotency_conflict")
    other = await begun(alice, key="order-2", quantity=2)
    assert other["purchase_id"] != first["purchase_id"]
    assert len(await sessions_of(kit)) == 2


async def test_a_key_is_the_buyers_own(kit: TestKit, alice: SignedInClient) -> None:
    mallory = await kit.sign_in("mallory@example.com")
    first = await begun(alice, key="order-1")
    second = await begun(mallory, key="order-1")
    assert first["purchase_id"] != second["purchase_id"]
    assert (await session_of(kit, second["checkout_session_id"]))["client_reference_id"] == mallory.user_id


async def test_a_key_that_is_none_is_refused(alice: SignedInClient) -> None:
    for key in ("", "a" * 256, "a\tb", "ä"):
        headers = {b"idempotency-key": key.encode("latin-1")}
        reply = await alice.post("/stripe/checkout", json={"price": "pack-100"}, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (422, "idempotency_key_invalid"), key
    assert (await begin(alice, key="a" * 255)).status_code == 201


async def test_a_key_of_a_paid_purchase_leads_to_what_became_of_it(kit: TestKit, alice: SignedInClient) -> None:
    first = await bought(kit, alice, key="order-1")
    again = await begun(alice, key="order-1")
    assert again["purchase_id"] == first["purchase_id"]
    assert again["url"].endswith(f"/billing/return?checkout_session_id={first['checkout_session_id']}")


async def test_a_second_click_returns_the_open_page(kit: TestKit, alice: SignedInClient) -> None:
    first = await begun(alice)
    assert await begun(alice) == first
    assert (await begun(alice, quantity=2))["purchase_id"] != first["purchase_id"]
    subscription = await begun(alice, "pro-monthly", key="a")
    assert await begun(alice, "pro-monthly", key="b", success_url="/account") == subscription
    assert len(await sessions_of(kit)) == 3


async def test_the_same_can_be_bought_again_once_it_is_paid(kit: TestKit, alice: SignedInClient) -> None:
    first, second = await bought(kit, alice), await bought(kit, alice)
    assert first["purchase_id"] != second["purchase_id"]
    assert (await balance_of(kit, alice)).balance == 200


async def test_twenty_clicks_at_once_make_one_page(kit: TestKit, alice: SignedInClient) -> None:
    ways = [("pack-100", "order-1"), ("pack-100", None), ("pro-monthly", None)]
    for number, (price, key) in enumerate(ways, 1):
        replies = await asyncio.gather(*(begun(alice, price, key=key) for _ in range(20)))
        assert len({reply["purchase_id"] for reply in replies}) == 1
        assert len({reply["url"] for reply in replies}) == 1
        assert len(await purchases_of(kit)) == number
        assert len(await sessions_of(kit)) == number


async def test_clicks_with_twenty_keys_make_one_page_of_a_subscription(kit: TestKit, alice: SignedInClient) -> None:
    replies = await asyncio.gather(*(begun(alice, "pro-monthly", key=f"k{n}") for n in range(20)))
    assert len({reply["url"] for reply in replies}) == 1
    assert len(await sessions_of(kit)) == 1


async def test_another_price_of_a_plan_closes_the_page_of_the_first(kit: TestKit, alice: SignedInClient) -> None:
    monthly = await begun(alice, "pro-monthly")
    yearly = await begun(alice, "pro-yearly")
    assert (await session_of(kit, monthly["checkout_session_id"]))["status"] == "expired"
    assert (await session_of(kit, yearly["checkout_session_id"]))["status"] == "open"
    status = {row["id"]: row["status"] for row in await purchases_of(kit)}
    assert status == {monthly["purchase_id"]: "expired", yearly["purchase_id"]: "open"}


async def test_another_price_of_a_plan_that_was_just_paid_is_refused(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    monthly = await begun(alice, "pro-monthly")
    await pay(kit, monthly["checkout_session_id"])
    reply = await begin(alice, "pro-yearly")
    assert (reply.status_code, reply.json()["code"]) == (409, "already_subscribed")
    assert len(await sessions_of(kit)) == 1


async def test_whoever_is_subscribed_is_not_subscribed_again(kit: TestKit, alice: SignedInClient) -> None:
    first = await bought(kit, alice, "pro-monthly", key="a")
    for price in ("pro-monthly", "pro-yearly"):
        reply = await begin(alice, price)
        assert (reply.status_code, reply.json()["code"]) == (409, "already_subscribed")
    assert (await begun(alice, "pro-monthly", key="a"))["purchase_id"] == first["purchase_id"]
    assert len(await sessions_of(kit)) == 1


async def test_whoever_was_subscribed_can_subscribe_again(kit: TestKit, alice: SignedInClient) -> None:
    first = await bought(kit, alice, "trial-monthly")
    subscription_id = (await session_of(kit, first["checkout_session_id"]))["subscription"]
    async with kit.stripe.client() as stripe:
        trial = (await stripe.get(f"/v1/subscriptions/{subscription_id}")).json()
        (await stripe.delete(f"/v1/subscriptions/{subscription_id}")).raise_for_status()
    assert trial["status"] == "trialing"
    await arrived(kit)
    second = await bought(kit, alice, "trial-monthly")
    subscription_id = (await session_of(kit, second["checkout_session_id"]))["subscription"]
    async with kit.stripe.client() as stripe:
        assert (await stripe.get(f"/v1/subscriptions/{subscription_id}")).json()["status"] == "active"  # no trial again


async def test_a_page_that_ran_out_is_followed_by_a_new_one(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    by_key, by_claim = await begun(alice, key="order-1"), await begun(alice, "pro-monthly")
    kit.stripe.advance(DAY_SECONDS + 60)
    expired = await begin(alice, key="order-1")
    assert (expired.status_code, expired.json()["code"]) == (409, "purchase_expired")
    assert (await begun(alice, "pro-monthly"))["purchase_id"] != by_claim["purchase_id"]
    status = {row["id"]: row["status"] for row in await purchases_of(kit)}
    assert (status[by_key["purchase_id"]], status[by_claim["purchase_id"]]) == ("expired", "expired")


async def test_a_lost_reply_makes_no_second_page(kit: TestKit, alice: SignedInClient) -> None:
    await break_stripe(kit, fault="reset", path=CHECKOUT, method="POST", when="after", times=1)
    await begun(alice)
    assert len(await sessions_of(kit)) == 1


async def test_a_click_goes_on_where_stripe_went_away(kit: TestKit, alice: SignedInClient) -> None:
    await break_stripe(kit, fault="error", path=CHECKOUT, method="POST", status=503)
    for _ in range(2):
        failed = await begin(alice, "pro-monthly", key="order-1")
        assert (failed.status_code, failed.json()["code"]) == (502, "stripe_unavailable")
        assert failed.headers["retry-after"]
    (row,) = await purchases_of(kit)
    assert row["status"] == "creating"
    await mend_stripe(kit)
    assert (await begun(alice, "pro-monthly"))["purchase_id"] == row["id"]


async def test_a_click_goes_on_where_the_reply_was_never_read(kit: TestKit, alice: SignedInClient) -> None:
    await break_stripe(kit, fault="reset", path=CHECKOUT, method="POST", when="after")
    assert (await begin(alice, key="order-1")).status_code == 502
    await mend_stripe(kit)
    reply = await begun(alice, key="order-1")
    (session,) = await sessions_of(kit)
    assert session["id"] == reply["checkout_session_id"]


async def test_a_failure_that_stripe_keeps_is_left_behind(kit: TestKit, alice: SignedInClient) -> None:
    await break_stripe(kit, fault="error", path=CHECKOUT, method="POST", is_kept=True, times=1)
    await begun(alice, "pro-monthly", key="order-1")
    assert len(await sessions_of(kit)) == 1


async def test_a_page_that_stripe_refuses_locks_nobody_out(kit: TestKit, alice: SignedInClient) -> None:
    price_id = kit.toll.till.catalogue.stripe_price_of(kit.toll.till.catalogue.price("pro-monthly"))
    async with kit.stripe.client() as stripe:
        (await stripe.post(f"/v1/prices/{price_id}", data={"active": "false"})).raise_for_status()
        refused = await begin(alice, "pro-monthly", key="order-1")
        assert (refused.status_code, refused.json()["code"]) == (502, "stripe_refused")
        assert price_id not in refused.text
        (await stripe.post(f"/v1/prices/{price_id}", data={"active": "true"})).raise_for_status()
    await begun(alice, "pro-monthly", key="order-1")


async def test_a_customer_that_is_gone_is_replaced(kit: TestKit, alice: SignedInClient) -> None:
    first = await bought(kit, alice)
    gone = (await session_of(kit, first["checkout_session_id"]))["customer"]
    await hold_webhooks_back(kit)
    async with kit.stripe.client() as stripe:
        (await stripe.delete(f"/v1/customers/{gone}")).raise_for_status()
    second = await begun(alice)
    assert (await session_of(kit, second["checkout_session_id"]))["customer"] not in (gone, None)


async def test_a_purchase_paid_before_its_page_was_stored_is_found(kit: TestKit, alice: SignedInClient) -> None:
    await break_stripe(kit, fault="reset", path=CHECKOUT, method="POST", when="after")
    assert (await begin(alice, key="order-1")).status_code == 502
    await mend_stripe(kit)
    (session,) = await sessions_of(kit)
    await pay(kit, session["id"])
    await arrived(kit)
    (row,) = await purchases_of(kit)
    assert (row["status"], row["checkout_session_id"]) == ("paid", session["id"])
    assert (await begun(alice, key="order-1"))["purchase_id"] == row["id"]


async def test_two_servers_make_one_page(kit: TestKit, migrated_database_url: str, alice: SignedInClient) -> None:
    token = (await alice.post("/auth/token")).json()["access_token"]
    async with open_shop(migrated_database_url, stripe=kit.stripe, secret=kit.toll.settings.secret) as other:
        headers = {"authorization": f"Bearer {token}"}
        here, there = kit.new_browser(), other.new_browser()

        async def click(browser: httpx.AsyncClient) -> Any:
            return (await browser.post("/stripe/checkout", json={"price": "pro-monthly"}, headers=headers)).json()

        replies = await asyncio.gather(*(click(each) for each in (here, there) * 5))
    assert len({reply["url"] for reply in replies}) == 1
    assert len(await sessions_of(kit)) == 1


async def test_a_purchase_whose_page_was_never_made_makes_room(kit: TestKit, alice: SignedInClient) -> None:
    await break_stripe(kit, fault="error", path=CHECKOUT, method="POST", status=503)
    assert (await begin(alice, "pro-monthly", key="order-1")).status_code == 502
    await mend_stripe(kit)
    kit.stripe.advance(DAY_SECONDS)
    assert (await begin(alice, "pro-monthly", key="order-1")).json()["code"] == "purchase_expired"
    await begun(alice, "pro-monthly", key="order-2")


async def test_a_page_that_stripe_has_lost_makes_room(kit: TestKit, alice: SignedInClient) -> None:
    first = await begun(alice, "pro-monthly")
    lose = "UPDATE tollhouse_purchases SET checkout_session_id = 'cs_test_lost', expires_at = 1"
    await run_sql(kit, lose)
    assert (await begun(alice, "pro-monthly"))["purchase_id"] != first["purchase_id"]


async def test_promotion_codes_and_taxes_are_asked_for_where_they_are_set(migrated_database_url: str) -> None:
    settings = {"checkout_promotion_codes": True, "checkout_automatic_tax": True}
    async with open_shop(migrated_database_url, **settings) as kit:
        alice = await kit.sign_in("alice@example.com")
        session = await session_of(kit, (await begun(alice))["checkout_session_id"])
    assert session["allow_promotion_codes"] is True
    assert session["automatic_tax"]["enabled"] is True
