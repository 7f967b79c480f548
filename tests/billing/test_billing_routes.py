from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import Depends, FastAPI

from tests.access.forging import Signer, document_of
from tests.endpoints.receiver import OK, Answer, Receiver
from tests.endpoints.rig import declare
from tests.support.hostile_issuer import HostileIssuer, serve
from tollhouse import Caller, Tollhouse
from tollhouse.testing import TestKit, make_settings
from tollhouse.testing.kit import SignedInClient
from tollhouse.testing.kit_settings import STRIPE

from .shop import APP, PRODUCTS, arrived, begun, bought, open_shop, pay, session_of

APPLIED = Answer(body=b'{"applied": true}')
MONTH_SECONDS = 32 * 86_400
OWN = ("/billing/purchases", "/billing/subscription", "/billing/entitlements")


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    async with open_shop(migrated_database_url) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    return await kit.sign_in("alice@example.com")


async def test_everybody_sees_what_is_sold(kit: TestKit) -> None:
    products = (await kit.new_browser().get("/billing/products")).json()["products"]
    assert [product["id"] for product in products] == ["pro", "pack", "trial"]
    assert products[0]["features"] == ["exports", "long-history"]
    assert products[0]["prices"][0] == {
        "id": "pro-monthly",
        "mode": "subscription",
        "unit_amount_minor": 900,
        "currency": "eur",
        "interval": "month",
        "interval_count": 1,
        "credits": 100,
        "quantity_max": 1,
        "trial_days": 0,
    }
    assert products[1]["prices"][0]["interval"] is None


async def test_what_was_bought_is_nobody_elses(kit: TestKit) -> None:
    for path in (*OWN, "/billing/purchases/pur_1"):
        reply = await kit.new_browser().get(path)
        assert (reply.status_code, reply.json()["code"]) == (401, "not_signed_in")


async def test_a_purchase_of_somebody_else_is_unknown(kit: TestKit, alice: SignedInClient) -> None:
    reply = await bought(kit, alice)
    path = f"/billing/purchases/{reply['purchase_id']}"
    purchase = (await alice.get(path)).raise_for_status().json()
    assert (purchase["status"], purchase["amount_minor"], purchase["currency"]) == ("paid", 500, "usd")
    assert (purchase["product"], purchase["price"], purchase["credits"]) == ("pack", "pack-100", 100)
    mallory = await kit.sign_in("mallory@example.com")
    for unknown in (path, "/billing/purchases/pur_" + "0" * 32, "/billing/purchases/%00", "/billing/purchases/x"):
        refused = await mallory.get(unknown)
        assert refused.status_code in (400, 404)
        assert alice.user_id not in refused.text
    assert (await mallory.get(path)).json()["code"] == "purchase_unknown"
    assert (await mallory.get("/billing/purchases")).json() == {"purchases": [], "next_cursor": None}


async def test_purchases_come_in_pages_the_newest_first(kit: TestKit, alice: SignedInClient) -> None:
    ids = [(await begun(alice, key=f"k{number}"))["purchase_id"] for number in range(5)]
    first = (await alice.get("/billing/purchases?limit=3")).json()
    second = (await alice.get(f"/billing/purchases?limit=3&cursor={first['next_cursor']}")).json()
    seen = [each["id"] for each in (*first["purchases"], *second["purchases"])]
    assert sorted(seen) == sorted(ids)
    assert seen == sorted(seen, reverse=True)
    assert second["next_cursor"] is None


async def test_since_when_the_app_has_a_purchase_is_shown(migrated_database_url: str) -> None:
    async with Receiver(usual=APPLIED) as app, open_shop(migrated_database_url, endpoints=[declare(app)]) as kit:
        alice = await kit.sign_in("alice@example.com")
        await begun(alice, key="unpaid")
        ids = [(await bought(kit, alice, price))["purchase_id"] for price in ("pro-monthly", "pack-100")]
        applied = await applied_of(alice)
        assert len(applied) == 3
        assert {each for each in applied if applied[each]} == set(ids)
        app.usual = OK  # of what follows, no word
        await bought(kit, alice, "pack-100", quantity=2)
        await kit.stripe.control("/clock/advance", seconds=MONTH_SECONDS)  # the plan renews
        await arrived(kit)
        alice = await kit.sign_in("alice@example.com")
        assert app.types.count("payment.succeeded") == 4
        assert {each: since for each, since in (await applied_of(alice)).items() if since} == {
            each: applied[each] for each in ids
        }
        shown = (await alice.get(f"/billing/purchases/{ids[0]}")).json()
        assert shown["applied_at"] == applied[ids[0]] >= shown["paid_at"]


async def applied_of(buyer: SignedInClient) -> dict[str, str | None]:
    """Since when the app has each purchase."""
    purchases = (await buyer.get("/billing/purchases")).raise_for_status().json()["purchases"]
    return {each["id"]: each["applied_at"] for each in purchases}


