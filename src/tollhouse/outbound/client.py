"""A small HTTP client for URLs that are not ours: guarded, bounded, and forgetful."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Generator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Final

import httpcore

from tollhouse.outbound.addresses import Reach
from tollhouse.outbound.connecting import Connection, Connector, Resolver, locate, resolve
from tollhouse.outbound.errors import OutboundFailed, OutboundTimedOut, ReplyRefused
from tollhouse.outbound.targets import Target

USER_AGENT: Final = "Tollhouse"
HEADERS_BYTES_MAX: Final = 64 * 1024
NOT_MODIFIED: Final = 304  # the one 3xx that leads nowhere


@dataclass(frozen=True, slots=True)
class OutboundLimits:
    """How long and how much."""

    total_seconds: float = 10.0  # from the look-up of the name to the last byte
    connect_seconds: float = 3.0  # for each of at most four addresses
    body_bytes_max: int = 256 * 1024

    @property
    def wire_bytes_max(self) -> int:
        """Room for headers and the marks of chunks; who needs more is not sending a reply but a flood."""
        return 2 * self.body_bytes_max + HEADERS_BYTES_MAX

    def connector(self, reach: Reach, resolver: Resolver, tls: ssl.SSLContext | None) -> Connector:
        """Return what connects within these limits."""
        return Connector(reach, resolver, tls, self.connect_seconds, self.wire_bytes_max)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply; header names in lower case, repeated ones joined with commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outbound:
    """Calls URLs: every address checked before it is connected to, redirects, cookies, proxies and encodings refused.

    Each call is a connection of its own, so nothing of one call can turn up in another.
    """

    def __init__(
        self,
        reach: Reach = Reach.PUBLIC,
        *,
        limits: OutboundLimits | None = None,
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Take how far calls may go; `tls` replaces the system's authorities, `resolver` its look-ups."""
        self._reach = reach
        self._limits = limits or OutboundLimits()
        self._connector = self._limits.connector(reach, resolver, tls)

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """Return the reply, whatever its status but a redirect; raise an `OutboundError`."""
        target = Target.parse(url, self._reach)
        with translating(target.host):
            async with asyncio.timeout(self._limits.total_seconds):
                request = prepare(method, target, {"connection": "close", **(headers or {})}, body)
                async with aclosing(await self._connector.connect(target)) as connection:
                    return await self._read(connection, await connection.ask(request))

    async def _read(self, connection: Connection, response: httpcore.Response) -> Reply:
        headers = open_headers(response)
        if is_encoded(headers):
            raise ReplyRefused("encoding")  # not asked for; a small bomb that unpacks to gigabytes
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._limits.body_bytes_max:
            raise ReplyRefused("too_large")
        body, is_whole = await connection.read_body(response, self._limits.body_bytes_max)
        if not is_whole:
            raise ReplyRefused("too_large")
        return Reply(response.status, headers, body)


@contextmanager
def translating(host: str) -> Generator[None]:
    """Raise what goes wrong with a call as an `OutboundError`."""
    try:
        yield
    except (TimeoutError, httpcore.TimeoutException) as error:
        raise OutboundTimedOut("timeout", f"{host} took too long.") from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        reason = _reason_of(error)
        raise OutboundFailed(reason, f"The call to {host} failed ({reason}).") from error


def _reason_of(error: BaseException) -> str:
    if isinstance(error.__cause__, ssl.SSLError):
        return "tls"
    return "protocol" if isinstance(error, httpcore.ProtocolError) else "connect"


def prepare(method: str, target: Target, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
    """Return the request with the headers that all of ours have; those given come first."""
    sent = {
        "host": target.authority,
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        **{name.lower(): value for name, value in headers.items()},
    }
    if body or method not in ("GET", "HEAD"):
        sent["content-length"] = str(len(body))
    return httpcore.Request(method, locate(target), headers=list(sent.items()), content=body)


def open_headers(response: httpcore.Response) -> dict[str, str]:
    """Return the headers of a reply; raise `ReplyRefused` for a redirect."""
    if 300 <= response.status < 400 and response.status != NOT_MODIFIED:
        raise ReplyRefused("redirect")  # it would lead past all that was checked
    headers: dict[str, str] = {}
    for name, value in response.headers:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def is_encoded(headers: Mapping[str, str]) -> bool:
    """Whether the body is something else than it says, compressed mostly."""
    return headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
