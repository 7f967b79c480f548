"""A real web server on loopback that does what it is told: serves keys, floods, stalls, breaks off, lies."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from joserfc.jwk import ECKey

Send = Callable[[bytes], Awaitable[None]]
Behaviour = Callable[[str, Send], Awaitable[None]]  # the head of the request, and what sends

CHUNK = b"x" * 65_536
FLOOD_BYTES = 1 << 30
BOMB = gzip.compress(b" " * 20_000_000, compresslevel=1)


@dataclass
class HostileIssuer:
    """Answers each connection as `behaviour` does at that moment, and hangs up; counts what it could send."""

    behaviour: Behaviour
    tls: ssl.SSLContext | None = None
    heads: list[str] = field(default_factory=list[str])
    bodies: list[bytes] = field(default_factory=list[bytes])
    bytes_sent: int = 0
    open_now: int = 0
    port: int = 0

    @property
    def asked(self) -> int:
        """How many requests came."""
        return len(self.heads)

    def url(self, path: str = "/jwks.json", *, host: str = "127.0.0.1") -> str:
        """Its address."""
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{path}"

    async def __aenter__(self) -> Self:
        """Start; again after `stop`, on the same port."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._left = asyncio.Event()
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Stop listening and hang up on everybody."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0.01)

    async def hung_up(self, *, within_seconds: float = 2.0) -> bool:
        """Whether everybody has hung up by then."""
        try:
            async with asyncio.timeout(within_seconds):
                while self.open_now:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:
            return False
        return True

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_now += 1
        self._writers.add(writer)

        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()
            self.bytes_sent += len(data)

        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            length = header_of(head, "content-length")
            self.bodies.append(await reader.readexactly(int(length or 0)))
            await self._behave_until_hung_up(head, send, reader)
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client hung up first, which is often what is being tested
        finally:
            self.open_now -= 1
            self._left.set()
            self._writers.discard(writer)
            writer.transport.abort()

    async def _behave_until_hung_up(self, head: str, send: Send, reader: asyncio.StreamReader) -> None:
        async def behave() -> None:
            await self.behaviour(head, send)

        behaving, hung_up = asyncio.create_task(behave()), asyncio.create_task(reader.read())
        try:
            await asyncio.wait({behaving, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (behaving, hung_up):
                task.cancel()
            outcomes = await asyncio.gather(behaving, hung_up, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome


def header_of(head: str, name: str) -> str | None:
    """The value of a header in the head of a request."""
    lines = (line.partition(":") for line in head.split("\r\n")[1:])
    return next((value.strip() for key, _, value in lines if key.lower() == name), None)


def make_key(kid: str) -> dict[str, Any]:
    """A public key as JWKS has it."""
    key = ECKey.generate_key("P-256", {"kid": kid, "alg": "ES256", "use": "sig"}, private=True)
    return dict(key.as_dict(private=False))


def document(*kids: str) -> bytes:
    """A key set with a fresh key for each kid."""
    return json.dumps({"keys": [make_key(kid) for kid in kids]}).encode()


def serve(body: bytes, *, status: str = "200 OK", **headers: str) -> Behaviour:
    """Serves one document; with an `etag`, 304 to whoever has it."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}

    async def behave(head: str, send: Send) -> None:
        etag = given.get("etag")
        fresh = etag is not None and header_of(head, "if-none-match") == etag
        lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
        if fresh:
            await send(f"HTTP/1.1 304 Not Modified\r\n{lines}\r\n".encode())
            return
        await send(f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body)

    return behave


async def announce_a_gigabyte(_: str, send: Send) -> None:
    """A body of 1 GB, as announced."""
    await send(f"HTTP/1.1 200 OK\r\ncontent-length: {FLOOD_BYTES}\r\n\r\n".encode())
    for _part in range(FLOOD_BYTES // len(CHUNK)):
        await send(CHUNK)


async def send_without_end(_: str, send: Send) -> None:
    """Chunks for ever."""
    await send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await send(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))


async def send_crumbs_without_end(_: str, send: Send) -> None:
    """Chunks of one byte, each with a long extension: little body on much wire."""
    await send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await send(b"1;%s\r\nx\r\n" % (b"e" * 8000))


async def say_wait_without_end(_: str, send: Send) -> None:
    """Interim replies for ever."""
    while True:
        await send(b"HTTP/1.1 103 Early Hints\r\nlink: %s\r\n\r\n" % (b"a" * 2000))


async def send_headers_without_end(_: str, send: Send) -> None:
    """Headers for ever."""
    await send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await send(b"x-more: %s\r\n" % (b"h" * 8000))


async def redirect_to_itself(_: str, send: Send) -> None:
    """A redirect to where it came from."""
    await send(b"HTTP/1.1 302 Found\r\nlocation: /jwks.json\r\ncontent-length: 0\r\n\r\n")


async def dribble(_: str, send: Send) -> None:
    """One byte a second, of a body that is announced short enough."""
    await send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _part in range(1000):
        await send(b" ")
        await asyncio.sleep(1)


async def say_nothing(_: str, send: Send) -> None:
    """Takes the request and never replies."""
    await asyncio.sleep(3600)
    await send(b"")


async def change_keys(_: str, send: Send) -> None:
    """Another key, of another kid, at every request."""
    change_keys.count += 1  # type: ignore[attr-defined]
    await serve(document(f"changing-{change_keys.count}"))("", send)  # type: ignore[attr-defined]


change_keys.count = 0  # type: ignore[attr-defined]


async def send_a_bomb(_: str, send: Send) -> None:
    """Gzip of 20 MB of nothing, though nobody asked for gzip."""
    await serve(BOMB, content_encoding="gzip")("", send)


async def break_off(_: str, send: Send) -> None:
    """Half a document, then the end of the connection."""
    body = document("half")
    await send(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2])
