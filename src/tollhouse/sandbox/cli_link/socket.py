"""The websocket of `stripe listen`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tollhouse.sandbox.cli_link.listeners import Listeners
from tollhouse.sandbox.guard import find_fault
from tollhouse.sandbox.resources.account.stripecli_sessions import SUBSCRIBE_PATH
from tollhouse.sandbox.values import is_object, read_json

PROTOCOL: Final = "stripecli-devproxy-v1"
# The CLI opens a new session at these very words, and at no others.
UNKNOWN: Final = '{"error":{"message":"Unknown WebSocket ID."}}'


def routes(listeners: Listeners) -> Sequence[BaseRoute]:
    """Return the route that the CLI dials with the id of a session it opened."""

    async def subscribe(socket: WebSocket) -> None:
        refusal = find_fault(socket, listeners.url)
        if refusal is not None:
            await socket.send_denial_response(Response(refusal, 403, media_type="text/plain"))
            return
        session_id = socket.headers.get("websocket-id", "")
        woken = listeners.connect(session_id)
        if woken is None:
            await socket.send_denial_response(Response(UNKNOWN, 400, media_type="application/json"))
            return
        try:
            await socket.accept(PROTOCOL if PROTOCOL in socket.scope.get("subprotocols", ()) else None)
            await _converse(socket, listeners, session_id, woken)
        finally:
            listeners.disconnect(session_id, woken)

    return [WebSocketRoute(SUBSCRIBE_PATH, subscribe)]


async def _converse(socket: WebSocket, listeners: Listeners, session_id: str, woken: asyncio.Event) -> None:
    """Tell what is to be told and hear what is said, until the CLI hangs up."""
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(_tell(socket, listeners, session_id, woken))
        await _hear(socket, listeners)
        telling.cancel()


async def _tell(socket: WebSocket, listeners: Listeners, session_id: str, woken: asyncio.Event) -> None:
    told: set[str] = set()  # on this connection; what is not acknowledged is told again on the next
    while True:
        await woken.wait()
        woken.clear()
        for message in listeners.untold(session_id, told):
            try:
                await socket.send_text(message)
            except WebSocketDisconnect:
                return


async def _hear(socket: WebSocket, listeners: Listeners) -> None:
    while True:
        try:
            said = await _receive(socket)
        except WebSocketDisconnect:
            return
        if said.get("type") == "event_ack":
            listeners.acknowledge(str(said.get("webhook_conversation_id", "")))


async def _receive(socket: WebSocket) -> dict[str, Any]:
    """Return the next message, empty when it is none that we know. Raises `WebSocketDisconnect`."""
    try:
        said = read_json(await socket.receive_text())
    except (ValueError, KeyError):  # no JSON, or bytes
        return {}
    return said if is_object(said) else {}
