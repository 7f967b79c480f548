"""People at their browsers, and what they do again and again."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, ViewportSize, WebError, expect

from .product import Mail, Product

PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 800}
ON_BOTH_SCREENS = pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"], indirect=True)
PATIENCE_MS = 8_000
# The browser's own note of a status such as 410, on a page or a preview: shown to nobody, and meant.
STATUS_NOTE = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d|503) ")
TELL_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`violation of ${event.violatedDirective} by ${event.blockedURI} ${event.sample}`))"""


def new_address(name: str) -> str:
    """An address of that name that nobody has used before."""
    return f"{name}.{secrets.token_hex(4)}@example.com"


@dataclass
class Watch:
    """What the browsers of one test complain of."""

    complaints: list[str] = field(default_factory=list[str])

    async def over(self, context: BrowserContext) -> None:
        """Hear everything that the pages of a context complain of."""
        context.set_default_timeout(PATIENCE_MS)
        context.on("console", self._hear_console)
        context.on("weberror", self._hear_error)
        await context.add_init_script(TELL_VIOLATIONS)

    def _hear_console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        is_asset = urlsplit(message.location["url"]).path.startswith("/auth/static/")
        if is_asset or not STATUS_NOTE.match(message.text):
            self.complaints.append(f"{message.text} ({message.location['url']})")

    def _hear_error(self, error: WebError) -> None:
        self.complaints.append(str(error.error))


class Browsers:
    """Browsers that know nothing of each other; `page` opens one with a single tab.

    They are washed and used again by the next test: to start a new one takes longer than most tests.
    """

    def __init__(self, chromium: Browser, watch: Watch) -> None:
        self._chromium = chromium
        self._watch = watch
        self.viewport: ViewportSize = PHONE
        self._in_use: list[Page] = []
        self._washed: list[Page] = []
        self._for_once: list[BrowserContext] = []

    async def page(self) -> Page:
        """A tab in a browser that nobody is signed in with."""
        page = self._washed.pop() if self._washed else await (await self._start()).new_page()
        self._in_use.append(page)
        await page.set_viewport_size(self.viewport)
        return page

    async def new_page(self, *, script: bool = True) -> Page:
        """A tab in a browser that was never used and never will be again, with or without JavaScript."""
        context = await self._start(script=script)
        self._for_once.append(context)
        return await context.new_page()

    async def _start(self, *, script: bool = True) -> BrowserContext:
        context = await self._chromium.new_context(
            viewport=self.viewport, java_script_enabled=script, color_scheme="light", reduced_motion="reduce"
        )
        await self._watch.over(context)
        return context

    async def wash(self) -> None:
        """Take everything from them that a test left there."""
        for context in self._for_once:
            await context.close()
        for page in self._in_use:
            await page.goto("about:blank")
            await page.context.clear_cookies()
            await page.emulate_media(color_scheme="light")
        self._washed += self._in_use
        self._for_once, self._in_use = [], []


async def ask(page: Page, product: Product, address: str, *, following: str | None = None) -> None:
    """Type the address on the sign-in page and send it; `following` is the page to go to afterwards."""
    query = f"?next={quote(following, safe='')}" if following else ""
    await page.goto(f"{product.url}/auth/sign-in{query}")
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")


async def ask_for_mail(page: Page, product: Product, address: str, *, following: str | None = None) -> Mail:
    """The mail that came of asking."""
    number = len(await product.mails_to(address)) + 1
    await ask(page, product, address, following=following)
    return await product.mail_to(address, number=number)


async def be_mailed(page: Page, product: Product, address: str, *, following: str | None = None) -> Mail:
    """The mail that came of asking without the form, for tests that are about what follows; the tab stays put."""
    number = len(await product.mails_to(address)) + 1
    fields = {"email": address} | ({"next": following} if following else {})
    reply = await page.request.post(f"{product.url}/auth/magic-links", data=fields)
    assert reply.status == 202, await reply.text()
    return await product.mail_to(address, number=number)


async def be_signed_in(page: Page, product: Product, address: str) -> Mail:
    """Come to the account page without the forms; returns the mail whose link was used."""
    mail = await be_mailed(page, product, address)
    reply = await page.request.post(f"{product.url}/auth/callback", data={"token": mail.token})
    assert reply.status == 200, await reply.text()
    await page.goto(f"{product.url}/account")
    return mail


async def type_code(page: Page, code: str) -> None:
    """Type a code on the page that takes one, and send it."""
    await page.get_by_label("6-digit code").fill(code)
    await page.get_by_role("button", name="Sign in", exact=True).click()


async def sign_in(page: Page, product: Product, address: str) -> Mail:
    """Sign in by the link, from the form to the account page; returns the mail that did it."""
    mail = await ask_for_mail(page, product, address)
    await page.goto(mail.link)
    await expect_account(page, product, address)
    return mail


async def expect_account(page: Page, product: Product, address: str) -> None:
    """The account page is there and knows the address."""
    await page.wait_for_url(f"{product.url}/account")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    await expect(page.locator("main")).to_contain_text(f"Signed in as {address}")


async def expect_heading(page: Page, words: str) -> None:
    """The page has this heading."""
    await expect(page.get_by_role("heading", level=1)).to_have_text(words)


async def is_signed_in(page: Page, product: Product) -> bool:
    """Whether this browser's session lives, by its next request."""
    reply = await page.request.get(f"{product.url}/auth/session")
    assert reply.status in (200, 401)
    return reply.status == 200
