"""The states of the till's pages; importing this adds them to `STATES`."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
from playwright.async_api import Page

from .people import Browsers, expect_heading
from .product import Product
from .states import STATES, opened, signed_in, state

__all__ = ["STATES"]

CARD = {"card": "4242424242424242"}
DEBIT = {"bank_account": "DE89370400440532013000"}  # settles, a week later
DEBIT_DAYS_MAX = 14


def sandbox_of(product: Product) -> str:
    """Where the stand-in for Stripe is: the next port."""
    return f"http://127.0.0.1:{(urlsplit(product.url).port or 0) + 1}"


async def steer(product: Product, path: str, **body: object) -> None:
    """Have something happen at the stand-in for Stripe."""
    async with httpx.AsyncClient(base_url=sandbox_of(product), trust_env=False, timeout=30) as client:
        (await client.post(f"/control{path}", json=body)).raise_for_status()


async def begun(page: Page, product: Product, price: str) -> str:
    """Begin a purchase, and return the id of its Checkout Session."""
    reply = await page.request.post(f"{product.url}/stripe/checkout", data={"price": price})
    assert reply.status == 201, await reply.text()
    return (await reply.json())["checkout_session_id"]


async def come_back(page: Page, product: Product, session_id: str) -> None:
    await page.goto(f"{product.url}/billing/return?checkout_session_id={session_id}")


async def bought(page: Page, product: Product, price: str, **how: object) -> None:
    """Buy, and come back to the page that tells what became of it."""
    session_id = await begun(page, product, price)
    await steer(product, f"/checkout/sessions/{session_id}/pay", **(how or CARD))
    await come_back(page, product, session_id)


@state
async def pricing(browsers: Browsers, product: Product) -> Page:
    return await opened(browsers, product, "/billing/pricing")


@state
async def pricing_with_a_plan(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await bought(page, product, "starter-monthly")
    await page.goto(f"{product.url}/billing/pricing")
    return page


@state
async def billing_full(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await bought(page, product, "starter-monthly")
    await bought(page, product, "credits-100")
    await page.goto(f"{product.url}/account/billing")
    await page.get_by_text("Latest changes").click()
    return page


@state
async def return_paid(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await bought(page, product, "credits-100")
    await expect_heading(page, "Thank you, it is paid")
    return page


@state
async def return_processing(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await bought(page, product, "credits-100", **DEBIT)
    await expect_heading(page, "Your payment is on its way")
    return page
