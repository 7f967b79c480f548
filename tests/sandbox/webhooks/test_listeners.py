"""The websocket of `stripe listen`, as the CLI speaks to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.receiver import create_customer
from tollhouse.sandbox import Sandbox

PATH = "/v1/stripecli/subscribe"
PROTOCOL = "stripecli-devproxy-v1"
SECONDS_MAX = 5


class Socket:
    """The CLI's end of a websocket."""

    def __init__(self) -> None:
        self.to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.from_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS_MAX):
            return await self.from_app.get()

    async def read(self) -> dict[str, Any]:
        """The next event in the account's version; its copy in the latest comes right behind."""
        plain, latest = [json.loads((await self.next())["text"]) for _ in range(2)]
        assert plain["endpoint"] == {"api_version": None}
        assert latest["endpoint"]["api_version"] is not None
        assert plain["webhook_conversation_id"] != latest["webhook_conversation_id"]
        message: dict[str, Any] = plain
        return message

    def say(self, **message: Any) -> None:
        self.to_app.put_nowait({"type": "websocket.receive", **message})


async def open_session(api: httpx.AsyncClient, feature: str = "webhooks", device: str = "desk") -> dict[str, Any]:
    data = {"device_name": device, "websocket_features[]": feature}
    session: dict[str, Any] = (await api.post("/v1/stripecli/sessions", data=data)).json()
    return session


@asynccontextmanager
async def dial(sandbox: Sandbox, session: dict[str, Any], *more: tuple[bytes, bytes]) -> AsyncGenerator[Socket]:
    """Connect, and hang up at the end; what the server answers first is the first to be read."""
    socket = Socket()
    headers = {b"host": b"127.0.0.1:8001", b"websocket-id": session["websocket_id"].encode()} | dict(more)
    scope = {
        "type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "ws", "path": PATH,
        "raw_path": PATH.encode(), "query_string": b"websocket_feature=webhooks", "root_path": "",
        "headers": [*headers.items()],
        "subprotocols": [PROTOCOL], "extensions": {"websocket.http.response": {}},
    }  # fmt: skip
    running = asyncio.create_task(sandbox.app(scope, socket.to_app.get, socket.from_app.put))  # pyright: ignore[reportArgumentType]  (an ASGI message is a dict)
    socket.to_app.put_nowait({"type": "websocket.connect"})
    try:
        yield socket
    finally:
        socket.to_app.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await running


@asynccontextmanager
async def connected(sandbox: Sandbox, session: dict[str, Any]) -> AsyncGenerator[Socket]:
    async with dial(sandbox, session) as socket:
        accepted = await socket.next()
        assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", PROTOCOL)
        yield socket


async def acknowledge(socket: Socket, message: dict[str, Any]) -> None:
    """Say that it came, and return once that is heard."""
    told = {"type": "event_ack", "webhook_conversation_id": message["webhook_conversation_id"]}
    socket.say(text=json.dumps(told) + "\n")
    await asyncio.sleep(0)


async def test_an_event_comes_signed_and_whole(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    session = await open_session(api)
    async with connected(sandbox, session) as socket:
        id = await create_customer(api)
        message = await socket.read()
    signature = message["http_headers"]["Stripe-Signature"]
    event = stripe.Webhook.construct_event(message["event_payload"], signature, session["secret"])
    assert event.data.object["id"] == id
    assert message["type"] == "webhook_event"


async def test_what_happens_before_the_first_connection_is_kept(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    session = await open_session(api)
    id = await create_customer(api)
    async with connected(sandbox, session) as socket:
        assert id in (await socket.read())["event_payload"]


async def test_what_is_not_acknowledged_is_told_again(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    session = await open_session(api)
    await create_customer(api)
    async with connected(sandbox, session) as socket:
        first = await socket.read()
    async with connected(sandbox, session) as socket:
        again = await socket.read()
        await acknowledge(socket, again)
    assert again["event_payload"] == first["event_payload"]
    later = await create_customer(api)
    async with connected(sandbox, session) as socket:
        assert later in (await socket.read())["event_payload"]


async def test_what_was_undone_is_not_told(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    session = await open_session(api)
    assert (await api.post("/v1/customers", data={"metadata[a]": "x" * 501})).status_code == 400
    id = await create_customer(api)
    async with connected(sandbox, session) as socket:
        assert id in (await socket.read())["event_payload"]


@pytest.mark.parametrize(
    "said",
    [
        {"text": ""},
        {"text": "{"},
        {"text": "[]"},
        {"text": '{"type":"webhook_response"}'},
        {"text": '{"type":"event_ack"}'},
        {"text": '{"type":7}'},
        {"bytes": b"\xff"},
    ],
)
async def test_nonsense_is_not_heard(sandbox: Sandbox, api: httpx.AsyncClient, said: dict[str, Any]) -> None:
    async with connected(sandbox, await open_session(api)) as socket:
        socket.say(**said)
        await create_customer(api)
        assert await socket.read()


async def test_a_session_without_webhooks_gets_none(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    logs, webhooks = await open_session(api, "request_logs"), await open_session(api)
    async with connected(sandbox, logs) as quiet, connected(sandbox, webhooks) as socket:
        await create_customer(api)
        event = json.loads((await socket.read())["event_payload"])["id"]
        await api.post(f"/v1/events/{event}/retry", data={"for_stripecli": "true"})
        assert json.loads((await socket.read())["event_payload"])["id"] == event
        assert quiet.from_app.empty()


async def test_the_secret_is_the_devices_own(api: httpx.AsyncClient) -> None:
    first, again, other = [(await open_session(api, device=each))["secret"] for each in ("desk", "desk", "lap")]
    assert first == again != other


async def test_an_unknown_session_is_refused(sandbox: Sandbox) -> None:
    async with dial(sandbox, {"websocket_id": "cliws_unknown"}) as socket:
        start, body = await socket.next(), await socket.next()
    assert start["status"] == 400
    assert body["body"] == b'{"error":{"message":"Unknown WebSocket ID."}}'


async def test_a_session_that_stays_away_is_forgotten(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    session = await open_session(api)
    (kept,) = sandbox.world.every("stripecli_session")
    sandbox.world.save(kept | {"seen": kept["seen"] - 61})
    await create_customer(api)
    assert sandbox.world.every("stripecli_session") == []
    async with dial(sandbox, session) as socket:
        assert (await socket.next())["status"] == 400


@pytest.mark.parametrize("said", ["[" * 100_000, '{"type": "event_ack", "webhook_conversation_id": "\\ud800"}'])
async def test_what_cannot_be_read_ends_no_connection(sandbox: Sandbox, api: httpx.AsyncClient, said: str) -> None:
    session = await open_session(api)
    async with connected(sandbox, session) as socket:
        socket.say(text=said)
        await create_customer(api)
        assert (await socket.next())["type"] == "websocket.send"


@pytest.mark.parametrize("header", [(b"origin", b"https://evil.example"), (b"host", b"evil.example")])
async def test_the_page_of_another_site_cannot_listen(
    sandbox: Sandbox, api: httpx.AsyncClient, header: tuple[bytes, bytes]
) -> None:
    session = await open_session(api)
    async with dial(sandbox, session, header) as socket:
        refused = await socket.next()
        assert (refused["type"], refused["status"]) == ("websocket.http.response.start", 403)
