"""The Valkey of the tests answers, and comes back empty on the same port."""

from __future__ import annotations

import valkey.asyncio

from tests.support.valkey import ValkeyServer


async def test_a_restarted_valkey_has_forgotten_everything():
    with ValkeyServer() as server:
        await put(server.url, "toll", "7")
        assert await get(server.url, "toll") == b"7"
        server.stop()
        server.start()
        assert await get(server.url, "toll") is None


async def put(url: str, key: str, value: str) -> None:
    async with valkey.asyncio.from_url(url) as client:
        await client.set(key, value)


async def get(url: str, key: str) -> object:
    async with valkey.asyncio.from_url(url) as client:
        return await client.get(key)
