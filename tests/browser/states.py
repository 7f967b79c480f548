"""Every page in every state that a person can bring it to, by the way that leads there; here those of signing in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import Page

from .people import Browsers, ask_for_mail, be_mailed, be_signed_in, expect_heading, new_address, type_code
from .product import Product

State = Callable[[Browsers, Product], Awaitable[Page]]
STATES: dict[str, State] = {}
EXPIRED_SECONDS = 601
GAP_SECONDS = 31
STALE_SECONDS = 16 * 60


def state(way: State) -> State:
    """Keep a way to a state under its name."""
    STATES[way.__name__] = way
    return way


async def opened(browsers: Browsers, product: Product, path: str) -> Page:
    page = await browsers.page()
    await page.goto(product.url + path)
    return page


async def signed_in(browsers: Browsers, product: Product, address: str = "") -> Page:
    page = await browsers.page()
    await be_signed_in(page, product, address or new_address("alice"))
    return page


@state
async def sign_in_page(browsers: Browsers, product: Product) -> Page:
    return await opened(browsers, product, "/auth/sign-in")


@state
async def sign_in_no_address(browsers: Browsers, product: Product) -> Page:
    page = await opened(browsers, product, "/auth/sign-in")
    await page.get_by_label("E-mail address").fill("alice@example")
    await page.get_by_role("button", name="Send me a link").click()
    await page.locator("#email-error").wait_for()
    return page


@state
async def sign_in_already(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product)
    await page.goto(f"{product.url}/auth/sign-in")
    return page


@state
async def next_refused(browsers: Browsers, product: Product) -> Page:
    return await opened(browsers, product, "/auth/sign-in?next=https://evil.example/")


@state
async def check_your_email(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    await ask_for_mail(page, product, new_address("alice"))
    return page


@state
async def code_wrong(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    mail = await ask_for_mail(page, product, new_address("alice"))
    await type_code(page, mail.wrong_code)
    await page.locator("#code-error").wait_for()
    return page


@state
async def code_locked(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    mail = await ask_for_mail(page, product, new_address("alice"))
    for _ in range(5):
        await type_code(page, mail.wrong_code)
    await page.get_by_role("link", name="Ask for a new link").wait_for()
    return page


@state
async def code_unasked(browsers: Browsers, product: Product) -> Page:
    page = await opened(browsers, product, "/auth/check-your-email")
    await type_code(page, "123456")
    await page.get_by_role("link", name="Ask for a new link").wait_for()
    return page


@state
async def asked_too_often(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    address = new_address("alice")
    await be_mailed(page, product, address)
    await page.goto(f"{product.url}/auth/sign-in")
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_role("button", name="Send me a link").click()
    await expect_heading(page, "Too many requests")
    return page


@state
async def callback_without_token(browsers: Browsers, product: Product) -> Page:
    return await opened(browsers, product, "/auth/callback")


@state
async def callback_elsewhere(browsers: Browsers, product: Product) -> Page:
    mail = await be_mailed(await browsers.page(), product, new_address("alice"))
    page = await browsers.page()
    await page.goto(mail.link)
    await expect_heading(page, "Is this you?")
    return page


@state
async def callback_other_account(browsers: Browsers, product: Product) -> Page:
    page = await signed_in(browsers, product, new_address("bob"))
    mail = await be_mailed(page, product, new_address("alice"))
    await page.goto(mail.link)
    await expect_heading(page, "Change account?")
    return page


@state
async def callback_of_an_oidc_client(browsers: Browsers, product: Product) -> Page:
    wanted = "/oauth/authorize?client_id=web"
    mail = await be_mailed(await browsers.page(), product, new_address("alice"), following=wanted)
    page = await browsers.page()
    await page.goto(mail.link)
    await expect_heading(page, "Go back to where you started")
    return page


@state
async def callback_expired(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    mail = await be_mailed(page, product, new_address("alice"))
    await product.turn_clock(EXPIRED_SECONDS)
    await page.goto(mail.link)
    await expect_heading(page, "This link has expired")
    return page


@state
async def callback_replaced(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    address = new_address("alice")
    mail = await be_mailed(page, product, address)
    await product.turn_clock(GAP_SECONDS)
    await be_mailed(page, product, address)
    await page.goto(mail.link)
    await page.get_by_text("A newer mail was asked for").first.wait_for()
    return page


@state
async def callback_used(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    mail = await be_signed_in(page, product, new_address("alice"))
    await page.goto(mail.link)
    await expect_heading(page, "This link was already used")
    return page


@state
async def callback_invalid(browsers: Browsers, product: Product) -> Page:
    page = await opened(browsers, product, f"/auth/callback#{'x' * 42}A")
    await expect_heading(page, "This link does not work")
    return page


@state
async def link_expired_on_the_page(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    mail = await be_mailed(page, product, new_address("alice"))
    other = await browsers.page()
    await other.goto(mail.link)
    await product.turn_clock(EXPIRED_SECONDS)
    await other.get_by_role("button", name="Sign in as").click()
    await expect_heading(other, "This link has expired")
    return other


@state
async def link_used_on_the_page(browsers: Browsers, product: Product) -> Page:
    page = await browsers.page()
    mail = await be_mailed(page, product, new_address("alice"))
    other = await browsers.page()
    await other.goto(mail.link)
    await page.goto(mail.link)
    await expect_heading(page, "Your account")
    await other.get_by_role("button", name="Sign in as").click()
    await expect_heading(other, "This link was already used")
    return other
