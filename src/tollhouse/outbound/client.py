"""A small HTTP client for URLs that are not ours: guarded, bounded, and forgetful."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpcore

from tollhouse.outbound.addresses import Reach
from tollhouse.outbound.connecting import CheckedBackend, Resolver, find_addresses, resolve
from tollhouse.outbound.errors import OutboundError, OutboundFailed, OutboundTimedOut, ReplyRefused
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
        self._resolver = resolver
        self._tls = tls

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        """Return the reply, whatever its status but a redirect; raise an `OutboundError`."""
        target = Target.parse(url, self._reach)
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                addresses = await find_addresses(target, self._reach, self._resolver)
                backend = CheckedBackend(
                    addresses, seconds=self._limits.connect_seconds, bytes_max=self._limits.wire_bytes_max
                )
                return await self._exchange(backend, target, _prepare(method, target, headers or {}, body))
        except OutboundError:
            raise
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise OutboundTimedOut("timeout", f"{target.host} took too long.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            reason = _reason_of(error)
            raise OutboundFailed(reason, f"The call to {target.host} failed ({reason}).") from error

    async def _exchange(self, backend: CheckedBackend, target: Target, request: httpcore.Request) -> Reply:
        tls = await self._find_tls() if target.scheme == "https" else None
        connection = httpcore.AsyncHTTPConnection(request.url.origin, ssl_context=tls, network_backend=backend)
        try:
            async with connection:
                response = await connection.handle_async_request(request)
                return await self._read(response)
        finally:
            await backend.hang_up()

    async def _find_tls(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = await asyncio.to_thread(_make_tls)
        return self._tls

    async def _read(self, response: httpcore.Response) -> Reply:
        headers = _join(response.headers)
        if 300 <= response.status < 400 and response.status != NOT_MODIFIED:
            raise ReplyRefused("redirect")  # it would lead past all that was checked
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise ReplyRefused("encoding")  # not asked for; a small bomb that unpacks to gigabytes
        bytes_max = self._limits.body_bytes_max
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > bytes_max:
            raise ReplyRefused("too_large")
        body = bytearray()
        async for chunk in response.aiter_stream():
            body += chunk
            if len(body) > bytes_max:
                raise ReplyRefused("too_large")
        return Reply(response.status, headers, bytes(body))


def _prepare(method: str, target: Target, headers: Mapping[str, str], body: bytes) -> httpcore.Request:
    sent = {
        "host": target.authority,
        "user-agent": USER_AGENT,
        "accept-encoding": "identity",
        "connection": "close",
        **{name.lower(): value for name, value in headers.items()},
    }
    if body or method not in ("GET", "HEAD"):
        sent["content-length"] = str(len(body))
    url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
    return httpcore.Request(method, url, headers=list(sent.items()), content=body)


def _join(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _reason_of(error: BaseException) -> str:
    if isinstance(error.__cause__, ssl.SSLError):
        return "tls"
    return "protocol" if isinstance(error, httpcore.ProtocolError) else "connect"


@functools.cache
def _make_tls() -> ssl.SSLContext:
    """Return the system's authorities and certifi's; reading them can take half a second, so once, and in a thread."""
    return httpcore.default_ssl_context()
