"""Buying as a person does it: from the price to what was bought, with script and without."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from .people import ON_BOTH_SCREENS, Browsers, be_mailed, be_signed_in, expect_heading
from .product import Product
from .states_billing import CARD, begun, come_back, sandbox_of, steer

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]

PAY = re.compile("^(Pay|Subscribe|Start)")


async def choose(page: Page, product: Product) -> None:
    """Go from the pricing page to Stripe's."""
    await page.goto(f"{product.url}/billing/pricing")
    await page.get_by_role("button", name="Choose monthly Starter").click()
    await page.wait_for_url(f"{sandbox_of(product)}/**")


@ON_BOTH_SCREENS
async def test_a_stranger_ends_up_with_a_plan(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await page.goto(f"{product.url}/billing/pricing")
    await page.get_by_role("link", name="Choose monthly Starter").click()
    await expect_heading(page, "Sign in to Harbour Notes")
    mail = await be_mailed(page, product, alice, following="/billing/pricing")
    await page.goto(mail.link)
    await page.wait_for_url(f"{product.url}/billing/pricing")
    await choose(page, product)
    await page.get_by_role("link", name=re.compile("^Succeeds")).click()
    await page.get_by_role("button", name=PAY).click()
    await page.wait_for_url(f"{product.url}/billing/return**")
    await expect_heading(page, "Thank you, it is paid")
    await page.get_by_role("link", name="Continue").click()
    await page.wait_for_url(f"{product.url}/account/billing")
    await expect(page.locator("main")).to_contain_text("Renews on")
    await page.get_by_role("button", name="Manage plan and cards").click()
    await page.wait_for_url(f"{sandbox_of(product)}/**")
    await page.goto(f"{product.url}/billing/pricing")
    await expect(page.get_by_text("This is what you have")).to_be_visible()


async def test_whoever_goes_back_comes_to_the_same_page_again(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    await choose(page, product)
    first = page.url
    await choose(page, product)
    assert page.url == first


async def test_it_works_without_script(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.new_page(script=False)
    await be_signed_in(page, product, alice)
    await choose(page, product)


async def test_a_page_that_waits_notices_the_money(browsers: Browsers, product: Product, alice: str) -> None:
    page = await browsers.page()
    await be_signed_in(page, product, alice)
    session_id = await begun(page, product, "credits-100")
    await come_back(page, product, session_id)
    await expect_heading(page, "This is not paid yet")
    await steer(product, f"/checkout/sessions/{session_id}/pay", **CARD)
    await expect_heading(page, "Thank you, it is paid")
