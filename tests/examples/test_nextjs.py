"""The Next.js example signs people in by its own field, keeps them signed in, and signs them out everywhere."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser.looks import examine
from tests.browser.people import Browsers, expect_heading, is_signed_in, type_code
from tests.browser.product import Mail, Product
from tests.support.children import free_port

from .conftest import DUE_SECONDS, App, StartApp

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser, pytest.mark.slow]

SIGNED_OUT = "You have been signed out. Please sign in again."


async def ask_in_the_app(page: Page, app: App, product: Product, address: str) -> Mail:
    await page.goto(app.url)
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    return await product.mail_to(address)


async def sign_in_to_the_app(page: Page, app: App, product: Product, address: str) -> None:
    mail = await ask_in_the_app(page, app, product, address)
    await page.goto(mail.link)
    await expect_app_account(page, app, address)


async def expect_app_account(page: Page, app: App, address: str) -> None:
    await page.wait_for_url(f"{app.url}/account")
    await expect(page.locator("main")).to_contain_text(f"Signed in as {address}.")


async def access_token(page: Page, app: App) -> str:
    reply = await page.request.get(f"{app.url}/api/token")
    assert reply.status == 200, await reply.text()
    return (await reply.json())["access_token"]


async def greet(page: Page, app: App, token: str) -> int:
    reply = await page.request.get(f"{app.url}/api/greeting", headers={"Authorization": f"Bearer {token}"})
    return reply.status


async def ask_tollhouse(product: Product, token: str) -> int:
    reply = await product.client.get("/auth/whoami", headers={"Authorization": f"Bearer {token}"})
    return reply.status_code


async def copy_session(page: Page, other: Page, app: App) -> None:
    """Give another browser the app's session, as a thief would; cookies know no ports."""
    pairs = {each.get("name", ""): each.get("value", "") for each in await page.context.cookies(app.url)}
    taken = {name: value for name, value in pairs.items() if name.startswith("next-auth.session-token")}
    assert taken
    await other.context.add_cookies([{"name": name, "value": taken[name], "url": app.url} for name in taken])


async def id_token(page: Page, app: App) -> str:
    """The one piece of it that leaves the server: the hint that signing out passes on."""
    reply = await page.request.get(f"{app.url}/api/sign-out-url")
    (hint,) = parse_qs(urlsplit((await reply.json())["url"]).query)["id_token_hint"]
    return hint


