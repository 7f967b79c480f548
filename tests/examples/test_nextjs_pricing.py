"""In the Next.js example people buy through Stripe's page, and the app is told of it."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.looks import examine
from tests.browser.people import Browsers, expect_heading, type_code
from tests.browser.product import Product
from tests.browser.states_billing import CARD, sandbox_of, steer
from tests.support.nextjs import seal_session

from .conftest import SECRET, App
from .visits import COOKIE, access_token, change_tokens, expect_app_account, outlive, sign_in_to_the_app

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser, pytest.mark.slow]

BUY = "Buy 100 credits €9.00"
SUBSCRIBE = "Subscribe €12.00 a month, 200 credits"
PAY = re.compile("^(Pay|Subscribe|Start)")
TELLING_TRIES_MAX = 40
TELLING_STEP_SECONDS = 0.25


async def choose(page: Page, app: App, what: str = BUY) -> None:
    """Click a price."""
    await page.goto(f"{app.url}/pricing")
    await page.get_by_role("button", name=what).click()


async def expect_checkout(page: Page, product: Product) -> None:
    await page.wait_for_url(f"{sandbox_of(product)}/checkout/**")


async def purchases_of(page: Page, app: App, product: Product) -> list[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {await access_token(page, app)}"}
    reply = await product.client.get("/billing/purchases", headers=headers)
    return reply.raise_for_status().json()["purchases"]


async def bought(page: Page, app: App, product: Product, price: str) -> dict[str, Any]:
    """Buy without the pages; returns what Stripe has of the Checkout."""
    headers = {"Authorization": f"Bearer {await access_token(page, app)}"}
    reply = await product.client.post("/stripe/checkout", json={"price": price}, headers=headers)
    session_id = reply.raise_for_status().json()["checkout_session_id"]
    await steer(product, f"/checkout/sessions/{session_id}/pay", **CARD)
    headers = {"Authorization": "Bearer sk_test_sandbox"}
    async with httpx.AsyncClient(base_url=sandbox_of(product), trust_env=False, headers=headers) as stripe:
        return (await stripe.get(f"/v1/checkout/sessions/{session_id}")).raise_for_status().json()


async def expect_told(page: Page, app: App, *words: str) -> None:
    """The account page says this, as soon as the app was told."""
    for _ in range(TELLING_TRIES_MAX):
        await page.goto(f"{app.url}/account")
        said = await page.locator("main").inner_text()
        if all(each in said for each in words):
            return
        await asyncio.sleep(TELLING_STEP_SECONDS)
    for each in words:
        await expect(page.locator("main")).to_contain_text(each)


async def test_a_stranger_signs_in_chooses_pays_and_is_back_in_the_app(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await choose(page, app)
    await page.wait_for_url(f"{app.url}/?callbackUrl=/pricing")
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    await type_code(page, (await product.mail_to(alice)).code)
    await page.wait_for_url(f"{app.url}/pricing")
    await page.get_by_role("button", name=BUY).click()
    await expect_checkout(page, product)
    await page.get_by_role("link", name=re.compile("^Succeeds")).click()
    await page.get_by_role("button", name=PAY).click()
    await page.wait_for_url(f"{product.url}/billing/return**")
    await expect_heading(page, "Thank you, it is paid")
    await page.get_by_role("link", name="Continue").click()
    await expect_app_account(page, app, alice)
    (purchase,) = await purchases_of(page, app, product)
    assert (purchase["price"], purchase["status"]) == ("credits-100", "paid")


async def test_the_app_is_told_what_was_bought_and_what_went_back(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    checkout = await bought(page, app, product, "credits-100")
    await bought(page, app, product, "starter-monthly")
    payment = f"Payment {checkout['metadata']['tollhouse_purchase']}"
    await expect_told(page, app, payment, "€9.00 for credits", "starter: active", "300")
    await steer(product, "/refunds", payment_intent=checkout["payment_intent"], amount=450)
    await expect_told(page, app, payment, "€9.00 for credits, €4.50 went back")
    await examine(page)


async def test_the_buttons_wait_and_the_way_back_from_stripe_wakes_them(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page, released = await browsers.page(), asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await sign_in_to_the_app(page, app, product, alice)
    await page.route("**/stripe/checkout", hold)
    await choose(page, app)
    await expect(page.get_by_role("button", name="One moment… €9.00")).to_be_disabled()
    assert await page.locator(".offers button:enabled").count() == 0
    released.set()
    await expect_checkout(page, product)
    await page.unroute("**/stripe/checkout")
    await page.go_back()
    await expect(page.get_by_role("button", name=BUY)).to_be_enabled()


async def test_an_expired_token_is_exchanged_and_the_purchase_goes_on(
    browsers: Browsers, app: App, product: Product, example: Path, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    token = await outlive(product, await access_token(page, app))
    await change_tokens(page, app, example, accessToken=token, expiresAt=int(time.time()) + 300)
    await choose(page, app)
    await expect_checkout(page, product)
    assert await access_token(page, app) != token
    assert len(await purchases_of(page, app, product)) == 1


async def test_who_cannot_get_a_new_token_signs_in_and_is_back_at_the_prices(
    browsers: Browsers, app: App, product: Product, example: Path, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    token = await outlive(product, await access_token(page, app))
    await change_tokens(page, app, example, accessToken=token, expiresAt=int(time.time()) + 300, refreshToken=None)
    await choose(page, app)
    await expect(page.get_by_text("Please sign in again.")).to_be_visible()
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{app.url}/pricing")  # Tollhouse still knows her
    await page.get_by_role("button", name=BUY).click()
    await expect_checkout(page, product)


async def test_a_plan_that_somebody_has_is_not_sold_twice(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await bought(page, app, product, "starter-monthly")
    await choose(page, app, SUBSCRIBE)
    await expect(page.locator("main").get_by_role("alert")).to_contain_text("You have this plan already.")
    await expect(page.get_by_role("button", name=SUBSCRIBE)).to_be_enabled()
    await examine(page)
    await page.get_by_role("link", name="Change or end it").click()
    await page.wait_for_url(f"{product.url}/account/billing")
    await expect(page.locator("main")).to_contain_text("Starter")


async def test_a_click_whose_answer_was_lost_and_the_next_one_are_the_same_purchase(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()

    async def lose(route: Route) -> None:
        reply = await route.fetch()
        assert reply.status == 201
        await route.fulfill(status=503, content_type="text/html", body="a proxy's page")

    await sign_in_to_the_app(page, app, product, alice)
    await page.route("**/stripe/checkout", lose)
    await choose(page, app)
    await expect(page.locator("main").get_by_role("alert")).to_contain_text("Nothing was charged.")
    await page.unroute("**/stripe/checkout")
    await page.get_by_role("button", name=BUY).click()
    await expect_checkout(page, product)
    assert len(await purchases_of(page, app, product)) == 1
    await choose(page, app)  # she came back: another click, another purchase
    await expect_checkout(page, product)
    assert len(await purchases_of(page, app, product)) == 2


async def test_the_prices_pass_axe_and_fit_every_screen_with_tollhouse_and_without(
    browsers: Browsers, app: App, offline_app: App
) -> None:
    page = await browsers.page()
    await page.goto(f"{app.url}/pricing")
    await expect(page.get_by_role("button", name=BUY)).to_be_visible()
    await examine(page)
    await page.goto(f"{offline_app.url}/pricing")
    await expect(page.locator("main").get_by_role("alert")).to_contain_text("The prices cannot be shown just now.")
    await examine(page)


async def test_the_way_back_leads_nowhere_but_to_pages_of_the_app(
    app_url: str, offline_app: App, example: Path
) -> None:
    tokens = {"sub": "usr_a", "accessToken": "alive", "expiresAt": int(time.time()) + 300}
    cookies = {COOKIE: seal_session(example, tokens, secret=SECRET)}
    elsewhere = ("//elsewhere.example", "https://elsewhere.example/pricing", "/pricing/../api/token")
    ways = dict.fromkeys(elsewhere, "/account") | {f"{app_url}/pricing": "/pricing"}  # as NextAuth writes it
    async with httpx.AsyncClient(base_url=offline_app.url, trust_env=False, cookies=cookies) as http:
        for asked, led in ways.items():
            reply = await http.get("/", params={"callbackUrl": asked})
            assert (reply.status_code, reply.headers["location"]) == (307, led)
