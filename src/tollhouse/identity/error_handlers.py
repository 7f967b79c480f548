"""Errors as replies, in a host's application: ours everywhere, the framework's own on our paths."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.errors import NotFound, TollhouseError
from tollhouse.identity.web import web_of


async def reply_error(request: Request, error: Exception) -> Response:
    """Speak HTTP for every error of ours, on our routes and on the host's."""
    assert isinstance(error, TollhouseError)
    return web_of(request).error(request, error)


async def reply_http_error(request: Request, error: Exception) -> Response:
    """Put what the framework itself refuses (no such page, no such method) into our form."""
    assert isinstance(error, HTTPException)
    problem = NotFound() if error.status_code == 404 else framework_error(error)
    reply = web_of(request).error(request, problem)
    reply.raw_headers += [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return reply


def framework_error(error: HTTPException) -> TollhouseError:
    """Return a framework's refusal as an error of ours with the same status."""

    class Refused(TollhouseError):
        code = "method_not_allowed" if error.status_code == 405 else "request_invalid"
        status = error.status_code

    return Refused(str(error.detail))
