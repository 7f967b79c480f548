"""The account page: devices, signing out, deleting the account."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from .people import (
    ON_BOTH_SCREENS,
    Browsers,
    ask_for_mail,
    be_signed_in,
    expect_account,
    expect_heading,
    is_signed_in,
    type_code,
)
from .product import Product

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]

STALE_SECONDS = 16 * 60
GAP_SECONDS = 31


async def sign_in_on_another(browsers: Browsers, product: Product, address: str) -> Page:
    await product.turn_clock(GAP_SECONDS)
    page = await browsers.page()
    await be_signed_in(page, product, address)
    return page


async def test_signing_out_ends_the_session(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect_heading(page, "You are signed out")
    assert not await is_signed_in(page, product)
    await page.go_back()
    await page.reload()
    await expect_heading(page, "Sign in to Harbour Notes")
    await page.goto(f"{product.url}/auth/signed-out")
    await page.get_by_role("link", name="Sign in again").click()
    await expect_heading(page, "Sign in to Harbour Notes")


@ON_BOTH_SCREENS
async def test_one_device_ends_another(browsers: Browsers, product: Product, alice: str) -> None:
    lost, page = await browsers.page(), await browsers.page()
    await be_signed_in(lost, product, alice)
    await product.turn_clock(GAP_SECONDS)
    await be_signed_in(page, product, alice)
    await expect(page.get_by_role("listitem")).to_have_count(2)
    await page.get_by_role("listitem").get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("listitem")).to_have_count(1)
    assert await is_signed_in(page, product)
    await lost.reload()
    await expect_heading(lost, "Sign in to Harbour Notes")


async def test_all_other_devices_end_at_once(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    others = [await sign_in_on_another(browsers, product, alice) for _ in range(2)]
    await page.reload()
    await page.get_by_role("button", name="Sign out all other devices").click()
    await expect(page.get_by_role("listitem")).to_have_count(1)
    assert await is_signed_in(page, product)
    assert [await is_signed_in(other, product) for other in others] == [False, False]


@ON_BOTH_SCREENS
async def test_a_fresh_sign_in_can_delete_the_account(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await page.get_by_role("link", name="Delete my account").click()
    await expect_heading(page, "Delete your account?")
    await page.get_by_role("button", name="Delete my account").click()
    await expect_heading(page, "Delete your account?")  # the browser wants the box ticked
    assert await is_signed_in(page, product)
    await page.get_by_label("Yes, delete my account for good").check()
    await page.get_by_role("button", name="Delete my account").click()
    await expect_heading(page, "Your account is deleted")
    assert not await is_signed_in(page, product)


async def test_a_stale_sign_in_must_be_renewed_before_deleting(
    browsers: Browsers, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await product.turn_clock(STALE_SECONDS)
    await page.get_by_role("link", name="Delete my account").click()
    await expect(page.get_by_role("button", name="Delete my account")).to_have_count(0)
    await page.get_by_role("link", name="Sign in again").click()
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await page.goto((await product.mail_to(alice, number=2)).link)
    await page.wait_for_url(f"{product.url}/account/delete")
    await expect(page.get_by_role("button", name="Delete my account")).to_be_visible()


async def test_a_sign_in_that_grew_stale_on_the_page_deletes_nothing(
    browsers: Browsers, product: Product, alice: str
) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await page.goto(f"{product.url}/account/delete")
    await page.get_by_label("Yes, delete my account for good").check()
    await product.turn_clock(STALE_SECONDS)
    await page.get_by_role("button", name="Delete my account").click()
    await expect_heading(page, "Please sign in once more")
    assert await is_signed_in(page, product)
    await page.get_by_role("link", name="Sign in again").click()
    assert await page.locator("input[name=next]").input_value() == "/account/delete"


async def test_who_is_deleted_can_come_back_as_somebody_new(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    before = await (await page.request.get(f"{product.url}/auth/session")).json()
    await page.goto(f"{product.url}/account/delete")
    await page.get_by_label("Yes, delete my account for good").check()
    await page.get_by_role("button", name="Delete my account").click()
    await expect_heading(page, "Your account is deleted")
    await product.turn_clock(GAP_SECONDS)
    mail = await ask_for_mail(page, product, alice)
    await type_code(page, mail.code)
    await expect_account(page, product, alice)
    after = await (await page.request.get(f"{product.url}/auth/session")).json()
    assert after["user_id"] != before["user_id"]