async def test_a_page_that_is_none_is_refused(alice: SignedInClient) -> None:
    for query in ("limit=0", "limit=101", "limit=10000", "limit=x", "limit=²", "cursor=%00", "cursor=pur_x"):
        assert (await alice.get(f"/billing/purchases?{query}")).status_code == 422, query


async def test_a_subscription_and_what_it_entitles_to_are_shown(kit: TestKit, alice: SignedInClient) -> None:
    assert (await alice.get("/billing/subscription")).json() == {"subscription": None, "subscriptions": []}
    assert (await alice.get("/billing/entitlements")).json() == {"features": []}
    await bought(kit, alice, "pro-monthly")
    shown: dict[str, Any] = (await alice.get("/billing/subscription")).json()["subscription"]
    assert (shown["product"], shown["price"], shown["status"]) == ("pro", "pro-monthly", "active")
    assert shown["current_period_end"] > shown["current_period_start"]
    assert shown["cancel_at"] is None
    assert (await alice.get("/billing/entitlements")).json() == {"features": ["exports", "long-history"]}
    mallory = await kit.sign_in("mallory@example.com")
    assert (await mallory.get("/billing/subscription")).json()["subscription"] is None
    assert (await mallory.get("/billing/entitlements")).json() == {"features": []}


async def test_the_portal_is_the_buyers_own(kit: TestKit, alice: SignedInClient) -> None:
    nothing_yet = await alice.post("/stripe/portal")
    assert (nothing_yet.status_code, nothing_yet.json()["code"]) == (404, "customer_unknown")
    reply = await bought(kit, alice, "pro-monthly")
    opened = await alice.post("/stripe/portal", json={"return_url": f"{APP}/settings"})
    assert (opened.status_code, opened.json()["url"].startswith("http")) == (201, True)
    customer = (await session_of(kit, reply["checkout_session_id"]))["customer"]
    async with kit.stripe.client() as stripe:
        page = (await stripe.get(opened.json()["url"].split("/", 3)[3].join(("/", "")))).text
    assert customer in page or "Pro" in page
    elsewhere = await alice.post("/stripe/portal", json={"return_url": "https://evil.example"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "next_invalid")
    assert (await alice.post("/stripe/portal", json={"customer": customer})).status_code == 422
    assert (await kit.new_browser().post("/stripe/portal")).status_code == 401


async def test_another_issuers_user_buys_under_an_id_of_ours(migrated_database_url: str) -> None:
    signer = Signer("ES256")
    async with HostileIssuer(serve(document_of(signer))) as issuer:
        place = {"name": "other", "issuer": issuer.url(""), "audiences": ("toll",), "algorithms": ("ES256",)}
        issuers = [place | {"jwks_url": issuer.url(), "private_network": True}]
        async with open_shop(migrated_database_url, issuers=issuers) as kit:
            now = int(time.time())
            token = signer.sign({"iss": issuer.url(""), "aud": "toll", "sub": "bob", "iat": now, "exp": now + 60})
            bob = kit.new_browser()
            bob.headers["authorization"] = f"Bearer {token}"
            assert (await bob.get("/billing/purchases")).json()["purchases"] == []
            assert (await bob.get("/billing/subscription")).json()["subscription"] is None
            assert (await bob.get("/billing/entitlements")).json() == {"features": []}
            assert (await bob.post("/stripe/portal")).json()["code"] == "customer_unknown"
            reply = await begun(bob, "pro-monthly")
            await pay(kit, reply["checkout_session_id"])
            await arrived(kit)
            (purchase,) = (await bob.get("/billing/purchases")).json()["purchases"]
            assert (purchase["id"], purchase["status"]) == (reply["purchase_id"], "paid")
            assert (await bob.get("/billing/entitlements")).json()["features"] == ["exports", "long-history"]
            session = await session_of(kit, reply["checkout_session_id"])
            assert session["client_reference_id"].startswith("usr_")


async def test_a_route_may_want_a_feature(migrated_database_url: str) -> None:
    toll = Tollhouse(make_settings(**STRIPE, products=PRODUCTS))
    app = FastAPI()
    toll.install(app)
    exports = toll.entitled("exports")

    @app.get("/export")
    async def export(caller: Caller = Depends(exports)) -> str:
        return caller.user_id

    async with TestKit(app=app, toll=toll, database_url=migrated_database_url) as kit:
        assert (await kit.new_browser().get("/export")).status_code == 401
        alice = await kit.sign_in("alice@example.com")
        refused = await alice.get("/export")
        assert (refused.status_code, refused.json()["code"], refused.json()["feature"]) == (
            403,
            "not_entitled",
            "exports",
        )
        await bought(kit, alice, "pro-monthly")
        assert (await alice.get("/export")).json() == alice.user_id
