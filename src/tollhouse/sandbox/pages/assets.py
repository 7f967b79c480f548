"""The style sheet and the script."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

TYPES: Final = {"sandbox.css": "text/css", "sandbox.js": "text/javascript"}


def routes() -> Sequence[BaseRoute]:
    """Return a route for each file; they are read once."""
    return [_route(name, kind) for name, kind in TYPES.items()]


def _route(name: str, kind: str) -> Route:
    body = resources.files("tollhouse.sandbox.pages").joinpath("static", name).read_bytes()
    headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "X-Tollhouse-Sandbox": "1"}

    async def answer(request: Request) -> Response:
        return Response(body, 200, headers, kind)

    return Route(f"/static/{name}", answer, methods=["GET"])
