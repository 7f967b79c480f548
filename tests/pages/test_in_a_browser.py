"""The pages in Chromium: axe finds nothing, and the callback's script takes each of its ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Browser, Page, expect

from tests.support.chromium import launched, without_complaints
from tollhouse.pages import Brand, Pages

from .samples import samples
from .server import Door, Stub, serving

LEAD_AWAY = "https://pay.example.com/**"
TOKEN = "Ab3-_" * 8 + "xyz"
MINE = {"email_masked": "a***@example.com", "same_browser": True, "next_is_elsewhere": False, "signed_in_as": None}
RUN_AXE = """async (only) => {
  const rules = only ? {runOnly: only} : {rules: {"target-size": {enabled: true}}};
  const {violations} = await axe.run(document, {iframes: false, resultTypes: ["violations"], ...rules});
  return violations.map((found) => [found.id, ...found.nodes.map((node) => node.html)]);
}"""
SMALLEST_TEXT = """() => Math.min(...[...document.querySelectorAll("body *")]
  .filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((element) => parseFloat(getComputedStyle(element).fontSize)))"""

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.browser]


@pytest.fixture(scope="module")
def running() -> Iterator[Door]:
    with serving(Pages(Brand("Harbour Notes", "#2f5d8a"))) as door:
        yield door


@pytest.fixture
def door(running: Door) -> Door:
    running.stub = Stub(reply=MINE)
    return running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One Chromium for all."""
    async with launched(chromium_path) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def tab(browser: Browser) -> AsyncIterator[Page]:
    """One tab for all: a new one for each test would take most of the time."""
    page = await browser.new_page()
    yield page
    await page.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(tab: Page) -> AsyncIterator[Page]:
    """The tab, blank and as a phone has it; what its console complains of fails the test."""
    await tab.goto("about:blank")
    await tab.set_viewport_size({"width": 390, "height": 800})
    await tab.emulate_media(color_scheme="light", reduced_motion="no-preference")
    await tab.route(LEAD_AWAY, lambda route: route.fulfill(status=204))  # the browser stays where it is
    with without_complaints(tab):
        yield tab
    await tab.unroute_all()


async def examine(page: Page) -> None:
    """Run axe on what is shown at both widths and in both schemes, and look for small text and sideways scrolling."""
    await page.evaluate(AXE_SCRIPT)
    for width in (390, 1280):
        await page.set_viewport_size({"width": width, "height": 800})
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        assert await page.evaluate(RUN_AXE, None) == [], width
        await page.emulate_media(color_scheme="dark")  # changes colours and nothing else
        assert await page.evaluate(RUN_AXE, ["color-contrast"]) == [], width
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
        assert await page.evaluate(SMALLEST_TEXT) >= 16, width


async def open_link(page: Page, door: Door, address: str = f"/auth/callback#{TOKEN}") -> None:
    await page.goto(door.url + address)


@pytest.mark.parametrize("name", [sample.name for sample in samples()])
async def test_axe_finds_nothing(page: Page, door: Door, name: str) -> None:
    await page.goto(f"{door.url}/page/{name}")
    await examine(page)


@pytest.mark.parametrize("name", ["account", "dev_mail", "sign_in_again"])
async def test_a_page_fits_a_very_narrow_screen(page: Page, door: Door, name: str) -> None:
    await page.set_viewport_size({"width": 320, "height": 600})
    await page.goto(f"{door.url}/page/{name}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    "address",
    [
        f"/auth/callback#{TOKEN}",
        f"/auth/callback%23{TOKEN}",
        f"/auth/callback%2523{TOKEN}",
        f"/auth/callback/{TOKEN}",
        f"/auth/callback{TOKEN}",
        f"/auth/callback%23{TOKEN}?utm_source=mail",
        f"/auth/callback%23{TOKEN}%E0%A4%A",
        f"/auth/callback%23{TOKEN.replace('-', '%2D').replace('_', '%5F')}",
        f"/auth/callback?gateway=1#{TOKEN}",
        f"/auth/callback#{TOKEN}&utm_source=mail",
        f"/auth/callback/{'z' * 43}#{TOKEN}",
    ],
)
async def test_in_the_browser_that_asked_the_link_signs_in_at_once(page: Page, door: Door, address: str) -> None:
    await open_link(page, door, address)
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.previewed == [TOKEN]
    assert door.stub.posted == [("/auth/callback", {"token": [TOKEN]})]


