"""The till as people meet it, from the price to the refund, through the pages of Stripe's stand-in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect
from sqlalchemy import func, select

from tests.endpoints.receiver import SECRET, Answer, Arrival, Receiver
from tollhouse import Tollhouse
from tollhouse.access import api_keys
from tollhouse.db import Statement
from tollhouse.endpoints import endpoints, resending
from tollhouse.endpoints.endpoints import Endpoint
from tollhouse.endpoints.secrets import Secret, seal_secrets
from tollhouse.events.tables import events
from tollhouse.testing import make_settings

from .looks import examine
from .people import Browsers, be_signed_in, expect_heading, sign_in
from .product import Product
from .states_billing import sandbox_of, steer

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser, pytest.mark.slow]

PAY = re.compile("^(Pay|Subscribe|Start)")
ARRIVAL_TRIES_MAX = 40
ARRIVAL_STEP_SECONDS = 0.1


async def pay(page: Page, product: Product, *, way: str = "", what: str = "Succeeds") -> None:
    """Pay on Stripe's page with one of the test numbers that it offers, and come back."""
    await page.wait_for_url(f"{sandbox_of(product)}/checkout/**")
    if way:
        await page.get_by_label(way).check()
    await page.get_by_role("link", name=re.compile(f"^{what}")).click()
    await page.get_by_role("button", name=PAY).click()
    await page.wait_for_url(f"{product.url}/billing/return**")


async def choose_credits(page: Page, product: Product) -> None:
    await page.goto(f"{product.url}/billing/credits")
    await page.get_by_role("button", name="Buy 100 credits").click()


async def expect_soon(page: Page, product: Product, words: str) -> None:
    """The billing page says this, as soon as Stripe has told."""
    for _ in range(ARRIVAL_TRIES_MAX):
        await page.goto(f"{product.url}/account/billing")
        if words in await page.locator("main").inner_text():
            return
        await asyncio.sleep(ARRIVAL_STEP_SECONDS)
    await expect(page.locator("main")).to_contain_text(words)


async def user_id_of(page: Page, product: Product) -> str:
    return (await (await page.request.get(f"{product.url}/auth/session")).json())["user_id"]


def beside(product: Product) -> Tollhouse:
    """What a command acts with: the database and the secret of the running product."""
    assert product.data is not None
    secret, database_url = (product.data / "secret").read_text(), f"sqlite:///{product.data}/tollhouse.db"
    return Tollhouse(make_settings(url=product.url, mode="dev", secret=secret, database_url=database_url))


@asynccontextmanager
async def told_of(event_type: str, app: Receiver, product: Product) -> AsyncIterator[None]:
    """An app at an endpoint, which is told of the newest event of a type that happened before."""
    async with beside(product).opened() as run:
        endpoint = Endpoint(
            name="app",
            url=app.url,
            secrets=seal_secrets(run.keys, "app", [Secret(SECRET)]),
            event_types=endpoints.types_of([event_type]),
            with_address=0,
            private_network=0,
            is_declared=0,
            disabled_at=None,
            disabled_because=None,
            created_at=run.now_us,
            enabled_at=run.now_us,
        )
        await endpoints.add(run, endpoint)
        newest = Statement(select(func.max(events.c.id)).where(events.c.type == event_type), str)
        await resending.resend(run, await run.db.fetch_one(newest) or "")
        try:
            yield
        finally:
            await endpoints.remove(run, "app")


async def spend(product: Product, user_id: str, credits: int) -> None:
    """Spend as the app's server does, with an API key of its own."""
    async with beside(product).opened() as run:
        _, key = await api_keys.create(run, name="app", scopes=["credits:spend"])
    path, headers = f"/api/users/{user_id}/credits/spends", {"authorization": f"Bearer {key}"}
    reply = await product.client.post(path, json={"credits": credits}, headers=headers)
    assert reply.status_code == 201, reply.text


async def session_at_stripe(page: Page, product: Product) -> dict[str, Any]:
    """The Checkout Session that the address of a return page names, as Stripe has it."""
    session_id = page.url.partition("checkout_session_id=")[2]
    headers = {"authorization": "Bearer sk_test_sandbox"}
    async with httpx.AsyncClient(base_url=sandbox_of(product), trust_env=False, headers=headers) as stripe:
        return (await stripe.get(f"/v1/checkout/sessions/{session_id}")).raise_for_status().json()


