"""Routes that are documented like FastAPI's and run like Starlette's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

from fastapi.routing import APIRoute, APIRouter
from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from tollhouse.errors import TollhouseError

Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class PlainRoute(APIRoute):
    """A route whose function gets the request and returns the response, with nothing solved or serialised between.

    FastAPI's own handling costs 50 to 80 µs a request; what it would do here is one line in each function. The OpenAPI
    document is still made from `responses` and `openapi_extra`.
    """

    def get_route_handler(self) -> Endpoint:
        """Return the function itself."""
        return cast(Endpoint, self.endpoint)


class DirectRoutes(BaseRoute):
    """The routes of fixed path, found by one look-up and called with nothing between.

    It stands before FastAPI's own routes, which serve patterned paths and make the OpenAPI document: their matching
    alone costs several times what a session check does.
    """

    def __init__(self, routers: Iterable[APIRouter]) -> None:
        """Take the routes of fixed path from these routers."""
        routes = [route for router in routers for route in router.routes if isinstance(route, PlainRoute)]
        fixed = [route for route in routes if "{" not in route.path]
        self._routes = {(method, route.path): route for route in fixed for method in route.methods or ()}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Find the route of this method and path; whatever else there is to say of a path, FastAPI says."""
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            return Match.NONE, {}
        return Match.FULL, {"route": route, "endpoint": route.endpoint, "path_params": {}}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the function and send what it returns."""
        response: Response = await scope["endpoint"](Request(scope, receive, send))
        await response(scope, receive, send)

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Leave addresses by name to FastAPI's own routes."""
        raise NoMatchFound(name, path_params)


def body(model: Any, *, form: bool = True) -> dict[str, Any]:
    """Return the OpenAPI part for a body of this pydantic model, as JSON and as a form."""
    schema = {"schema": model.model_json_schema()}
    kinds = ("application/json", "application/x-www-form-urlencoded") if form else ("application/json",)
    return {"requestBody": {"required": True, "content": dict.fromkeys(kinds, schema)}}


def problems(*errors: type[TollhouseError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI part for errors: their codes by status, each with an example."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        summary = (error.__doc__ or "").strip().split("\n")[0]
        entry = by_status.setdefault(
            error.status, {"description": "", "content": {"application/problem+json": {"examples": {}}}}
        )
        entry["description"] = " ".join(filter(None, (entry["description"], f"`{error.code}`: {summary}")))
        value = {"type": f"urn:tollhouse:{error.code}", "status": error.status, "detail": summary, "code": error.code}
        entry["content"]["application/problem+json"]["examples"][error.code] = {"value": value}
    return by_status
