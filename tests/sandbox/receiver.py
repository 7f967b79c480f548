"""The app's end of webhooks: it keeps what comes and answers as it is told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import stripe

ARRIVAL_SECONDS_MAX = 5
URL = "https://app.example.com/webhooks"


class Receiver(httpx.AsyncBaseTransport):
    """Stands where the network would; answers 200 unless `statuses` has something else left for the URL."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.statuses: dict[str, list[int]] = {}
        self.gates: dict[str, asyncio.Event] = {}
        self.headers: dict[str, str] = {}
        self.body = b""
        self._news = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.requests.append(request)
        self._news.set()
        url = str(request.url)
        if url in self.gates:
            await self.gates[url].wait()
        left = self.statuses.get(url)
        status = left.pop(0) if left else 200
        if status == 0:
            raise httpx.ConnectError("nobody listens")
        return httpx.Response(status, headers=self.headers, content=self.body)

    async def gets(self, count: int, url: str) -> None:
        """Return once so many webhooks have come to a URL."""
        async with asyncio.timeout(ARRIVAL_SECONDS_MAX):
            while self.urls.count(url) < count:
                self._news.clear()
                await self._news.wait()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    @property
    def urls(self) -> list[str]:
        return [str(request.url) for request in self.requests]


def verify(request: httpx.Request, secret: str) -> None:
    """Hold a signature against a secret as an app does. Raises `stripe.SignatureVerificationError`."""
    stripe.WebhookSignature.verify_header(request.content.decode(), request.headers["stripe-signature"], secret, 300)


async def listen(api: httpx.AsyncClient, *types: str, url: str = URL, **fields: str) -> dict[str, Any]:
    """Create a webhook endpoint, for all events unless some are named."""
    data = {"url": url, "enabled_events[]": list(types or ("*",)), **fields}
    reply = await api.post("/v1/webhook_endpoints", data=data)
    assert reply.status_code == 200, reply.text
    made: dict[str, Any] = reply.json()
    return made


async def create_customer(api: httpx.AsyncClient, **fields: str) -> str:
    """Make the smallest event there is."""
    reply = await api.post("/v1/customers", data=fields)
    assert reply.status_code == 200, reply.text
    id: str = reply.json()["id"]
    return id
