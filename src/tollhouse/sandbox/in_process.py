"""A way to the sandbox's application that needs no socket."""

from __future__ import annotations

import asyncio

import httpx


class InProcess(httpx.ASGITransport):
    """Behaves as a network would: the client's patience has an end, and a connection can break."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request. Raises `httpx.ReadTimeout` and `httpx.ReadError`."""
        patience_seconds = request.extensions.get("timeout", {}).get("read")
        try:
            async with asyncio.timeout(patience_seconds):
                return await super().handle_async_request(request)
        except TimeoutError as error:
            raise httpx.ReadTimeout("The sandbox did not answer in time.", request=request) from error
        except ConnectionResetError as error:
            raise httpx.ReadError(str(error), request=request) from error
