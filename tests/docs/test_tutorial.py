"""The tutorial as a reader walks it: commands run, steps in the browser done, each output that it shows compared."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page

from tests.browser.people import Browsers, Watch, expect_heading
from tests.browser.product import Product
from tests.browser.states_billing import sandbox_of
from tests.docs.documents import Block, blocks, commands
from tests.docs.tutorial_walk import NOTE, TUTORIAL, Walk, pattern_of, pieces
from tests.support.chromium import launched
from tests.support.nextjs import EXAMPLE, built_example

ALICE = "alice@example.com"
# Commands that change nothing are asked again until the answer is there, as a reader would.
ASKS = re.compile(r"tollhouse (\w+ (list|show|find)|why \w+) ")
PATIENCE_SECONDS = 15
STEP_SECONDS = 0.25
CARD = re.compile(r"`(\d{4}(?: \d{4}){3})`")


class Reader:
    """Whoever follows the tutorial: what each kind of piece has them do."""

    def __init__(self, walk: Walk, page: Page, http: httpx.AsyncClient) -> None:
        self.walk, self.page = walk, page
        self.product = Product(f"http://localhost:{walk.port}", http)
        self._clicks = iter((self.sign_in, self.buy, self.buy_while_broken, self.see_both, self.refund))
        self._last, self._before = "", ""  # the last command, and what those before it in its block printed

    async def follow(self, kind: str, text: str) -> None:
        """Do what a piece of the tutorial says; a kind that nobody knows fails."""
        match kind:
            case "bash":
                await self._run(text)
            case "text":
                await self._compare(text)
            case "browser":
                await next(self._clicks)(*re.findall(r"\*\*(.+?)\*\*", text))
            case "toml":
                self._change_secret(self.walk.filled(text))
            case _:
                assert kind == "ts", f"no reader knows what to do with {kind}"

    def finish(self) -> None:
        """Fail for a step in the browser that the tutorial does not have any more."""
        assert next(self._clicks, None) is None

    async def _run(self, text: str) -> None:
        self.walk.printed.append("")
        for line in commands(Block(TUTORIAL, "bash", text)):
            self._last, self._before = line, self.walk.printed[-1]
            self.walk.printed[-1] += await self.walk.run(line)

    async def _compare(self, shown: str) -> None:
        """The last output comes to be as shown."""
        pattern, deadline = re.compile(pattern_of(shown)), asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not pattern.fullmatch(told := self._told(shown)):
            assert ASKS.match(self._last), f"shown:\n{shown}\nprinted:\n{told}"
            assert asyncio.get_running_loop().time() < deadline, f"shown:\n{shown}\nprinted:\n{told}"
            await asyncio.sleep(STEP_SECONDS)
            self.walk.printed[-1] = self._before + await self.walk.run(self._last)

    def _told(self, shown: str) -> str:
        return self.walk.printed[-1] if NOTE in shown else self.walk.printed[-1].replace(NOTE, "")

    def _change_secret(self, line: str) -> None:
        """Change the endpoint's in tollhouse.toml; the one that the tutorial shows as the old one is the one there."""
        file = self.walk.folder / "tollhouse.toml"
        (old,) = re.findall(r'^secret = "(whsec_.*)"$', file.read_text(), re.MULTILINE)
        assert line.endswith(f', "{old}"]\n')
        file.write_text(file.read_text().replace(f'secret = "{old}"\n', line))

    async def sign_in(self, *said: str) -> None:
        """Through the app's own field and the link in the mail."""
        send, signed_in = said
        await self.page.goto(self.walk.app_url)
        await self.page.get_by_label("E-mail address").fill(ALICE)
        await self.page.get_by_role("button", name=send).click()
        await self.page.wait_for_url(f"{self.product.url}/auth/check-your-email")
        await self.page.goto((await self.product.mail_to(ALICE)).link)
        await self.page.wait_for_url(f"{self.walk.app_url}/account")
        await self._expect_account(signed_in)

    async def buy(self, *said: str) -> None:
        """At Stripe's page, with a card typed in; then back to the app."""
        prices, buy, thanks, go_on, *told = said
        await self.page.get_by_role("link", name=prices).click()
        await self._pay(buy)
        await expect_heading(self.page, thanks)
        await self.page.get_by_role("link", name=go_on).click()
        await self.page.wait_for_url(f"{self.walk.app_url}/account")
        await self._expect_account(*told)

    async def buy_while_broken(self, *said: str) -> None:
        """The same again, but the app is not told."""
        buy, still = said
        await self.page.goto(f"{self.walk.app_url}/pricing")
        await self._pay(buy)
        await self._expect_account(still)

    async def see_both(self, *said: str) -> None:
        """On the app's account page."""
        credits, payment = said
        main = await self._expect_account(credits)
        assert main.count(payment) == 2

    async def refund(self, *said: str) -> None:
        """On the page that stands for Stripe's dashboard."""
        button, went_back = said
        await self.page.goto(sandbox_of(self.product))
        await self.page.get_by_role("link", name=re.compile("^pi_")).first.click()
        await self.page.get_by_role("button", name=button).click()
        await self._expect_account(went_back)

    async def _pay(self, buy: str) -> None:
        await self.page.get_by_role("button", name=buy).click()
        await self.page.wait_for_url(f"{sandbox_of(self.product)}/checkout/**")
        card = CARD.findall(TUTORIAL.read_text())[0]
        for label, typed in (("Card number", card), ("Expiry", "12 / 34"), ("Security code", "123")):
            await self.page.get_by_label(label).fill(typed)
        await self.page.get_by_role("button", name=re.compile("^Pay")).click()
        await self.page.wait_for_url(f"{self.product.url}/billing/return**")

    async def _expect_account(self, *told: str) -> str:
        """What the app's account page says, once it says this."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while True:
            await self.page.goto(f"{self.walk.app_url}/account")
            said = " ".join((await self.page.locator("main").inner_text()).split())
            if all(each in said for each in told):
                return said
            assert asyncio.get_running_loop().time() < deadline, f"{told}: {said}"
            await asyncio.sleep(STEP_SECONDS)


@pytest.fixture
async def reader(chromium_path: str, tmp_path: Path) -> AsyncIterator[Reader]:
    """A reader at the first page, with nothing started."""
    watch = Watch()
    with built_example() as built:
        walk = Walk(tmp_path, built)
        toll = f"http://127.0.0.1:{walk.port}"
        async with launched(chromium_path) as chromium, httpx.AsyncClient(base_url=toll, trust_env=False) as http:
            try:
                yield Reader(walk, await Browsers(chromium, watch).page(), http)
            finally:
                walk.stop()
    assert not watch.complaints


@pytest.mark.browser
@pytest.mark.slow
async def test_whoever_follows_the_tutorial_sees_what_it_shows(reader: Reader) -> None:
    for kind, text in pieces(reader.walk.localized(TUTORIAL.read_text())):
        await reader.follow(kind, text)
    reader.finish()


@pytest.mark.parametrize("printed", ["id usr_1\nbalance 10", "id usr_1\nbalance 100\nNote", "usr_1\nbalance 100"])
def test_an_output_that_is_not_as_shown_is_noticed(printed: str) -> None:
    shown = "id  usr_…\nbalance  100\n"
    assert re.fullmatch(pattern_of(shown), "id usr_1\n  balance 100\n")
    assert not re.fullmatch(pattern_of(shown), printed)


async def test_a_command_that_nobody_knows_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="neither run nor known"):
        await Walk(tmp_path, tmp_path).run("npm run everything")


def test_the_code_of_the_app_that_is_shown_is_the_app_s() -> None:
    files = ("app/api/payments/webhook/route.ts", "payments/store.ts")
    shown = blocks("ts", TUTORIAL)
    assert len(shown) == len(files)
    for name, block in zip(files, shown, strict=True):
        code = [line.partition(" //")[0].strip() for line in (EXAMPLE / name).read_text().splitlines()]
        lines = [line.strip() for line in block.text.splitlines()]
        begin = code.index(lines[0])
        assert code[begin : begin + len(lines)] == lines
