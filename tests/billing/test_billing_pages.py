from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tollhouse.billing.account_words import say_subscription
from tollhouse.billing.catalogue import Catalogue
from tollhouse.billing.money import say_amount
from tollhouse.billing.page_routes import stripe_pages
from tollhouse.billing.subscriptions import Subscription
from tollhouse.testing import TestKit, make_settings
from tollhouse.testing.kit import SignedInClient

from .shop import APP, arrived, begun, bought, open_shop, purchases_of, session_of

HTML = {"accept": "text/html", "sec-fetch-site": "same-origin"}


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    async with open_shop(migrated_database_url) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    return await kit.sign_in("alice@example.com")


@pytest.mark.parametrize(
    ("amount_minor", "currency", "words"),
    [
        (900, "eur", "€9.00"),
        (5, "usd", "$0.05"),
        (123_456_789, "gbp", "£1,234,567.89"),
        (1200, "jpy", "1,200 JPY"),
        (1500, "kwd", "1.500 KWD"),
        (-250, "usd", "-$2.50"),
        (99, "sek", "0.99 SEK"),
        (0, "eur", "€0.00"),
    ],
)
def test_an_amount_is_written_as_its_currency_has_it(amount_minor: int, currency: str, words: str) -> None:
    assert say_amount(amount_minor, currency) == words


async def test_a_stranger_sees_the_prices_and_signs_in_to_buy(kit: TestKit) -> None:
    page = await kit.new_browser().get("/billing/pricing", headers=HTML)
    assert page.status_code == 200
    assert "€9.00" in page.text
    assert "€90.00" in page.text
    assert "First 14 days free" in page.text
    assert "Credit pack" not in page.text, "credits have a page of their own"
    assert 'href="/auth/sign-in?next=/billing/pricing"' in page.text
    assert "<form" not in page.text


async def test_a_form_leads_to_the_payment_page(kit: TestKit, alice: SignedInClient) -> None:
    page = await alice.get("/billing/pricing", headers=HTML)
    assert 'name="price" value="pro-monthly"' in page.text
    policy = page.headers["content-security-policy"]
    assert kit.toll.settings.stripe_api_base in policy
    assert APP in policy
    reply = await alice.post("/billing/checkout", data={"price": "pro-monthly"}, headers=HTML)
    (row,) = await purchases_of(kit)
    assert (reply.status_code, reply.headers["location"]) == (303, row["url"])
    assert row["user_id"] == alice.user_id
    session = await session_of(kit, row["checkout_session_id"])
    assert session["customer_details"]["email"] == alice.email or session["customer"]


async def test_a_form_says_how_many(kit: TestKit, alice: SignedInClient) -> None:
    page = await alice.get("/billing/credits", headers=HTML)
    assert 'name="quantity"' in page.text
    await alice.post("/billing/checkout", data={"price": "pack-100", "quantity": "3"}, headers=HTML)
    (row,) = await purchases_of(kit)
    assert (row["quantity"], row["credits"]) == (3, 300)
    refused = await alice.post("/billing/checkout", data={"price": "pack-100", "quantity": "11"}, headers=HTML)
    assert refused.status_code == 422


async def test_a_form_from_elsewhere_is_refused(kit: TestKit, alice: SignedInClient) -> None:
    for path in ("/billing/checkout", "/billing/portal"):
        reply = await alice.post(path, data={"price": "pack-100"}, headers={"sec-fetch-site": "cross-site"})
        assert reply.status_code == 403
    assert await purchases_of(kit) == []


async def test_whoever_is_not_signed_in_any_more_signs_in_first(kit: TestKit) -> None:
    stranger = kit.new_browser()
    ways = {
        "/billing/checkout": "/billing/pricing",
        "/billing/portal": "/account/billing",
    }
    for path, back in ways.items():
        reply = await stranger.post(path, data={"price": "pack-100"}, headers=HTML)
        assert (reply.status_code, reply.headers["location"].partition("?next=")[2]) == (303, back)
    reply = await stranger.get("/account/billing", headers=HTML)
    assert reply.headers["location"].endswith("/auth/sign-in?next=/account/billing")
    assert await purchases_of(kit) == []