@pytest.mark.parametrize(
    "address",
    [
        "/auth/callback",
        "/auth/callback#",
        "/auth/callback#short",
        f"/auth/callback#{TOKEN}x",
        "/auth/callback%23",
        "/auth/callback%",
    ],
)
async def test_without_a_token_the_code_is_asked_for(page: Page, door: Door, address: str) -> None:
    await open_link(page, door, address)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Type the code from your mail")
    await page.get_by_label("6-digit code").fill("123 456")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.previewed == []
    assert door.stub.posted == [("/auth/code", {"code": ["123 456"]})]


async def test_without_script_the_code_is_asked_for(browser: Browser, door: Door) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Type the code from your mail")
    await page.get_by_label("6-digit code").fill("123456")
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.posted == [("/auth/code", {"code": ["123456"]})]
    await context.close()


async def test_in_another_browser_it_waits_for_a_click(page: Page, door: Door) -> None:
    door.stub.reply = MINE | {"same_browser": False}
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Is this you?")
    await expect(page.get_by_role("status")).to_contain_text("another browser")
    assert door.stub.posted == []
    await examine(page)
    await page.get_by_role("button", name="Sign in as a***@example.com").dblclick()
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.posted == [("/auth/callback", {"token": [TOKEN]})]


async def test_signed_in_as_somebody_else_it_asks_which(page: Page, door: Door) -> None:
    door.stub.reply = MINE | {"signed_in_as": "b***@example.com"}
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Change account?")
    await expect(page.locator("main")).to_contain_text("You are signed in as b***@example.com")
    await expect(page.get_by_role("link", name="Stay signed in")).to_have_attribute("href", "/account")
    assert door.stub.posted == []
    await examine(page)
    await page.get_by_role("button", name="Sign in as a***@example.com").click()
    await page.wait_for_url("**/landed", wait_until="commit")
    assert len(door.stub.posted) == 1


@pytest.mark.parametrize("signed_in_as", [None, "b***@example.com"])
async def test_a_sign_in_begun_elsewhere_sends_the_person_back(
    page: Page, door: Door, signed_in_as: str | None
) -> None:
    door.stub.reply = MINE | {"same_browser": False, "next_is_elsewhere": True, "signed_in_as": signed_in_as}
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Go back to where you started")
    await expect(page.get_by_role("button")).to_have_count(0)
    await examine(page)
    assert door.stub.posted == []


@pytest.mark.parametrize(
    ("status", "code", "heading", "ways_on"),
    [
        (410, "magic_link_expired", "This link has expired", ["Send a new mail"]),
        (410, "magic_link_used", "This link was already used", ["Sign in"]),
        (400, "magic_link_invalid", "This link does not work", ["Sign in"]),
        (429, "rate_limited", "<b>A title</b>", ["Try again"]),
        (500, "internal_error", "<b>A title</b>", ["Try again"]),
    ],
)
async def test_an_error_shows_the_servers_words_and_a_way_on(
    page: Page, door: Door, status: int, code: str, heading: str, ways_on: list[str]
) -> None:
    words = {"title": "<b>A title</b>", "detail": "<img src=x onerror=alert(1)> In words.", "code": code}
    door.stub.status, door.stub.reply = status, words
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text(heading)
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await expect(page.locator("main")).to_contain_text(words["detail"])
    assert await page.locator("button:visible").all_inner_texts() == ways_on
    await expect(page.locator("a:visible").last).to_have_attribute("href", "/auth/sign-in")
    await examine(page)
    assert door.stub.posted == []


