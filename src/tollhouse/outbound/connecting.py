"""Connections to checked addresses only, with a limit on all that comes over them for each request."""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, Final, cast

import httpcore

from tollhouse.outbound.addresses import Reach, is_allowed
from tollhouse.outbound.errors import OutboundFailed, OutboundRefused, ReplyRefused
from tollhouse.outbound.targets import Target

ADDRESSES_TRIED_MAX: Final = 4

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]  # host and port → every address, as text


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return every address of a name, as the system finds them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


async def find_addresses(target: Target, reach: Reach, resolver: Resolver) -> Sequence[str]:
    """Return where to connect; raise `OutboundRefused` when any address of the name is not allowed.

    Any, not all: a name with a public and a private address is a trap, and which one is used would be luck.
    """
    if target.addresses:
        return target.addresses
    try:
        addresses = await resolver(target.host, target.port)
    except (OSError, UnicodeError) as error:
        raise OutboundFailed("resolve", f"{target.host} has no address.") from error
    if not addresses:
        raise OutboundFailed("resolve", f"{target.host} has no address.")
    if not all(is_allowed(address, reach) for address in addresses):
        raise OutboundRefused("address", f"{target.host} is at an address that is not called from here.")
    return _take_turns(addresses)


def _take_turns(addresses: Sequence[str]) -> list[str]:
    """Return both families in turn, so that one without a route costs one try, not all of them."""
    ipv6 = [address for address in addresses if ":" in address]
    ipv4 = [address for address in addresses if ":" not in address]
    first, second = (ipv6, ipv4) if addresses[0] in ipv6 else (ipv4, ipv6)
    turns = chain.from_iterable(zip_longest(first, second))
    return [address for address in turns if address is not None][:ADDRESSES_TRIED_MAX]


def locate(target: Target) -> httpcore.URL:
    """Return a target as httpcore has it."""
    return httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)


@dataclass(frozen=True, slots=True)
class Connector:
    """Makes connections, each to addresses that are looked up and checked for it and for no other."""

    reach: Reach
    resolver: Resolver
    tls: ssl.SSLContext | None  # instead of the system's authorities
    address_seconds: float  # to connect to each of at most four addresses
    bytes_max: int  # that come in for each request

    async def connect(self, target: Target) -> Connection:
        """Return a new connection; raise `OutboundRefused` when the name leads to where is not called from here."""
        addresses = await find_addresses(target, self.reach, self.resolver)
        tls = await self._find_tls() if target.scheme == "https" else None
        stream = await _connect_tcp(addresses, target.port, self.address_seconds)
        if tls is not None:
            stream = await _start_tls(stream, tls, target.host)
        return Connection(locate(target).origin, CountedStream(stream, self.bytes_max))

    async def _find_tls(self) -> ssl.SSLContext:
        return self.tls or await asyncio.to_thread(_make_tls)


@functools.cache
def _make_tls() -> ssl.SSLContext:
    """Return the system's authorities and certifi's; reading them can take half a second, so once, and in a thread."""
    return httpcore.default_ssl_context()


async def _connect_tcp(addresses: Sequence[str], port: int, seconds: float) -> httpcore.AsyncNetworkStream:
    """Return a stream to the first address that takes one, whatever the name would resolve to by now (rebinding)."""
    # httpcore's types know only its stand-in for an absent anyio.
    backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
    failure: Exception | None = None
    for address in addresses:
        try:
            return await backend.connect_tcp(address, port, timeout=seconds)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            failure = error
    assert failure is not None, "called without addresses"
    raise failure


async def _start_tls(
    stream: httpcore.AsyncNetworkStream, tls: ssl.SSLContext, host: str
) -> httpcore.AsyncNetworkStream:
    tls.set_alpn_protocols(["http/1.1"])
    try:
        return await stream.start_tls(tls, server_hostname=host)
    except BaseException:  # cancelled in the handshake, httpcore would leave the connection open
        await stream.aclose()
        raise


class CountedStream(httpcore.AsyncNetworkStream):
    """A stream that is given up when more comes in than any reply has, headers and chunk marks included."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, bytes_max: int) -> None:
        """Wrap a stream; `bytes_max` is for each request."""
        self._stream = stream
        self._bytes_max = bytes_max
        self._bytes_left = bytes_max
        self._unsent = bytearray()

    def begin(self) -> None:
        """Count from nothing again: another request is sent."""
        self._bytes_left = self._bytes_max

    def stop(self) -> None:
        """Take nothing more in for this request."""
        self._bytes_left = 0

    @property
    def has_heard(self) -> bool:
        """Whether anything came in since the request began."""
        return self._bytes_left < self._bytes_max

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's interface)
        """Return what came in; raise `ReplyRefused` when that would be more than one reply may have."""
        if self._bytes_left == 0:
            raise ReplyRefused("too_large")
        if self._unsent:
            await self._flush()
        data = await self._stream.read(min(max_bytes, self._bytes_left), timeout)
        self._bytes_left -= len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 (httpcore's interface)
        """Take what is to be sent: head and body go out as one, when a reply is waited for."""
        self._unsent += buffer

    async def _flush(self) -> None:
        unsent, self._unsent = bytes(self._unsent), bytearray()
        # Who hangs up before all was sent may have replied why; without a reply, reading fails as well.
        with suppress(httpcore.WriteError):
            await self._stream.write(unsent)

    async def aclose(self) -> None:
        """Hang up."""
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks of a stream."""
        return self._stream.get_extra_info(info)


class Connection(httpcore.AsyncHTTP11Connection):
    """One HTTP/1.1 connection to a checked address, for one request after another."""

    def __init__(self, origin: httpcore.Origin, stream: CountedStream) -> None:
        """Take a stream that is connected, and encrypted where it has to be."""
        super().__init__(origin, stream)
        self._counted = stream
        self.made_at = time.monotonic()

    @property
    def has_heard(self) -> bool:
        """Whether anything of a reply came since the request began."""
        return self._counted.has_heard

    @property
    def is_reusable(self) -> bool:
        """Whether the next request may go out here: the last reply has ended, and the server is there and silent."""
        left_over, _ = self._h11_state.trailing_data  # it would be taken for the next reply, and every reply be late
        return self.is_idle() and not left_over and not self.has_expired()

    async def ask(self, request: httpcore.Request) -> httpcore.Response:
        """Return the head of the reply; the body is to be read next."""
        self._counted.begin()
        return await self.handle_async_request(request)

    async def read_body(self, response: httpcore.Response, bytes_max: int) -> tuple[bytes, bool]:
        """Return the body, or its first bytes, and whether that is all of it."""
        body, is_whole = bytearray(), True
        try:
            # To its end, never left midway: the loop would close httpcore's generators later, in tasks of its own.
            async for chunk in response.aiter_stream():
                room = bytes_max - len(body)
                if len(chunk) > room:
                    is_whole = False
                    self._counted.stop()
                body += chunk[:room]
            await response.aclose()
        except ReplyRefused:
            is_whole = False
        return bytes(body), is_whole