async def test_the_plan_you_have_is_marked_and_not_sold_again(kit: TestKit, alice: SignedInClient) -> None:
    await bought(kit, alice, "pro-monthly")
    page = await alice.get("/billing/pricing", headers=HTML)
    assert "your plan" in page.text
    assert 'value="pro-monthly"' not in page.text
    assert "Change to yearly" in page.text
    assert 'value="trial-monthly"' not in page.text, "another plan is changed to, and not paid beside this one"
    assert page.text.count('action="/billing/portal"') == 2
    assert "days free" not in page.text
    again = await alice.post("/billing/checkout", data={"price": "pro-monthly"}, headers=HTML)
    assert (again.status_code, again.headers["location"]) == (303, f"{kit.toll.settings.url}/account/billing")


async def test_the_billing_page_says_what_there_is(kit: TestKit, alice: SignedInClient) -> None:
    nothing = await alice.get("/account/billing", headers=HTML)
    assert "You have no subscription." in nothing.text
    assert "/billing/portal" not in nothing.text
    await bought(kit, alice, "pro-monthly")
    await bought(kit, alice, quantity=2)
    await begun(alice, "pack-100")
    page = (await alice.get("/account/billing", headers=HTML)).text
    for words in ("€9.00 / month", "Renews on", "300", "200 bought", "100 of your plan", "Credit pack × 2", "$10.00"):
        assert words in page, words
    assert "not paid yet" in page
    assert 'action="/billing/portal"' in page
    assert "/account/billing" in (await alice.get("/account", headers=HTML)).text


async def test_what_went_back_is_said_of_its_purchase(kit: TestKit, alice: SignedInClient) -> None:
    session = await session_of(kit, (await bought(kit, alice))["checkout_session_id"])
    for refunded, words in ((200, "paid, $2.00 of it returned"), (300, "returned")):
        await kit.stripe.control("/refunds", payment_intent=session["payment_intent"], amount=refunded)
        await arrived(kit)
        assert f"· {words}<" in (await alice.get("/account/billing", headers=HTML)).text


async def test_the_portal_is_a_click_away(kit: TestKit, alice: SignedInClient) -> None:
    nothing = await alice.post("/billing/portal", headers=HTML)
    assert nothing.headers["location"].endswith("/billing/pricing")
    await bought(kit, alice, "pro-monthly")
    reply = await alice.post("/billing/portal", headers=HTML)
    assert (reply.status_code, reply.headers["location"].startswith(kit.toll.settings.stripe_api_base)) == (303, True)


async def test_a_till_with_nothing_on_sale_has_its_pages(migrated_database_url: str) -> None:
    async with open_shop(migrated_database_url, products=[]) as kit:
        alice = await kit.sign_in("alice@example.com")
        for path in ("/billing/pricing", "/billing/credits", "/account/billing"):
            assert (await alice.get(path, headers=HTML)).status_code == 200


def test_forms_may_lead_to_stripes_pages_only() -> None:
    assert stripe_pages(make_settings()) == ("https://checkout.stripe.com", "https://billing.stripe.com")
    stand_in = make_settings(stripe_api_base="http://127.0.0.1:8001/")
    assert stripe_pages(stand_in) == ("http://127.0.0.1:8001",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Renews on 12 January 1970."),
        ({"current_period_end": None}, "Active."),
        ({"cancel_at": 10**12}, "Cancelled: it ends on 12 January 1970."),
        ({"status": "trialing", "trial_end": 10**12}, "Free until 12 January 1970, then it is paid."),
        ({"status": "past_due", "cancel_at": 10**12}, "The last payment did not go through: please update your card."),
        ({"status": "unpaid"}, "Not paid, so it is switched off: please update your card."),
    ],
)
def test_a_subscription_is_told_in_words(changes: dict[str, Any], words: str) -> None:
    usual = dict.fromkeys(Subscription.__dataclass_fields__) | {"status": "active", "quantity": 1}
    subscription = Subscription(**{**usual, "product_id": "gone", "current_period_end": 10**12, **changes})
    line = say_subscription(Catalogue(make_settings(), livemode=False), subscription)
    assert (line.name, line.state, line.amount) == ("gone", words, None)
