"""An app's webhook route on a port of its own, in process: it answers as a test tells it, and keeps what came."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwqXv3hT0gPZ4="


@dataclass(frozen=True)
class Answer:
    """What is answered: a status with its headers and body, or what else can become of a request."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut_at: int | None = None  # so many bytes of the body are sent, and the connection is reset
    is_silent: bool = False  # nothing comes, ever

    def head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} -", f"content-length: {len(self.body)}"]
        if self.status == 204:
            del lines[1]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join((*lines, "", "")).encode()


OK = Answer()
DOWN = Answer(503)


@dataclass(frozen=True)
class Arrival:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def user(self) -> str:
        return self.event["data"]["user_id"]


Decide = Callable[[Arrival], Awaitable[Answer]]


class Receiver:
    """A server on loopback: `script` is answered first, then `usual`, unless `decide` says what."""

    def __init__(self, *script: Answer, usual: Answer = OK, tls: ssl.SSLContext | None = None) -> None:
        self.script = deque(script)
        self.usual = usual
        self.decide: Decide | None = None
        self.arrivals: list[Arrival] = []
        self.connections = 0
        self.port = 0
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/events"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the port of the last time if there was one."""
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up, and refuse connections."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def until(self, count: int, *, within_seconds: float = 10) -> list[Arrival]:
        """Return what came, once that is so much."""
        async with asyncio.timeout(within_seconds):
            while len(self.arrivals) < count:
                self._news.clear()
                await self._news.wait()
        return self.arrivals

    @property
    def types(self) -> list[str]:
        return [each.event["type"] for each in self.arrivals]

    @property
    def ids(self) -> list[str]:
        return [each.event["id"] for each in self.arrivals]

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self.connections += 1
        try:
            while (arrival := await _read(reader)) is not None:
                await self._answer(arrival, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # whoever called has hung up, or the test is over
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _answer(self, arrival: Arrival, writer: asyncio.StreamWriter) -> None:
        self.arrivals.append(arrival)
        scripted = self.script.popleft() if self.script else self.usual
        self._news.set()
        answer = await self.decide(arrival) if self.decide else scripted
        if answer.is_silent:
            await asyncio.Event().wait()
        writer.write(answer.head() + answer.body[: answer.cut_at])
        await writer.drain()
        if answer.cut_at is not None:
            raise ConnectionResetError


async def _read(reader: asyncio.StreamReader) -> Arrival | None:
    """Return the next request, or None when no more comes."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    _, path, _ = head[0].split(" ")
    return Arrival(path, headers, await reader.readexactly(int(headers["content-length"])))
