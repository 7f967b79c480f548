"""Chromium for tests, and what its console complains of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright


@asynccontextmanager
async def launched(path: str) -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@contextmanager
def without_complaints(tab: Page) -> Iterator[None]:
    """Fails at the end of the block if a script failed in it, or a content security policy was violated."""
    complaints: list[str] = []

    def note_error(error: Error) -> None:
        complaints.append(str(error))

    def note_refusal(message: ConsoleMessage) -> None:
        if "Content Security" in message.text:
            complaints.append(message.text)

    tab.on("pageerror", note_error)
    tab.on("console", note_refusal)
    yield
    tab.remove_listener("pageerror", note_error)
    tab.remove_listener("console", note_refusal)
    assert not complaints
