"""Kept connections to one URL, for what is posted there again and again."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from operator import itemgetter
from typing import Final

import httpcore

from tollhouse.outbound.addresses import Reach
from tollhouse.outbound.client import OutboundLimits, Reply, is_encoded, open_headers, prepare, translating
from tollhouse.outbound.connecting import Connection, Resolver, resolve
from tollhouse.outbound.errors import OutboundFailed, OutboundTimedOut
from tollhouse.outbound.targets import Target

IDLE_MAX: Final = 16
IDLE_SECONDS: Final = 20.0
LIFE_SECONDS: Final = 300.0  # then the name is looked up again, so that a server that moved is followed


class Line:
    """Posts to one URL over connections that are kept, every one made to checked addresses only.

    The name is looked up and checked for each new connection, and never again for a kept one. Posts at once have a
    connection each. A line belongs to the event loop of its first post, until it is closed.
    """

    def __init__(
        self,
        url: str,
        reach: Reach,
        *,
        limits: OutboundLimits | None = None,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
        idle_max: int = IDLE_MAX,
        idle_seconds: float = IDLE_SECONDS,
        life_seconds: float = LIFE_SECONDS,
    ) -> None:
        """Take the URL, which is judged at each post, how many connections wait for one, and for how long."""
        self._url = url
        self._reach = reach
        self._limits = limits or OutboundLimits()
        self._connector = self._limits.connector(reach, resolver, tls)
        self._shelf = Shelf(idle_max, idle_seconds, life_seconds)
        self._clocks: set[asyncio.Timeout] = set()  # one for each post under way
        self._post_ended = asyncio.Event()
        self._is_closed = False

    async def post(self, body: bytes, *, headers: Mapping[str, str]) -> Reply:
        """Return the reply, whatever its status but a redirect; raise an `OutboundError`.

        A body that is longer than the limit is cut, one that is encoded is left out: the server has replied all the
        same. When a kept connection turns out to be closed and nothing of a reply came, the post is sent once more,
        over a new one. The server may then have seen it twice: what is posted carries an id by which it can tell.
        """
        target = Target.parse(self._url, self._reach)
        if self._is_closed:
            raise _closed(target)
        clock = asyncio.timeout(self._limits.total_seconds)
        self._clocks.add(clock)
        try:
            with translating(target.host):
                async with clock:
                    return await self._send(target, prepare("POST", target, headers, body))
        except OutboundTimedOut as error:
            if self._is_closed:
                raise _closed(target) from error
            raise
        finally:
            self._clocks.remove(clock)
            self._post_ended.set()

    async def aclose(self) -> None:
        """Hang up everywhere; posts under way fail at once, and so does every later one."""
        self._is_closed = True
        for clock in self._clocks:
            if not clock.expired():
                clock.reschedule(asyncio.get_running_loop().time())
        await self._shelf.clear()
        while self._clocks:
            self._post_ended.clear()
            await self._post_ended.wait()

    async def _send(self, target: Target, request: httpcore.Request) -> Reply:
        kept = await self._shelf.take()
        if kept is not None:
            try:
                return await self._exchange(kept, request)
            except (httpcore.NetworkError, httpcore.RemoteProtocolError):
                if kept.has_heard:
                    raise
        return await self._exchange(await self._connector.connect(target), request)

    async def _exchange(self, connection: Connection, request: httpcore.Request) -> Reply:
        is_kept = False
        try:
            response = await connection.ask(request)
            headers = open_headers(response)
            body, is_whole = await connection.read_body(response, self._limits.body_bytes_max)
            is_kept = is_whole and not self._is_closed and self._shelf.put(connection)
            return Reply(response.status, headers, b"" if is_encoded(headers) else body)
        finally:
            if not is_kept:
                await connection.aclose()


def _closed(target: Target) -> OutboundFailed:
    return OutboundFailed("connect", f"The line to {target.host} is closed.")


class Shelf:
    """Connections that wait for their next request, each until it has waited or lived for too long."""

    def __init__(self, size_max: int, idle_seconds: float, life_seconds: float) -> None:
        """Begin empty."""
        self._size_max = size_max
        self._idle_seconds = idle_seconds
        self._life_seconds = life_seconds
        self._kept: list[tuple[float, Connection]] = []  # until when, in monotonic seconds; the last one used last
        self._sweeping: asyncio.Task[None] | None = None

    async def take(self) -> Connection | None:
        """Return a connection that can be used, or None; what has expired or was closed by the server is closed."""
        while self._kept:
            until, connection = self._kept.pop()
            if time.monotonic() < until and connection.is_reusable:
                return connection
            await connection.aclose()
        return None

    def put(self, connection: Connection) -> bool:
        """Return whether the connection is kept; one that is not is the caller's to close."""
        until = min(time.monotonic() + self._idle_seconds, connection.made_at + self._life_seconds)
        if len(self._kept) >= self._size_max or not connection.is_reusable:
            return False
        self._kept.append((until, connection))
        if self._sweeping is None or self._sweeping.done():
            self._sweeping = asyncio.create_task(self._sweep())
        return True

    async def clear(self) -> None:
        """Close what is kept."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait([self._sweeping])
        while self._kept:
            await self._kept.pop()[1].aclose()

    async def _sweep(self) -> None:
        """Close what has expired, also when nobody posts any more, until nothing is kept."""
        while self._kept:
            first = min(self._kept, key=itemgetter(0))
            wait_seconds = first[0] - time.monotonic()
            if wait_seconds > 0:  # looked at again then: meanwhile it may have been used
                await asyncio.sleep(wait_seconds)
                continue
            self._kept.remove(first)
            await first[1].aclose()
