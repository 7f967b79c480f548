"""One sandbox behind a port, one seller to come back to, and one Chromium for all browser tests of the hosted pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.sandbox.asking import ask
from tests.sandbox.conftest import START
from tests.support.chromium import launched, without_complaints
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.sandbox import API_KEY
from tollhouse.sandbox.serving import serving

SELLER = b"<!doctype html><html lang=en><title>Seller</title><h1>Back at the seller</h1></html>"


class Shop:
    """A seller with a plan and a product, whose buyers use a browser."""

    def __init__(self, sandbox: Sandbox, api: httpx.AsyncClient, seller: str) -> None:
        self.sandbox = sandbox
        self.api = api
        self.seller = seller

    async def post(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return await ask(self.api, "POST", path, params)

    async def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        return await ask(self.api, "GET", path, params)

    async def session(self, **params: Any) -> Any:
        """Open a session that sells a thing, or a plan in subscription mode."""
        recurring = {"recurring": {"interval": "month"}} if params.get("mode") == "subscription" else {}
        product = {"name": "Team plan" if recurring else "Postcards, set of ten"}
        data = {"currency": "usd", "unit_amount": 1200, "product_data": product} | recurring
        urls = {"success_url": self.seller + "done?{CHECKOUT_SESSION_ID}", "cancel_url": self.seller + "cart"}
        given = {"mode": "payment", "line_items": [{"price_data": data, "quantity": 1}]} | urls
        return await self.post("/v1/checkout/sessions", given | params)

    async def read(self, session: Any) -> Any:
        return await self.get(f"/v1/checkout/sessions/{session['id']}")


async def _reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(SELLER)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + SELLER)
    await writer.drain()
    writer.close()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def shop() -> AsyncIterator[Shop]:
    async with await asyncio.start_server(_reply, "127.0.0.1", 0) as server:
        seller = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        sandbox = Sandbox(seed=1, start=START, check_replies=True)
        key = {"authorization": f"Bearer {API_KEY}"}
        async with (
            serving(sandbox) as url,
            httpx.AsyncClient(base_url=url, headers=key, trust_env=False) as api,
        ):
            yield Shop(sandbox, api, seller)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    async with launched(chromium_path) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="package")
async def page(chromium: Browser) -> AsyncIterator[Page]:
    """A phone's tab; what its console complains of fails the test."""
    context = await chromium.new_context(viewport={"width": 390, "height": 800})
    context.set_default_timeout(8_000)
    tab = await context.new_page()
    with without_complaints(tab):
        yield tab
    await context.close()
