"""A line against real servers on loopback that keep connections, or drop them at the worst moment."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

from tests.support.hostile_issuer import header_of
from tollhouse.outbound import Line, OutboundError, OutboundLimits, Reach, Reply
from tollhouse.outbound.line import IDLE_MAX

HURRIED = OutboundLimits(total_seconds=0.3, connect_seconds=0.3)
KEEP, HANG_UP, STALL = "keep", "hang up", "stall"
Answer = tuple[bytes, str]  # what is sent, and what then


def ok(body: bytes, *headers: str) -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body


def chunked(*chunks: bytes) -> bytes:
    marked = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + marked + b"0\r\n\r\n"


YES: Answer = (ok(b"yes"), KEEP)
SILENCE: Answer = (b"", STALL)


@dataclass
class Receiver:
    """Answers each post with the next of its answers, or what was posted, over connections that stay open."""

    answers: list[Answer] = field(default_factory=list[Answer])
    tls: ssl.SSLContext | None = None
    heads: list[str] = field(default_factory=list[str])
    bodies: list[bytes] = field(default_factory=list[bytes])
    met: int = 0
    open_now: int = 0

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Condition()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self.has(open_now=0)
        await self._server.wait_closed()

    def url(self, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}/hook"

    async def has(self, *, asked: int | None = None, open_now: int | None = None) -> bool:
        """Wait until so many posts have come, or so many connections are open."""

        def is_so() -> bool:
            return asked in (None, len(self.bodies)) and open_now in (None, self.open_now)

        async with asyncio.timeout(5), self._changed:
            return await self._changed.wait_for(is_so)

    async def say_and_hang_up(self, data: bytes) -> None:
        """Say something on every connection, though nobody asked."""
        for writer in self._writers:
            writer.write(data)
            writer.close()
        await self.has(open_now=0)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.met += 1
        await self._count(1)
        try:
            while await self._answer(reader, writer) == KEEP:
                pass
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the line hung up, which is often what is being tested
        finally:
            self._writers.discard(writer)
            writer.transport.abort()
            await self._count(-1)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        body = await reader.readexactly(int(header_of(head, "content-length") or 0))
        data, then = self.answers.pop(0) if self.answers else (ok(body), KEEP)
        self.heads.append(head)
        self.bodies.append(body)
        await self._count(0)
        writer.write(data)
        await writer.drain()
        if then == STALL:
            await reader.read()
        return then

    async def _count(self, more: int) -> None:
        async with self._changed:
            self.open_now += more
            self._changed.notify_all()


class Lines:
    """Makes lines to a receiver, and closes them."""

    def __init__(self) -> None:
        self.made: list[Line] = []

    def __call__(
        self, server: Receiver, reach: Reach = Reach.CONFIGURED, *, host: str = "127.0.0.1", **more: Any
    ) -> Line:
        self.made.append(Line(server.url(host), reach, **more))
        return self.made[-1]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for line in self.made:
            await line.aclose()


async def post(line: Line, body: bytes = b"a") -> Reply:
    return await line.post(body, headers={"Webhook-Id": "out_1"})


async def fail(line: Line, body: bytes = b"a") -> str:
    """The reason for which a post fails."""
    with pytest.raises(OutboundError) as failed:
        await post(line, body)
    return failed.value.reason


async def test_posts_one_after_another_share_a_connection() -> None:
    async with Receiver() as server, Lines() as lines:
        line = lines(server)
        for body in (b"a", b"", b"c" * 100_000):
            reply = await post(line, body)
            assert (reply.status, reply.body, reply.headers) == (200, body, {"content-length": str(len(body))})
        assert (server.met, server.bodies) == (1, [b"a", b"", b"c" * 100_000])
        head = server.heads[0]
        assert head.startswith("POST /hook HTTP/1.1\r\n")
        assert (header_of(head, "host"), header_of(head, "webhook-id")) == (f"127.0.0.1:{server.port}", "out_1")
        assert (header_of(head, "accept-encoding"), header_of(head, "connection")) == ("identity", None)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ((chunked(b"ye", b"s"), KEEP), b"yes"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n", KEEP), b""),
        ((b"HTTP/1.1 103 Early Hints\r\n\r\n" + ok(b"yes"), KEEP), b"yes"),
        ((ok(b"\x1f\x8b packed", "content-encoding: gzip"), KEEP), b""),
        ((ok(b"yes", "content-encoding: identity"), KEEP), b"yes"),
        ((ok(b"y" * 1000), KEEP), b"y" * 1000),
    ],
)
async def test_a_connection_is_kept_after_every_reply_that_has_an_end(answer: Answer, body: bytes) -> None:
    async with Receiver([answer]) as server, Lines() as lines:
        line = lines(server, limits=OutboundLimits(body_bytes_max=1000))
        assert (await post(line)).body == body
        assert (await post(line)).body == b"a"
        assert server.met == 1


@pytest.mark.parametrize(
    "answer",
    [
        (ok(b"yes", "connection: close"), HANG_UP),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nyes", HANG_UP),
        (b"HTTP/1.1 200 OK\r\n\r\nyes", HANG_UP),
        (ok(b"yes"), HANG_UP),  # without having said so
        (ok(b"yes") + ok(b"of another post"), KEEP),
        (ok(b"yes") + b"\r\n", KEEP),
    ],
)
async def test_a_connection_that_is_closed_or_that_says_more_than_its_reply_is_not_used_again(answer: Answer) -> None:
    async with Receiver([answer]) as server, Lines() as lines:
        line = lines(server)
        assert (await post(line)).body == b"yes"
        assert (await post(line, b"b")).body == b"b"
        assert (server.met, server.bodies) == (2, [b"a", b"b"])


async def test_what_a_server_says_before_it_closes_an_idle_connection_is_no_reply() -> None:
    async with Receiver() as server, Lines() as lines:
        line = lines(server)
        await post(line)
        await server.say_and_hang_up(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        reply = await post(line, b"b")
        assert (reply.status, reply.body, server.met) == (200, b"b", 2)


async def test_a_post_that_a_kept_connection_swallowed_is_sent_once_more() -> None:
    async with Receiver([YES, (b"", HANG_UP)]) as server, Lines() as lines:
        line = lines(server)
        await post(line)
        assert (await post(line, b"b")).body == b"b"
        assert (server.met, server.bodies) == (2, [b"a", b"b", b"b"])


async def test_a_post_is_repeated_once_and_not_at_all_on_a_new_connection() -> None:
    async with Receiver([(b"", HANG_UP), YES, (b"", HANG_UP), (b"", HANG_UP)]) as server, Lines() as lines:
        line = lines(server)
        assert await fail(line) == "protocol"
        assert server.bodies == [b"a"]
        await post(line, b"b")
        assert await fail(line, b"c") == "protocol"
        assert server.bodies == [b"a", b"b", b"c", b"c"]


@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\n", ok(b"yes")[:-1], b"garbage\r\n\r\n"])
async def test_a_reply_that_breaks_off_is_no_reason_to_post_again(part: bytes) -> None:
    async with Receiver([YES, (part, HANG_UP)]) as server, Lines() as lines:
        line = lines(server)
        await post(line)
        assert await fail(line, b"b") == "protocol"
        assert server.bodies == [b"a", b"b"]


async def test_posts_at_once_do_not_meet_and_no_more_connections_are_kept_than_allowed() -> None:
    async with Receiver() as server, Lines() as lines:
        line = lines(server)
        bodies = [str(number).encode() for number in range(100)]
        replies = await asyncio.gather(*(post(line, body) for body in bodies))
        assert [reply.body for reply in replies] == bodies
        assert await server.has(open_now=IDLE_MAX)
        met = server.met
        await asyncio.gather(*(post(line) for _ in range(IDLE_MAX)))
        assert server.met == met
