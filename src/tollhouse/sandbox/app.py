"""The sandbox as one ASGI application."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tollhouse.sandbox.api.dispatch import Api


def make_app(api: Api) -> Starlette:
    """Return the application: the API, the hosted pages, the control API and the dashboard."""

    async def answer(request: Request) -> Response:
        return await api(request)

    return Starlette(routes=[Route("/v1/{path:path}", answer, methods=["GET", "POST", "DELETE"])])
