"""The states of the pages behind the gate, and of the mail catcher; importing this adds them to `STATES`."""

from __future__ import annotations

from playwright.async_api import Page

from .people import Browsers, be_mailed, expect_heading, new_address
from .product import Product
from .states import STALE_SECONDS, opened, signed_in, state


@state
async def account(browsers: Browsers, product: Product) -> Page:
    return await signed_in(browsers, product)


@state
async def account_with_devices(browsers: Browsers, product: Product) -> Page:
    address = new_address("alice")
    for _ in range(2):
        await signed_in(browsers, product, address)
        await product.turn_clock(2 * STALE_SECONDS)
    return await signed_in(browsers, product, address)


@state
async def delete_fresh(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await page.goto(f"{product.url}/account/delete")
    return page


@state
async def delete_stale(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await product.turn_clock(STALE_SECONDS)
    await page.goto(f"{product.url}/account/delete")
    return page


@state
async def deleted(browsers: Browsers, product: Product) -> Page:
    page = await delete_fresh(browsers, product)
    await page.get_by_label("Yes, delete my account for good").check()
    await page.get_by_role("button", name="Delete my account").click()
    await expect_heading(page, "Your account is deleted")
    return page


@state
async def delete_signed_out(browsers: Browsers, product: Product) -> Page:
    return await opened(browsers, product, "/account/delete")


@state
async def signed_out(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await expect_heading(page, "You are signed out")
    return page


@state
async def not_found(browsers: Browsers, product: Product) -> Page:
    return await opened(browsers, product, "/auth/no-such-page")


@state
async def front_door(browsers: Browsers, product: Product) -> Page:
    return await opened(browsers, product, "/")


@state
async def mail_list(browsers: Browsers, product: Product) -> Page:
    await be_mailed(await browsers.page(), product, new_address("alice"))
    return await opened(browsers, product, "/dev/mail")


@state
async def mail(browsers: Browsers, product: Product) -> Page:
    page = await mail_list(browsers, product)
    await page.get_by_role("listitem").first.get_by_role("link").click()
    await page.get_by_role("link", name="Open the link").wait_for()
    return page


@state
async def mail_as_html(browsers: Browsers, product: Product) -> Page:
    page = await mail(browsers, product)
    address = await page.locator("iframe").first.get_attribute("src")
    await page.goto(f"{product.url}{address}")
    return page
