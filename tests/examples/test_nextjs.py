"""The Next.js example signs people in by its own field, and lets nobody else in."""

from __future__ import annotations

import re
import time

import pytest
from playwright.async_api import expect

from tests.access.forging import Signer, document_of
from tests.browser.looks import examine
from tests.browser.people import Browsers, expect_heading, is_signed_in, type_code
from tests.browser.product import Product
from tests.support.children import free_port
from tests.support.hostile_issuer import HostileIssuer, serve

from .conftest import App, StartApp
from .visits import access_token, ask_in_the_app, expect_app_account, greet, id_token, sign_in_to_the_app

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser, pytest.mark.slow]


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


@pytest.mark.parametrize("email", [{"email": None}, {}], ids=["null", "absent"])
async def test_a_caller_whose_token_names_no_address_is_greeted_by_the_user_id(
    browsers: Browsers, start_app: StartApp, email: dict[str, None]
) -> None:
    signer, page = Signer("ES256"), await browsers.page()
    async with HostileIssuer(serve(document_of(signer))) as issuer:
        url, now = issuer.url(""), int(time.time())
        app = start_app(f"http://localhost:{free_port()}", url)
        token = signer.sign({"iss": url, "aud": url, "sub": "usr_a", "iat": now, "exp": now + 60} | email, typ="at+jwt")
        reply = await page.request.get(f"{app.url}/api/greeting", headers={"Authorization": f"Bearer {token}"})
        assert (reply.status, await reply.json()) == (200, {"greeting": "Hello usr_a", "user_id": "usr_a"})


async def test_the_pages_pass_axe_and_fit_every_screen(
    browsers: Browsers, app: App, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await page.goto(app.url)
    await examine(page)
    await page.goto(f"{app.url}/?error=OAuthCallback")
    await expect(page.get_by_text("Please start again here.")).to_be_visible()
    await page.goto(f"{app.url}/?error=constructor")
    await expect(page.get_by_text("Signing in did not work.")).to_be_visible()
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
