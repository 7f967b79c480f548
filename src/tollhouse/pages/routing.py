"""Routes that are documented like FastAPI's and run like Starlette's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast

from fastapi.routing import APIRoute, APIRouter
from starlette.requests import Request
from starlette.responses import Response

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


def fixed_routes(routers: Iterable[APIRouter]) -> dict[tuple[str, str], PlainRoute]:
    """Return the plain routes without a pattern in their path, by method and path."""
    routes = [route for router in routers for route in router.routes if isinstance(route, PlainRoute)]
    return {(method, route.path): route for route in routes if "{" not in route.path for method in route.methods or ()}


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
