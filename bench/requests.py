"""Requests as bytes, made before the clock starts."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from bench.servers import HOST

SESSION_COOKIE = re.compile(rb"set-cookie: *__Host-tollhouse=([A-Za-z0-9_-]+)", re.IGNORECASE)
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

numbers = itertools.count(1)


def address_of(number: int) -> str:
    """The address of a person."""
    return f"person-{number}@bench.example"


def ip_of(number: int) -> str:
    """The address their request comes from, as our proxy says."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def http(method: str, path: str, *, ip: str, body: object = None, cookie: str = "", bearer: str = "") -> bytes:
    """One request, as a proxy before us passes it on."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HOST}",
        f"User-Agent: {USER_AGENT}",
        "Accept: application/json",
        f"X-Forwarded-For: {ip}",
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    if cookie:
        lines.append(f"Cookie: __Host-tollhouse={cookie}")
    if bearer:
        lines.append(f"Authorization: Bearer {bearer}")
    return "\r\n".join([*lines, "", ""]).encode() + content


def bare_request() -> bytes:
    """What the bare route is asked, as long as a session check."""
    return http("GET", "/bare", ip=ip_of(1), cookie="A" * 43)


def bare_post(body: bytes) -> bytes:
    """A body for the bare route, as large as an event of Stripe's."""
    return posted("/bare", body, {})


def posted(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A POST of JSON, from somewhere that is no browser."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {HOST}", "Content-Type: application/json", f"X-Forwarded-For: {ip_of(1)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def link_requests() -> Iterator[bytes]:
    """Requests for a link, each for another person in another network."""
    for number in numbers:
        yield http("POST", "/auth/magic-links", ip=ip_of(number), body={"email": address_of(number)})


def redemptions(tokens: Iterable[str]) -> list[bytes]:
    """One redemption of each token."""
    return [
        http("POST", "/auth/callback", ip=ip_of(number), body={"token": token})
        for number, token in enumerate(tokens, 1)
    ]


def session_checks(secrets: Iterable[str]) -> list[bytes]:
    """One check of each session."""
    return [http("GET", "/auth/session", ip=ip_of(1), cookie=secret) for secret in secrets]


def session_secrets(replies: Iterable[bytes]) -> list[str]:
    """The session cookies that replies have set."""
    return [found[1].decode() for found in map(SESSION_COOKIE.search, replies) if found]