async def test_an_expired_link_sends_a_new_mail_by_one_click(page: Page, door: Door) -> None:
    door.stub.status, door.stub.reply = 410, {"title": "Expired", "detail": "Too old.", "code": "magic_link_expired"}
    await open_link(page, door)
    await page.get_by_role("button", name="Send a new mail").click()
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.posted == [("/auth/magic-links/again", {"token": [TOKEN]})]


@pytest.mark.parametrize(
    ("status", "reply"), [(502, b"<h1>Bad gateway</h1>"), (500, None), (200, b"<h1>Portal</h1>"), (200, [])]
)
async def test_a_reply_that_is_not_ours_is_an_error_in_our_words(
    page: Page, door: Door, status: int, reply: Any
) -> None:
    door.stub.status, door.stub.reply = status, reply
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text("That did not work")
    await expect(page.get_by_text("Something went wrong on our side.")).to_have_count(2)  # shown, and told
    assert door.stub.posted == []


async def test_without_a_network_it_tries_again(page: Page, door: Door) -> None:
    await page.route("**/preview", lambda route: route.abort())
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text("No connection")
    await examine(page)
    await page.unroute("**/preview")
    await page.get_by_role("button", name="Try again").click()
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.posted == [("/auth/callback", {"token": [TOKEN]})]


async def test_the_token_leaves_the_address_bar_and_never_travels_in_an_address(page: Page, door: Door) -> None:
    door.stub.reply = MINE | {"same_browser": False}
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Is this you?")
    assert page.url == f"{door.url}/auth/callback"
    assert not [address for address in door.stub.requested if TOKEN in address]


async def test_a_second_link_in_the_same_tab_is_taken(page: Page, door: Door) -> None:
    await open_link(page, door, "/auth/callback")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Type the code from your mail")
    await open_link(page, door)
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.previewed == [TOKEN]


async def test_going_back_never_posts_twice(page: Page, door: Door) -> None:
    await page.goto(f"{door.url}/page/signed_out")
    await open_link(page, door)
    await page.wait_for_url("**/landed")
    await page.go_back()
    await page.wait_for_url("**/account", wait_until="commit")
    assert len(door.stub.posted) == 1


async def test_a_page_the_browser_kept_alive_never_posts_twice(page: Page, door: Door) -> None:
    door.stub.post_status = 204  # leaves the page as it is after its post, as a page brought back from the cache is
    await open_link(page, door)
    await page.wait_for_function("() => history.state?.posted")
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    await page.wait_for_url("**/account", wait_until="commit")
    assert len(door.stub.posted) == 1


async def test_the_keyboard_alone_is_enough_and_its_focus_is_seen(page: Page, door: Door) -> None:
    await page.goto(f"{door.url}/page/sign_in")
    await expect(page.get_by_label("E-mail address")).to_be_focused()
    await page.keyboard.type("alice@example.com")
    await page.keyboard.press("Tab")
    button = page.get_by_role("button", name="Send me a link")
    await expect(button).to_be_focused()
    assert await button.evaluate("(element) => getComputedStyle(element).outlineWidth") == "3px"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/landed", wait_until="commit")
    assert door.stub.posted == [("/auth/magic-links", {"email": ["alice@example.com"]})]


async def test_an_error_is_tied_to_its_field(page: Page, door: Door) -> None:
    await page.goto(f"{door.url}/page/sign_in_error")
    field = page.get_by_label("E-mail address")
    await expect(field).to_have_accessible_description(str(door.samples["sign_in_error"].context["error"]))
    await expect(field).to_have_attribute("aria-invalid", "true")


async def test_nothing_moves_when_motion_is_unwanted(page: Page, door: Door) -> None:
    await page.route("**/preview", lambda route: None)
    await page.emulate_media(reduced_motion="reduce")
    await open_link(page, door)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Signing you in…")
    assert await page.evaluate("document.getAnimations().length") == 0
    await page.emulate_media(reduced_motion="no-preference")
    assert await page.evaluate("document.getAnimations().length") == 1
