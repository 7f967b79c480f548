from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.endpoints.receiver import Answer, Receiver
from tests.endpoints.rig import declare, server
from tollhouse.billing import stripe_account, sync
from tollhouse.billing.errors import PurchaseUnknown
from tollhouse.endpoints import endpoints
from tollhouse.testing import TestKit
from tollhouse.testing.kit import SignedInClient

from .shop import (
    APP,
    arrived,
    balance_of,
    begun,
    bought,
    break_stripe,
    hold_webhooks_back,
    mend_stripe,
    open_shop,
    pay,
    sessions_of,
)

DAY_SECONDS = 86_400
DEBIT = {"bank_account": "000123456789"}
HTML = {"accept": "text/html"}


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


async def come_back(kit: TestKit, session_id: str) -> tuple[int, str]:
    """Open the page in a browser that knows nobody."""
    browser = kit.new_browser()
    reply = await browser.get(f"/billing/return?checkout_session_id={session_id}", headers=HTML)
    return reply.status_code, reply.text


async def status_of(kit: TestKit, session_id: str) -> str:
    return (await found(kit, session_id))["status"]


async def found(kit: TestKit, session_id: str) -> dict[str, Any]:
    """What the page that waits is told."""
    reply = await kit.new_browser().get(f"/billing/return/status?checkout_session_id={session_id}")
    return reply.raise_for_status().json()


