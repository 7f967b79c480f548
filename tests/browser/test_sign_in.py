"""Signing in as people do it: the address, the mail, the link or its code."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import CDPSession, Locator, Page, Request, async_playwright, expect

from .people import (
    ON_BOTH_SCREENS,
    Browsers,
    Watch,
    ask_for_mail,
    expect_account,
    expect_heading,
    is_signed_in,
    sign_in,
    type_code,
)
from .product import Product

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]


@ON_BOTH_SCREENS
async def test_from_an_address_to_a_page_that_knows_you(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    mail = await ask_for_mail(page, product, alice)
    await expect_heading(page, "Check your mail")
    assert mail.link.startswith(f"{product.url}/auth/callback#")
    await page.goto(mail.link)
    await expect_account(page, product, alice)


async def test_the_session_outlives_the_browser(
    chromium_path: str, product: Product, watch: Watch, tmp_path: Path, alice: str
) -> None:
    async with async_playwright() as playwright:
        start = playwright.chromium.launch_persistent_context
        for is_first in (True, False):
            context = await start(tmp_path / "profile", executable_path=chromium_path, args=["--no-sandbox"])
            await watch.over(context)
            page = context.pages[0]
            if is_first:
                await sign_in(page, product, alice)
            await page.goto(f"{product.url}/account")
            await expect_account(page, product, alice)
            await context.close()


@ON_BOTH_SCREENS
async def test_a_link_in_another_browser_names_the_account_and_waits(
    browsers: Browsers, product: Product, alice: str
) -> None:
    mail = await ask_for_mail(await browsers.page(), product, alice)
    other = await browsers.page()
    await other.goto(mail.link)
    await expect_heading(other, "Is this you?")
    assert not await is_signed_in(other, product)
    button = other.get_by_role("button", name="Sign in as a")
    await expect(button).to_contain_text("@example.com")
    await expect(other.locator("main")).not_to_contain_text(alice)
    await button.click()
    await expect_account(other, product, alice)


@ON_BOTH_SCREENS
@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
async def test_the_code_signs_in_where_the_mail_was_asked_for(
    browsers: Browsers, product: Product, alice: str, script: bool
) -> None:
    page = await (browsers.page() if script else browsers.new_page(script=False))
    mail = await ask_for_mail(page, product, alice)
    await type_code(page, f"{mail.code[:3]} {mail.code[3:]}")
    await expect_account(page, product, alice)


@ON_BOTH_SCREENS
async def test_without_script_the_link_asks_for_the_code(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.new_page(script=False)
    mail = await ask_for_mail(page, product, alice)
    await page.goto(mail.link)
    await expect_heading(page, "Type the code from your mail")
    await type_code(page, mail.code)
    await expect_account(page, product, alice)


async def test_a_robot_that_presses_the_button_gains_nothing(browsers: Browsers, product: Product, alice: str) -> None:
    page, robot = await browsers.page(), await browsers.page()
    mail = await ask_for_mail(page, product, alice)
    await robot.goto(mail.link)
    await robot.get_by_role("button", name="Sign in as").click()
    await expect_account(robot, product, alice)
    await type_code(page, mail.code)
    await expect_account(page, product, alice)
    assert not await is_signed_in(robot, product)
    await robot.reload()
    await expect_heading(robot, "Sign in to Harbour Notes")


@pytest.mark.parametrize(
    "spelling",
    ["/auth/callback%23{}", "/auth/callback/{}", "/auth/callback%23{}?utm_source=mail", "/auth/callback#{}&x=1"],
)
async def test_a_link_that_a_gateway_rewrote_still_signs_in(
    browsers: Browsers, product: Product, alice: str, spelling: str
) -> None:
    page = await browsers.page()
    mail = await ask_for_mail(page, product, alice)
    await page.goto(product.url + spelling.format(mail.token))
    await expect_account(page, product, alice)


async def test_a_link_without_its_fragment_asks_for_the_code(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    mail = await ask_for_mail(page, product, alice)
    await page.goto(f"{product.url}/auth/callback")
    await expect_heading(page, "Type the code from your mail")
    await type_code(page, mail.code)
    await expect_account(page, product, alice)


@ON_BOTH_SCREENS
async def test_signed_in_as_somebody_else_a_link_asks_which(
    browsers: Browsers, product: Product, alice: str, bob: str
) -> None:
    page = await browsers.page()
    await sign_in(page, product, bob)
    mail = await ask_for_mail(page, product, alice)
    await page.goto(mail.link)
    await expect_heading(page, "Change account?")
    await page.get_by_role("link", name="Stay signed in").click()
    await expect_account(page, product, bob)
    await page.goto(mail.link)
    await page.get_by_role("button", name="Sign in as a").click()
    await expect_account(page, product, alice)


async def test_a_double_click_sends_one_mail_and_signs_in_once(
    browsers: Browsers, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await page.goto(f"{product.url}/auth/sign-in")
    await page.get_by_label("E-mail address").fill(alice)
    await click_twice(page.get_by_role("button", name="Send me a link"))
    await page.wait_for_url("**/auth/check-your-email")
    mail = await product.mail_to(alice)
    await page.get_by_label("6-digit code").fill(mail.code)
    await click_twice(page.get_by_role("button", name="Sign in", exact=True))
    await expect_account(page, product, alice)
    assert len(await product.mails_to(alice)) == 1
    devices = await (await page.request.get(f"{product.url}/auth/sessions")).json()
    assert len(devices["sessions"]) == 1


async def click_twice(button: Locator) -> None:
    """Click as an impatient hand does, while a slow network still holds the first request."""
    line = await slow_line(button.page)
    box = await button.bounding_box()
    assert box is not None
    for _ in range(2):
        await button.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await asyncio.sleep(0.15)
    await line.detach()


async def slow_line(page: Page) -> CDPSession:
    """A network that takes half a second to answer, until it is detached."""
    line = await page.context.new_cdp_session(page)
    await line.send("Network.enable")
    slow = {"offline": False, "latency": 500, "downloadThroughput": -1, "uploadThroughput": -1}
    await line.send("Network.emulateNetworkConditions", slow)
    return line


async def test_going_back_after_signing_in_breaks_nothing(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    posts: list[str] = []

    def note(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/auth/callback"):
            posts.append(request.url)

    await sign_in(page, product, alice)
    page.on("request", note)
    await page.go_back()
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.goto(f"{product.url}/account")
    await expect_account(page, product, alice)
    assert not posts


async def test_the_keyboard_alone_is_enough(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await page.goto(f"{product.url}/auth/sign-in")
    await expect(page.get_by_label("E-mail address")).to_be_focused()
    await page.keyboard.type(alice)
    await page.keyboard.press("Enter")
    mail = await product.mail_to(alice)
    await page.wait_for_url("**/auth/check-your-email")
    await page.keyboard.press("Tab")
    await expect(page.get_by_label("6-digit code")).to_be_focused()
    await page.keyboard.type(mail.code)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await expect_account(page, product, alice)


async def test_no_script_can_read_the_cookies(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await sign_in(page, product, alice)
    assert await page.evaluate("document.cookie") == ""
    cookies = {cookie.get("name"): cookie for cookie in await page.context.cookies(product.url)}
    assert set(cookies) == {"tollhouse", "tollhouse-browser"}
    for cookie in cookies.values():
        assert cookie.get("httpOnly") is True
        assert cookie.get("sameSite") == "Lax"
        assert cookie.get("path") == "/"
        assert (cookie.get("expires") or -1) > 0  # persistent
