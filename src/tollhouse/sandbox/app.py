"""The sandbox as one ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tollhouse.sandbox import cli_link, control, pages

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox


def make_app(sandbox: Sandbox) -> Starlette:
    """Return the application: the API, what the Stripe CLI listens to, the control API and the pages."""

    async def answer(request: Request) -> Response:
        return await sandbox.api(request)

    routes = [
        *cli_link.routes(sandbox.listeners),
        Route("/v1/{path:path}", answer, methods=["GET", "POST", "DELETE"]),
        *control.routes(sandbox),
        *pages.routes(sandbox),
    ]
    return Starlette(routes=routes)
