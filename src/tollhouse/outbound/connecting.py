"""Connections to checked addresses only, with a limit on all that comes over them."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
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


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the addresses it was made with, whatever the name would resolve to by now (rebinding)."""

    def __init__(self, addresses: Sequence[str], *, seconds: float, bytes_max: int) -> None:
        """Take the checked addresses, the time for each and how many bytes may come in."""
        self._addresses = addresses
        self._seconds = seconds
        self._bytes_max = bytes_max
        self._stream: httpcore.AsyncNetworkStream | None = None
        # httpcore's types know only its stand-in for an absent anyio.
        self._backend = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's interface)
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return a connection to the first address that takes one; the host is not looked at."""
        failure: Exception | None = None
        for address in self._addresses:
            try:
                self._stream = await self._backend.connect_tcp(address, port, timeout=self._seconds)
                return CountedStream(self._stream, self._bytes_max)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None, "made without addresses"
        raise failure

    async def hang_up(self) -> None:
        """Close the connection, if one was made: cancelled in a TLS handshake, httpcore would leave it open."""
        if self._stream is not None:
            await self._stream.aclose()


class CountedStream(httpcore.AsyncNetworkStream):
    """A connection that is given up when more comes in than any reply has, headers and chunk marks included."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, bytes_max: int) -> None:
        """Wrap a stream."""
        self._stream = stream
        self._bytes_max = bytes_max
        self._bytes_left = bytes_max

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's interface)
        """Return what came in; raise `ReplyRefused` when it is too much."""
        data = await self._stream.read(max_bytes, timeout)
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise ReplyRefused("too_large")
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 (httpcore's interface)
        """Send."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Hang up."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (httpcore's interface)
    ) -> httpcore.AsyncNetworkStream:
        """Return the encrypted stream, counted as well."""
        return CountedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout), self._bytes_max)

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks of a stream."""
        return self._stream.get_extra_info(info)
