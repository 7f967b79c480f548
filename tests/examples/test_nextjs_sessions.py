"""In the Next.js example a session lasts while Tollhouse renews it, and is over when Tollhouse or the time says so."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.looks import examine
from tests.browser.people import Browsers, expect_heading, is_signed_in, type_code
from tests.browser.product import Product
from tests.support.children import free_port

from .conftest import DUE_SECONDS, App, StartApp
from .visits import (
    access_token,
    ask_tollhouse,
    change_tokens,
    expect_app_account,
    put_session,
    sign_in_to_the_app,
    take_session,
)

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser, pytest.mark.slow]

SIGN_IN_AGAIN = "Please sign in again."


async def expect_nobody(page: Page, app: App) -> None:
    """To scripts nobody is signed in."""
    assert (await page.request.get(f"{app.url}/api/token")).status == 401
    assert await (await page.request.get(f"{app.url}/api/auth/session")).json() == {}, "what `useSession` goes by"


async def test_tokens_are_exchanged_when_due_and_not_before(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    first = await access_token(page, app)
    assert await access_token(page, app) == first
    await asyncio.sleep(DUE_SECONDS)
    second = await access_token(page, app)
    assert second != first
    await page.goto(f"{app.url}/account")
    await expect(page.locator("dd")).to_contain_text(["usr_", "ses_"])
    await asyncio.sleep(DUE_SECONDS)
    assert await access_token(page, app) not in (first, second), "the refresh token of before was kept as well"


async def test_many_tabs_share_one_exchange(browsers: Browsers, app: App, product: Product, alice: str) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await asyncio.sleep(DUE_SECONDS)
    tokens = await asyncio.gather(*(access_token(page, app) for _ in range(8)))
    assert len(set(tokens)) == 1


async def test_two_processes_may_exchange_the_same_token(
    browsers: Browsers, app: App, product: Product, alice: str, start_app: StartApp
) -> None:
    replica = start_app(f"http://localhost:{free_port()}", product.url, public_url=app.url)
    page, tab = await browsers.page(), await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await put_session(tab, replica, await take_session(page, app))
    await asyncio.sleep(DUE_SECONDS)
    tokens = await asyncio.gather(access_token(page, app), access_token(tab, replica))
    assert tokens[0] != tokens[1], "each process asked"
    assert [await ask_tollhouse(product, token) for token in tokens] == [200, 200], "what was granted lives"


async def test_signing_out_ends_it_everywhere(browsers: Browsers, app: App, product: Product, alice: str) -> None:
    page, thief = await browsers.page(), await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    token = await access_token(page, app)
    assert await ask_tollhouse(product, token) == 200
    await put_session(thief, app, await take_session(page, app))
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{app.url}/")
    await expect(page.get_by_label("E-mail address")).to_be_visible()
    assert (await page.request.get(f"{app.url}/api/token")).status == 401
    assert not await is_signed_in(page, product)
    await asyncio.sleep(DUE_SECONDS)
    assert await ask_tollhouse(product, token) == 401
    await thief.goto(f"{app.url}/account")
    await expect(thief.get_by_text(SIGN_IN_AGAIN)).to_be_visible()


async def test_a_session_ended_at_tollhouse_ends_in_the_app_and_a_new_sign_in_helps(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    assert (await page.request.post(f"{product.url}/auth/sign-out")).ok
    await asyncio.sleep(DUE_SECONDS)
    await page.goto(f"{app.url}/account")
    await expect(page.get_by_text(SIGN_IN_AGAIN)).to_be_visible()
    await expect_nobody(page, app)
    await examine(page)
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    await type_code(page, (await product.mail_to(alice, number=2)).code)
    await expect_app_account(page, app, alice)


async def test_without_a_refresh_token_it_is_over_when_the_access_token_is(
    browsers: Browsers, app: App, product: Product, example: Path, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await change_tokens(page, app, example, refreshToken=None)
    await page.goto(f"{app.url}/account")
    await expect_app_account(page, app, alice)
    await change_tokens(page, app, example, expiresAt=int(time.time()))
    await page.goto(f"{app.url}/account")
    await expect(page.get_by_text(SIGN_IN_AGAIN)).to_be_visible()
    await expect_nobody(page, app)


async def test_while_tollhouse_cannot_be_reached_nobody_is_signed_in_by_tokens_that_have_ended(
    browsers: Browsers, app: App, offline_app: App, product: Product, example: Path, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await change_tokens(page, app, example, expiresAt=int(time.time()))
    await page.goto(f"{offline_app.url}/account")
    await expect(page.get_by_text("Your sign-in cannot be checked just now.")).to_be_visible()
    await expect_nobody(page, offline_app)
    await examine(page)
    await page.goto(f"{app.url}/account")
    await expect_app_account(page, app, alice)


async def test_while_tollhouse_cannot_be_reached_a_living_token_is_still_good(
    browsers: Browsers, app: App, offline_app: App, product: Product, example: Path, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await change_tokens(page, app, example, expiresAt=int(time.time()) + 20)
    await page.goto(f"{offline_app.url}/account")
    await expect(page.locator("main")).to_contain_text([f"Signed in as {alice}."])
    await expect(page.get_by_text("Nothing just now.")).to_be_visible()
    await examine(page)


async def test_a_page_that_asks_tollhouse_notices_an_end_before_the_token_does(
    browsers: Browsers, app: App, product: Product, example: Path, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await change_tokens(page, app, example, expiresAt=int(time.time()) + 300)
    assert (await page.request.post(f"{product.url}/auth/sign-out")).ok
    await asyncio.sleep(DUE_SECONDS)
    await page.goto(f"{app.url}/account")
    await expect(page.get_by_text(SIGN_IN_AGAIN)).to_be_visible()
    await expect(page.get_by_label("E-mail address")).to_be_visible()


async def test_after_a_token_that_came_twice_signing_out_still_ends_the_session_at_tollhouse(
    browsers: Browsers, app: App, product: Product, start_app: StartApp, alice: str
) -> None:
    replica = start_app(f"http://localhost:{free_port()}", product.url, public_url=app.url)
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    stale = await take_session(page, app)
    for _ in range(2):  # the second uses the new refresh token, and there is no grace for the first one any more
        await asyncio.sleep(DUE_SECONDS)
        await access_token(page, app)
    await put_session(page, replica, stale)
    await page.goto(f"{replica.url}/account")
    await expect(page.get_by_text(SIGN_IN_AGAIN)).to_be_visible()
    await expect_nobody(page, replica)
    await examine(page)
    assert await is_signed_in(page, product), "only what the app was granted has ended"
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{app.url}/")
    await expect_heading(page, "Sign in")
    await expect(page.get_by_text(SIGN_IN_AGAIN)).to_be_hidden()
    assert not await is_signed_in(page, product)