async def test_a_person_is_back_in_the_app_by_the_link(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await expect(page.locator("dd")).to_contain_text(["usr_", "ses_"])
    session = await (await page.request.get(f"{app.url}/api/auth/session")).json()
    assert session["user"]["email"] == alice
    assert set(session) == {"user", "expires"}, "no token is shown to a browser's script"
    await page.goto(app.url)
    await page.wait_for_url(f"{app.url}/account")
    assert len(await product.mails_to(alice)) == 1


async def test_a_stranger_sees_the_form_and_gets_no_token(browsers: Browsers, app: App) -> None:
    page = await browsers.page()
    await page.goto(f"{app.url}/account")
    await page.wait_for_url(f"{app.url}/")
    await expect(page.get_by_label("E-mail address")).to_be_visible()
    assert (await page.request.get(f"{app.url}/api/token")).status == 401
    assert await (await page.request.get(f"{app.url}/api/auth/session")).json() == {}


async def test_a_link_opened_in_another_browser_sends_back_and_the_code_finishes_it(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page, other = await browsers.page(), await browsers.page()
    mail = await ask_in_the_app(page, app, product, alice)
    await other.goto(mail.link)
    await expect_heading(other, "Go back to where you started")
    assert not await is_signed_in(other, product)
    await type_code(page, mail.code)
    await expect_app_account(page, app, alice)


async def test_whoever_is_signed_in_at_tollhouse_needs_no_mail_and_nobody_else_is_sent_one(
    browsers: Browsers, app: App, product: Product, alice: str, bob: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await page.context.clear_cookies(name=re.compile("^next-auth"))
    await page.goto(app.url)
    await page.get_by_label("E-mail address").fill(bob)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/sign-in?*")
    await expect(page.get_by_text("You are signed in as")).to_be_visible()
    await expect(page.get_by_label("E-mail address")).to_have_value(bob)
    await page.goto(app.url)
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await expect_app_account(page, app, alice)
    assert (len(await product.mails_to(alice)), len(await product.mails_to(bob))) == (1, 0)


async def test_the_back_button_leads_to_a_form_that_works(
    browsers: Browsers, app: App, product: Product, alice: str, bob: str
) -> None:
    page = await browsers.page()
    await ask_in_the_app(page, app, product, alice)
    await page.go_back()
    await page.get_by_label("E-mail address").fill(bob)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    await type_code(page, (await product.mail_to(bob)).code)
    await expect_app_account(page, app, bob)


async def test_the_protected_route_wants_an_access_token_and_nothing_else(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    await page.get_by_role("button", name="Call it").click()
    await expect(page.get_by_role("status")).to_have_text(f"Hello {alice}")
    token = await access_token(page, app)
    assert await greet(page, app, token) == 200
    body = token.split(".")[1]
    assert await greet(page, app, token.replace(body, body[:-4] + "AAAA")) == 401
    assert await greet(page, app, await id_token(page, app)) == 401
    refused = await page.request.get(f"{app.url}/api/greeting")
    assert (refused.status, refused.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


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
    await copy_session(page, tab, replica)
    await asyncio.sleep(DUE_SECONDS)
    tokens = await asyncio.gather(access_token(page, app), access_token(tab, replica))
    assert tokens[0] != tokens[1], "each process asked"
    assert [await ask_tollhouse(product, token) for token in tokens] == [200, 200], "what was granted lives"


async def test_signing_out_ends_it_everywhere(browsers: Browsers, app: App, product: Product, alice: str) -> None:
    page, thief = await browsers.page(), await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    token = await access_token(page, app)
    assert await ask_tollhouse(product, token) == 200
    await copy_session(page, thief, app)
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(f"{app.url}/")
    await expect(page.get_by_label("E-mail address")).to_be_visible()
    assert (await page.request.get(f"{app.url}/api/token")).status == 401
    assert not await is_signed_in(page, product)
    await asyncio.sleep(DUE_SECONDS)
    assert await ask_tollhouse(product, token) == 401
    await thief.goto(f"{app.url}/account")
    await expect(thief.get_by_text(SIGNED_OUT)).to_be_visible()


async def test_a_session_ended_at_tollhouse_ends_in_the_app_and_a_new_sign_in_helps(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await sign_in_to_the_app(page, app, product, alice)
    assert (await page.request.post(f"{product.url}/auth/sign-out")).ok
    await asyncio.sleep(DUE_SECONDS)
    await page.goto(f"{app.url}/account")
    await expect(page.get_by_text(SIGNED_OUT)).to_be_visible()
    assert (await page.request.get(f"{app.url}/api/token")).status == 401
    await examine(page)
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    await type_code(page, (await product.mail_to(alice, number=2)).code)
    await expect_app_account(page, app, alice)


async def test_the_pages_pass_axe_and_fit_every_screen(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await page.goto(app.url)
    await examine(page)
    await page.goto(f"{app.url}/?error=OAuthCallback")
    await expect(page.get_by_text("Please start again here.")).to_be_visible()
    await examine(page)
    await sign_in_to_the_app(page, app, product, alice)
    await examine(page)


async def test_without_tollhouse_the_form_says_that_it_is_not_possible_now(
    browsers: Browsers, start_app: StartApp
) -> None:
    app = start_app(f"http://localhost:{free_port()}", f"http://localhost:{free_port()}")
    page = await browsers.page()
    await page.goto(app.url)
    await page.get_by_label("E-mail address").fill("alice@example.com")
    await page.get_by_role("button", name="Send me a link").click()
    await expect(page.get_by_text("Signing in is not possible just now.")).to_be_visible()
