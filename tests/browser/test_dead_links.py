"""Links and codes that do not work any more: each page says why, and has a way on."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from .people import (
    ON_BOTH_SCREENS,
    Browsers,
    ask_for_mail,
    be_mailed,
    be_signed_in,
    expect_account,
    expect_heading,
    is_signed_in,
    type_code,
)
from .product import Product

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]

EXPIRED_SECONDS = 601
GAP_SECONDS = 31


@ON_BOTH_SCREENS
async def test_an_expired_link_is_one_click_from_a_new_mail(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    mail = await be_mailed(page, product, alice, following="/account?tab=devices")
    await product.turn_clock(EXPIRED_SECONDS)
    await page.goto(mail.link)
    await expect_heading(page, "This link has expired")
    await page.get_by_role("button", name="Send a new mail").click()
    await expect_heading(page, "Check your mail")
    new = await product.mail_to(alice, number=2)
    await page.goto(new.link)
    await page.wait_for_url(f"{product.url}/account?tab=devices")
    assert await is_signed_in(page, product)


async def test_an_expired_link_elsewhere_sends_no_mail_but_has_a_way_on(
    browsers: Browsers, product: Product, alice: str
) -> None:
    mail = await be_mailed(await browsers.page(), product, alice)
    await product.turn_clock(EXPIRED_SECONDS)
    other = await browsers.page()
    await other.goto(mail.link)
    await expect_heading(other, "This link has expired")
    await other.get_by_role("button", name="Send a new mail").click()
    await expect(other.locator("main")).to_contain_text("This link cannot be renewed here")
    await other.get_by_role("link", name="Ask for a new link").click()
    await expect_heading(other, "Sign in to Harbour Notes")
    assert len(await product.mails_to(alice)) == 1


async def test_a_link_that_expired_while_its_page_was_open_is_one_click_from_a_new_mail(
    browsers: Browsers, product: Product, alice: str, bob: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, bob)
    mail = await be_mailed(page, product, alice)
    await page.goto(mail.link)
    await expect_heading(page, "Change account?")
    await product.turn_clock(EXPIRED_SECONDS)
    await page.get_by_role("button", name="Sign in as a").click()
    await expect_heading(page, "This link has expired")
    await page.get_by_role("button", name="Send a new mail").click()
    await expect_heading(page, "Check your mail")
    await type_code(page, (await product.mail_to(alice, number=2)).code)
    await expect_account(page, product, alice)


@ON_BOTH_SCREENS
async def test_a_reused_link_says_so_and_signs_nobody_in(browsers: Browsers, product: Product, alice: str) -> None:
    mail = await be_signed_in(await browsers.page(), product, alice)
    other = await browsers.page()
    await other.goto(mail.link)
    await expect_heading(other, "This link was already used")
    assert not await is_signed_in(other, product)
    await other.get_by_role("link", name="go to your account").click()
    await expect_heading(other, "Sign in to Harbour Notes")


async def test_a_replaced_link_leads_to_the_newer_mail(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    old = await be_mailed(page, product, alice)
    await product.turn_clock(GAP_SECONDS)
    new = await be_mailed(page, product, alice)
    await page.goto(old.link)
    await expect_heading(page, "There is a newer mail")
    assert not await is_signed_in(page, product)
    await page.goto(new.link)
    await expect_account(page, product, alice)


async def test_a_link_that_is_none_of_ours_leads_back_to_the_start(browsers: Browsers, product: Product) -> None:
    page = await browsers.page()
    await page.goto(f"{product.url}/auth/callback#{'x' * 42}A")
    await expect_heading(page, "This link does not work")
    await page.get_by_role("link", name="Ask for a new mail").click()
    await expect_heading(page, "Sign in to Harbour Notes")


@ON_BOTH_SCREENS
async def test_a_wrong_code_tells_the_tries_left_and_five_lock_it(
    browsers: Browsers, product: Product, alice: str
) -> None:
    page = await browsers.page()
    mail = await ask_for_mail(page, product, alice)
    for left in ("4 tries", "3 tries", "2 tries", "1 try"):
        await type_code(page, mail.wrong_code)
        await expect(page.get_by_label("6-digit code")).to_have_accessible_description(
            f"This is not the code from the newest mail. {left} left."
        )
    await type_code(page, mail.wrong_code)
    await expect(page.get_by_role("link", name="Ask for a new link")).to_be_visible()
    await page.goto(f"{product.url}/auth/check-your-email")
    await type_code(page, mail.code)  # right, but too late
    await expect(page.locator("main")).to_contain_text("Too many wrong codes")
    assert not await is_signed_in(page, product)
    await page.get_by_role("link", name="Ask for a new link").click()
    await expect_heading(page, "Sign in to Harbour Notes")


async def test_a_code_typed_where_nobody_asked_says_where_it_belongs(
    browsers: Browsers, product: Product, alice: str
) -> None:
    mail = await ask_for_mail(await browsers.page(), product, alice)
    other = await browsers.page()
    await other.goto(f"{product.url}/auth/check-your-email")
    await type_code(other, mail.code)
    await expect(other.locator("main")).to_contain_text("No mail was asked for in this browser")
    assert not await is_signed_in(other, product)
    await expect(other.get_by_role("link", name="Ask for a new link")).to_be_visible()


@ON_BOTH_SCREENS
async def test_asking_too_often_says_how_long_to_wait(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await ask_for_mail(page, product, alice)
    await page.goto(f"{product.url}/auth/sign-in")
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await expect_heading(page, "Too many requests")
    await expect(page.locator("main")).to_contain_text("Please try again in")
    assert len(await product.mails_to(alice)) == 1
    await page.get_by_role("link", name="Type the code").click()
    await type_code(page, (await product.mail_to(alice)).code)
    await expect_account(page, product, alice)


async def test_what_is_no_address_is_said_at_the_field(browsers: Browsers, product: Product) -> None:
    page = await browsers.page()
    await page.goto(f"{product.url}/auth/sign-in?next=/account%3Fa=1")
    field = page.get_by_label("E-mail address")
    await field.fill("alice@example")  # the browser lets it pass
    await page.get_by_role("button", name="Send me a link").click()
    await expect(field).to_have_accessible_description("This is not an e-mail address that we can send to.")
    await expect(field).to_have_value("alice@example")
    assert await page.locator("input[name=next]").input_value() == "/account?a=1"