async def test_a_paid_purchase_is_there_when_its_buyer_comes_back_first(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    reply = await begun(alice, quantity=2, success_url=f"{APP}/thanks")
    await pay(kit, reply["checkout_session_id"])
    status, html = await come_back(kit, reply["checkout_session_id"])
    assert (status, "Thank you, it is paid" in html, "200 credits are in your account" in html) == (200, True, True)
    assert "return.js" not in html, "there is no app to wait for"
    assert f'href="{APP}/thanks"' in html
    assert (await balance_of(kit, alice)).available == 200


async def test_a_subscription_is_there_when_its_buyer_comes_back_first(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    reply = await begun(alice, "pro-monthly")
    await pay(kit, reply["checkout_session_id"])
    _, html = await come_back(kit, reply["checkout_session_id"])
    assert "Your subscription has begun: 100 credits for every period." in html
    assert (await balance_of(kit, alice)).available == 100
    await kit.settle()
    assert (await alice.get("/billing/entitlements")).json() == {"features": ["exports", "long-history"]}


async def test_a_subscription_that_cannot_be_read_at_once_follows(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    reply = await begun(alice, "pro-monthly")
    await pay(kit, reply["checkout_session_id"])
    await break_stripe(kit, fault="error", path="/v1/subscriptions/*", method="GET", times=5)
    assert await status_of(kit, reply["checkout_session_id"]) == "paid"


async def test_coming_back_often_and_the_webhooks_grant_once(kit: TestKit, alice: SignedInClient) -> None:
    one, two = await begun(alice), await begun(alice, "pro-monthly")
    for reply in (one, two):
        await pay(kit, reply["checkout_session_id"])
        pages = [come_back(kit, reply["checkout_session_id"]) for _ in range(5)]
        _, seen = await asyncio.gather(kit.stripe.settle(), asyncio.gather(*pages))
        assert all("Thank you" in page[1] for page in seen)
    await arrived(kit)
    assert (await balance_of(kit, alice)).balance == 200


async def test_a_bank_debit_is_on_its_way_until_the_bank_has_told(kit: TestKit, alice: SignedInClient) -> None:
    reply = await begun(alice)
    session_id = reply["checkout_session_id"]
    await pay(kit, session_id, **DEBIT)
    _, html = await come_back(kit, session_id)
    assert "please do not pay again" in html
    assert "Try again" not in html
    assert await status_of(kit, session_id) == "processing"
    assert (await balance_of(kit, alice)).balance == 0
    await kit.stripe.control(f"/payment_intents/{await intent_of(kit)}/settle")
    assert await status_of(kit, session_id) == "paid"
    assert (await balance_of(kit, alice)).balance == 100


async def test_a_bank_debit_that_fails_can_be_tried_again(kit: TestKit, alice: SignedInClient) -> None:
    reply = await begun(alice, cancel_url=f"{APP}/shop")
    session_id = reply["checkout_session_id"]
    await pay(kit, session_id, **DEBIT)
    await kit.stripe.control(f"/payment_intents/{await intent_of(kit)}/fail")
    await arrived(kit)
    _, html = await come_back(kit, session_id)
    assert "The payment did not go through" in html
    assert f'href="{APP}/shop">Try again' in html
    assert (await balance_of(kit, alice)).balance == 0


async def test_a_page_that_is_not_paid_yet_says_so(kit: TestKit, alice: SignedInClient) -> None:
    reply = await begun(alice)
    _, html = await come_back(kit, reply["checkout_session_id"])
    assert "This is not paid yet" in html
    assert reply["url"] not in html, "whoever has the address of this page is not the buyer yet"
    assert await status_of(kit, reply["checkout_session_id"]) == "open"


async def test_a_page_that_ran_out_says_so(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    reply = await begun(alice)
    kit.stripe.advance(DAY_SECONDS + 60)
    _, html = await come_back(kit, reply["checkout_session_id"])
    assert "This payment page has expired" in html


async def test_while_stripe_is_down_nobody_is_asked_to_pay_again(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    reply = await begun(alice)
    await pay(kit, reply["checkout_session_id"])
    await break_stripe(kit, fault="error", path="/v1/checkout/sessions/*", method="GET")
    _, html = await come_back(kit, reply["checkout_session_id"])
    assert "Please do not pay again" in html
    assert "Try again" not in html
    assert await status_of(kit, reply["checkout_session_id"]) == "checking"
    await mend_stripe(kit)
    assert await status_of(kit, reply["checkout_session_id"]) == "paid"


async def test_a_debit_that_failed_untold_is_noticed(kit: TestKit, alice: SignedInClient) -> None:
    await hold_webhooks_back(kit)
    reply = await begun(alice)
    await pay(kit, reply["checkout_session_id"], **DEBIT)
    assert await status_of(kit, reply["checkout_session_id"]) == "processing"
    await kit.stripe.control(f"/payment_intents/{await intent_of(kit)}/fail")
    assert await status_of(kit, reply["checkout_session_id"]) == "failed"


async def test_the_page_names_nobody(kit: TestKit, alice: SignedInClient) -> None:
    reply = await bought(kit, alice)
    _, html = await come_back(kit, reply["checkout_session_id"])
    session = next(each for each in await sessions_of(kit) if each["id"] == reply["checkout_session_id"])
    for personal in (alice.email, alice.user_id, reply["purchase_id"], session["customer"], session["payment_intent"]):
        assert personal not in html


async def test_a_session_that_is_not_ours_is_unknown(kit: TestKit) -> None:
    for session_id in ("", "cs_test_unknown", "pi_1", "cs_test_%00", "cs_" + "a" * 300, "../x"):
        status, html = await come_back(kit, session_id)
        assert (status, "We do not know this purchase" in html) == (404, True), session_id
        reply = await kit.new_browser().get(f"/billing/return/status?checkout_session_id={session_id}")
        assert (reply.status_code, reply.json()["code"]) == (404, "purchase_unknown")
    price = kit.toll.till.catalogue.stripe_price_of(kit.toll.till.catalogue.price("pack-100"))
    fields = {"mode": "payment", "success_url": APP, "line_items[0][price]": price, "line_items[0][quantity]": "1"}
    async with kit.stripe.client() as stripe:
        session = (await stripe.post("/v1/checkout/sessions", data=fields)).raise_for_status().json()
    assert (await come_back(kit, session["id"]))[0] == 404


async def test_one_network_cannot_have_us_ask_stripe_for_ever(kit: TestKit, alice: SignedInClient) -> None:
    reply = await begun(alice)
    browser = kit.new_browser()
    address = f"/billing/return/status?checkout_session_id={reply['checkout_session_id']}"
    seen = {(await browser.get(address)).status_code for _ in range(61)}
    assert seen == {200}
    nowhere = "/billing/return/status?checkout_session_id=cs_test_1"
    limited = [await browser.get(nowhere) for _ in range(300)][-1]
    assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")


async def test_the_page_says_when_the_app_has_what_was_paid(migrated_database_url: str) -> None:
    async with (
        Receiver(usual=Answer(500)) as app,
        open_shop(migrated_database_url, endpoints=[declare(app, event_types=["payment.succeeded"])]) as kit,
    ):
        alice = await kit.sign_in("alice@example.com")
        session_id = (await begun(alice))["checkout_session_id"]
        assert await found(kit, session_id) == {"status": "open", "applied": None}
        await pay(kit, session_id)
        await arrived(kit)
        _, html = await come_back(kit, session_id)
        assert ("Tollhouse is setting it up." in html, "has it" in html) == (True, False)
        assert ("return.js" in html, 'http-equiv="refresh"' in html) == (True, False)
        assert await found(kit, session_id) == {"status": "paid", "applied": False}
        paid = next(each.event["id"] for each in app.arrivals if each.event["type"] == "payment.succeeded")
        worker = await server(kit, "events:apply")
        (await worker.post(f"/api/events/{paid}/applied", json={})).raise_for_status()
        _, html = await come_back(kit, session_id)
        assert ("Tollhouse has it." in html, "setting it up" in html, "return.js" in html) == (True, False, False)
        assert await found(kit, session_id) == {"status": "paid", "applied": True}


@pytest.mark.parametrize("event_types", [("payment.succeeded",), ("user.created", "credits.granted")])
async def test_the_page_says_nothing_of_an_app_that_is_not_told(event_types: tuple[str, ...]) -> None:
    async with Receiver() as app, open_shop(None, endpoints=[declare(app, event_types=event_types)]) as kit:
        reply = await bought(kit, await kit.sign_in("alice@example.com"))
        await endpoints.disable(kit.toll.run, "app", because="It is moved.")
        _, html = await come_back(kit, reply["checkout_session_id"])
        assert ("Thank you" in html, "setting it up" in html, "has it" in html) == (True, False, False)
        assert (await found(kit, reply["checkout_session_id"]))["applied"] is None


async def intent_of(kit: TestKit) -> str:
    (session,) = await sessions_of(kit)
    return session["payment_intent"]


async def test_a_session_that_is_not_ours_is_not_asked_after(kit: TestKit) -> None:
    with pytest.raises(PurchaseUnknown):
        await sync.sync_session(kit.toll.till, "cs_test_of_somebody_else")
