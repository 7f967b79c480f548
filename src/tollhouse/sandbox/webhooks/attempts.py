"""One attempt to deliver a webhook."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httpx

from tollhouse.sandbox.values import Obj

REPLY_BYTES_KEPT: Final = 2_000


@dataclass(frozen=True, slots=True)
class Message:
    """A webhook ready to be sent; with `slow_seconds` its body comes in two halves with that wait between them."""

    url: str
    body: bytes
    headers: dict[str, str]
    slow_seconds: float = 0


async def post(client: httpx.AsyncClient, message: Message, *, seconds_max: float) -> Obj:
    """Return what came of it: `{"sent_at", "status", "milliseconds", "error", "reply"}`.

    `sent_at` is in seconds since 1970 by the machine's clock; `status` is None where no reply came, and `error` says
    why. A redirect is not followed.
    """
    began, sent_at = time.monotonic(), int(time.time())
    status, error, reply = None, None, ""
    try:
        async with asyncio.timeout(seconds_max + message.slow_seconds):
            status, reply = await _exchange(client, message)
    except TimeoutError:
        error = f"No reply within {seconds_max:g} seconds."
    except Exception as raised:  # noqa: BLE001 (an endpoint in process may raise anything: it has not taken the event)
        error = f"{type(raised).__name__}: {raised}"
    milliseconds = round((time.monotonic() - began) * 1000)
    return {"sent_at": sent_at, "status": status, "milliseconds": milliseconds, "error": error, "reply": reply}


def unsent(error: Exception) -> Obj:
    """Return what came of an attempt that ended before anything was sent."""
    text = f"{type(error).__name__}: {error}"
    return {"sent_at": int(time.time()), "status": None, "milliseconds": 0, "error": text, "reply": ""}


async def _exchange(client: httpx.AsyncClient, message: Message) -> tuple[int, str]:
    headers = message.headers | {"Content-Length": str(len(message.body))}
    content = _halves(message) if message.slow_seconds else message.body
    kept = b""
    async with client.stream("POST", message.url, content=content, headers=headers) as response:
        async for chunk in response.aiter_bytes():
            kept += chunk
            if len(kept) >= REPLY_BYTES_KEPT:
                break
    return response.status_code, kept[:REPLY_BYTES_KEPT].decode(errors="replace")


async def _halves(message: Message) -> AsyncIterator[bytes]:
    middle = len(message.body) // 2
    yield message.body[:middle]
    await asyncio.sleep(message.slow_seconds)
    yield message.body[middle:]
