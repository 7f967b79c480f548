"""What a person sees when the mail server takes no mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from granian.constants import Interfaces
from granian.server.embed import Server
from playwright.async_api import expect

from tests.support.children import LOOPBACK, free_port
from tollhouse.app import Tollhouse, create_app
from tollhouse.clock import Clock
from tollhouse.db.migrations import migrate
from tollhouse.dev.server import dev_settings
from tollhouse.mail.errors import MailDeferred
from tollhouse.mail.message import Mail

from .looks import examine
from .people import Browsers, expect_heading, new_address

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.browser]

WAIT_SECONDS = 121  # a mail that has waited for more than two minutes means trouble


class ClosedMailServer:
    """A mail server that takes no connection."""

    async def send(self, mail: Mail) -> None:
        raise MailDeferred("The mail server does not answer.", stage="connect", operator_problem=True)

    async def close(self) -> None:
        """Nothing is open."""


@asynccontextmanager
async def serving(port: int, clock: Clock, folder: Path) -> AsyncIterator[str]:
    """The product before a closed mail server, in this process so that its clock can be turned."""
    settings = dev_settings(port, folder)
    await migrate(settings.database_url)
    app = create_app(Tollhouse(settings, clock=clock, transport=ClosedMailServer()))
    server = Server(app, address=LOOPBACK, port=port, interface=Interfaces.ASGI, log_enabled=False)
    running = asyncio.create_task(server.serve())
    try:
        yield settings.url
    finally:
        server.stop()
        await running


@pytest_asyncio.fixture(loop_scope="package")
async def url(tmp_path: Path) -> AsyncIterator[str]:
    port, clock = free_port(), Clock()
    async with serving(port, clock, tmp_path) as url:
        await until_trouble(f"http://{LOOPBACK}:{port}", clock)
        yield url


async def until_trouble(address: str, clock: Clock) -> None:
    """Ask for mails until the product has noticed that the first one waits too long."""
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        await reply_of(client)
        clock.advance(WAIT_SECONDS)
        for _ in range(100):
            if await reply_of(client) == 503:
                return
            await asyncio.sleep(0.1)
    raise AssertionError("mail was still promised")


async def reply_of(client: httpx.AsyncClient) -> int:
    for _ in range(100):
        try:
            return (await client.post("/auth/magic-links", json={"email": new_address("bob")})).status_code
        except httpx.ConnectError:
            await asyncio.sleep(0.05)  # not listening yet
    raise AssertionError("the server did not answer")


async def test_that_no_mail_can_be_sent_is_said_at_once(browsers: Browsers, url: str, alice: str) -> None:
    page = await browsers.page()
    await page.goto(f"{url}/auth/sign-in")
    await page.get_by_label("E-mail address").fill(alice)
    await page.get_by_role("button", name="Send me a link").click()
    await expect_heading(page, "Mail cannot be sent just now")
    await expect(page.locator("main")).to_contain_text("try again in a few minutes")
    await examine(page)
    await page.get_by_role("link", name="Try again").click()
    await expect_heading(page, "Sign in to Tollhouse")
