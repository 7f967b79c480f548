"""The sandbox as one ASGI application."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollhouse.sandbox import cli_link, control, pages
from tollhouse.sandbox.api.dispatch import Api

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

SANDBOX_HEADER: Final = "X-Tollhouse-Sandbox"


def make_app(sandbox: Sandbox) -> ASGIApp:
    """Return the application: the API, what the Stripe CLI listens to, the control API and the pages."""
    answer = _EveryMethod(sandbox.api)
    routes = [
        *cli_link.routes(sandbox.listeners),
        Route("/v1", answer),
        Route("/v1/{path:path}", answer),
        *control.routes(sandbox),
        *pages.routes(sandbox),
    ]
    return _Marked(Starlette(routes=routes), sandbox.check_usable)


class _EveryMethod:
    """The API as an application of its own, which also tells of methods that it does not know."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._api(Request(scope, receive))
        await response(scope, receive, send)


class _Marked:
    """An application whose every reply says that it is no answer of Stripe's; it is used only where it can be."""

    def __init__(self, app: ASGIApp, check_usable: Callable[[], None]) -> None:
        self._app = app
        self._check_usable = check_usable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._check_usable()

        async def mark(message: Message) -> None:
            if message["type"] in {"http.response.start", "websocket.http.response.start"}:
                MutableHeaders(scope=message)[SANDBOX_HEADER] = "1"
            await send(message)

        await self._app(scope, receive, mark)
