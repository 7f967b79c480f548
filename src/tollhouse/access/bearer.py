"""The `Authorization` header, read strictly, and how a refusal is answered (RFC 6750)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access.errors import NotAuthenticated, TokenInvalid
from tollhouse.errors import TollhouseError
from tollhouse.pages.edge import give_id
from tollhouse.pages.replies import reply_problem

# RFC 6750, 2.1 with the scheme in any case and one or more spaces (RFC 9110, 11.1 and 11.4).
BEARER: Final = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
SCHEME: Final = re.compile(rb"bearer(?![!#$%&'*+.^_`|~0-9a-z-])", re.IGNORECASE)


def read_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the bearer token of a request's raw headers; nothing else of the request is looked at.

    A token in the query would be logged and in a body forged by a form (RFC 6750, 2.2 and 2.3). Raises
    `NotAuthenticated` without one, `TokenInvalid` for two headers and for one that is garbled.
    """
    found = [value for name, value in headers if name.lower() == b"authorization"]
    if not found:
        raise NotAuthenticated
    if len(found) > 1:  # of which a proxy before us may have read the other
        raise TokenInvalid(reason="two_headers")
    value = found[0].strip(b" \t")
    match = BEARER.fullmatch(value)
    if match is not None:
        return match[1].decode("ascii")
    if SCHEME.match(value):
        raise TokenInvalid(reason="header_garbled")
    raise NotAuthenticated  # another scheme: no token was sent


async def reply_error(request: Request, error: Exception) -> Response:
    """Answer an error of ours as problem details, with its challenge, in an application that is not Tollhouse's own."""
    assert isinstance(error, TollhouseError)
    request_id = give_id(dict(request.scope["headers"]))
    reply = reply_problem(error, request_id)
    reply.raw_headers.append((b"x-request-id", request_id.encode()))
    return reply
