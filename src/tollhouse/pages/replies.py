"""Replies: JSON, pages and redirects, and how an error is told to a program and to a person."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.responses import Response

from tollhouse.errors import TollhouseError

Headers = Sequence[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")
PROBLEM: Final = (b"content-type", b"application/problem+json")
HTML: Final = (b"content-type", b"text/html; charset=utf-8")
NO_STORE: Final = (b"cache-control", b"no-store")
TITLES: Final[Mapping[int, str]] = {
    400: "That did not work",
    401: "Please sign in",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not like this",
    408: "Too slow",
    410: "This link does not work any more",
    413: "Too large",
    415: "Not like this",
    422: "That does not look right",
    429: "Too many requests",
    500: "Something went wrong here",
    503: "Just a moment",
}


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))  # `json.dumps` would make one for each call


def encode(value: Any) -> bytes:
    """Return JSON without spaces, in ASCII."""
    return _ENCODER.encode(value).encode()


class Reply(Response):
    """A response from its parts; Starlette's own would decode and encode every header again."""

    def __init__(self, body: bytes, *, status: int = 200, headers: Headers = ()) -> None:
        """Keep the parts."""
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = [(b"content-length", str(len(body)).encode()), *headers]


def reply_json(value: Any, *, status: int = 200, headers: Headers = ()) -> Reply:
    """Return JSON that nobody caches."""
    return Reply(encode(value), status=status, headers=(JSON, NO_STORE, *headers))


def reply_page(html: str, *, status: int = 200, headers: Headers = ()) -> Reply:
    """Return a page; `headers` bring the security headers."""
    return Reply(html.encode(), status=status, headers=(HTML, *headers))


def redirect(url: str, *, headers: Headers = ()) -> Reply:
    """Return 303 See Other; the URL must be validated already and plain ASCII."""
    return Reply(b"", status=303, headers=((b"location", url.encode("ascii")), NO_STORE, *headers))


def problem_of(error: TollhouseError, request_id: str) -> dict[str, Any]:
    """Return the problem details of an error (RFC 9457)."""
    return {
        "type": "about:blank"
        if error.status >= 500 and error.code == "internal_error"
        else f"urn:tollhouse:{error.code}",
        "title": TITLES.get(error.status, "Error"),
        "status": error.status,
        "detail": error.public_detail,
        "code": error.code,
        "request_id": request_id,
        **error.evidence,
    }


def reply_problem(error: TollhouseError, request_id: str) -> Reply:
    """Return an error for a program."""
    headers = (PROBLEM, NO_STORE, *headers_of(error))
    return Reply(encode(problem_of(error, request_id)), status=error.status, headers=headers)


def headers_of(error: TollhouseError) -> Headers:
    """Return the headers that an error asks for."""
    wait = error.retry_after_seconds
    retry = () if wait is None else ((b"retry-after", str(wait).encode()),)
    challenge = error.challenge
    return retry if challenge is None else (*retry, (b"www-authenticate", challenge.encode("ascii")))