async def test_credits_are_bought_spent_and_owed_after_a_refund(
    browsers: Browsers, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in(page, product, alice)
    await page.get_by_role("link", name="Plan, credits and purchases").click()
    await page.get_by_role("link", name="Buy credits").click()
    await page.get_by_role("button", name="Buy 100 credits").click()
    await pay(page, product)
    await expect_heading(page, "Thank you, it is paid")
    intent = (await session_at_stripe(page, product))["payment_intent"]
    await page.get_by_role("link", name="Continue").click()
    await expect(page.locator("main")).to_contain_text("100 to use")
    await spend(product, await user_id_of(page, product), 30)
    await expect_soon(page, product, "70 to use")
    await steer(product, "/refunds", payment_intent=intent)
    await expect_soon(page, product, "0 to use, 30 owed after a refund")
    await expect(page.locator("main")).to_contain_text("returned")


async def test_the_page_tells_when_the_app_has_what_was_paid(browsers: Browsers, product: Product, alice: str) -> None:
    page, may_answer = await browsers.page(), asyncio.Event()

    async def apply(_: Arrival) -> Answer:
        await may_answer.wait()
        return Answer(body=b'{"applied": true}')

    await be_signed_in(page, product, alice)
    await choose_credits(page, product)
    await pay(page, product)
    await expect_heading(page, "Thank you, it is paid")
    app = Receiver()
    app.decide = apply
    async with app, told_of("payment.succeeded", app, product):
        await page.reload()
        await expect(page.locator("main")).to_contain_text("Harbour Notes is setting it up.")
        await examine(page)
        await app.until(1)
        may_answer.set()
        await expect(page.locator("main")).to_contain_text("Harbour Notes has it.")
        await examine(page)


async def test_a_plan_is_subscribed_to_changed_and_cancelled(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await page.goto(f"{product.url}/billing/pricing")
    await page.get_by_role("button", name="Choose monthly Starter").click()
    await pay(page, product)
    await expect(page.locator("main")).to_contain_text("Your subscription has begun: 200 credits for every period.")
    await page.goto(f"{product.url}/billing/pricing")
    await page.get_by_role("button", name="Change to monthly Team").click()
    await page.get_by_role("link", name="Change plan").click()
    await page.get_by_label(re.compile("Team, €49.00")).check()
    await page.get_by_role("button", name="Change", exact=True).click()
    await page.get_by_role("link", name="Back to the seller").click()
    await expect_soon(page, product, "€49.00 / month")
    await page.get_by_role("button", name="Manage plan and cards").click()
    await page.get_by_role("link", name="Cancel the subscription").click()
    await page.get_by_role("button", name="Cancel the subscription").click()
    await page.get_by_role("button", name="Keep the subscription").wait_for()
    await expect_soon(page, product, "Cancelled: it ends on")


@pytest.mark.parametrize(
    ("outcome", "heading", "words"),
    [("settle", "Thank you, it is paid", "100 to use"), ("fail", "The payment did not go through", "0 to use")],
)
async def test_a_bank_debit_is_told_of_days_later_on_the_page_that_waits(
    browsers: Browsers, product: Product, alice: str, outcome: str, heading: str, words: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await choose_credits(page, product)
    await pay(page, product, way="SEPA", what="Settles")
    await expect_heading(page, "Your payment is on its way")
    await steer(product, f"/payment_intents/{(await session_at_stripe(page, product))['payment_intent']}/{outcome}")
    await expect_heading(page, heading)
    await expect_soon(page, product, words)


async def test_whoever_never_comes_back_has_it_all_the_same(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await choose_credits(page, product)
    await page.wait_for_url(f"{sandbox_of(product)}/checkout/**")
    await page.get_by_role("link", name=re.compile("^Succeeds")).click()
    await page.route("**/billing/return**", lambda route: route.abort())  # the tab is closed
    await page.get_by_role("button", name=PAY).click()
    await page.unroute("**/billing/return**")
    await expect_soon(page, product, "100 to use")
