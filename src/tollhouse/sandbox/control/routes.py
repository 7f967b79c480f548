"""The control API's routes: JSON in, JSON out, mistakes as problem details (RFC 9457)."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tollhouse.sandbox.api.rendering import render
from tollhouse.sandbox.control.commands import Command, load_commands
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.values import Obj, is_object

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

BODY_BYTES_MAX: Final = 100_000
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"


def routes(sandbox: Sandbox) -> Sequence[BaseRoute]:
    """Return a route for each command, and one that lists them."""
    commands = load_commands()

    async def index(request: Request) -> Response:
        check_origin(request, sandbox)
        listed = [
            {"method": each.method, "path": each.path, "takes": each.takes, "does": each.does} for each in commands
        ]
        return JSONResponse({"commands": listed})

    made = [_make_route(sandbox, each) for each in commands]
    return [Route("/control", _with_problems(index), methods=["GET"]), *made]


def check_origin(request: Request, sandbox: Sandbox) -> None:
    """Keep out web pages of other origins, by whatever name they reach this machine. Raises `StripeError` 403.

    They could otherwise steer the sandbox of whoever looks at them.
    """
    if _read_host(request) not in LOOPBACK | {urlsplit(sandbox.url).hostname}:
        raise StripeError("The control API is reached at the sandbox's own address alone.", status=403)
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers["host"]:
        raise StripeError("Pages of other origins may not use the control API.", status=403)


def _read_host(request: Request) -> str | None:
    try:
        return urlsplit("//" + request.headers.get("host", "")).hostname
    except ValueError:
        return None  # nobody's address


def _make_route(sandbox: Sandbox, command: Command) -> Route:
    async def answer(request: Request) -> Response:
        check_origin(request, sandbox)
        told = command.read(await _read(request))
        if inspect.iscoroutinefunction(command.function):
            result: Obj = await command.function(sandbox, told, **request.path_params)
        else:
            result = _carry_out(sandbox, command, told, request.path_params)
        return JSONResponse(render(sandbox.world, result, version=sandbox.api.version))

    return Route(command.path, _with_problems(answer), methods=[command.method])


def _carry_out(sandbox: Sandbox, command: Command, told: Obj, names: Obj) -> Obj:
    """Do it whole or not at all, but for what a declined card leaves behind."""
    declined: StripeError | None = None
    result: Obj = {}
    with sandbox.world.store.transaction():
        sandbox.world.run_due()
        try:
            result = cast("Obj", command.function(sandbox, told, **names))
        except StripeError as error:
            if not error.keeps_effects:
                raise
            declined = error
    if declined is not None:
        raise declined
    return result


async def _read(request: Request) -> Obj:
    """Return the body's fields, or those of a GET's query. Raises `StripeError`."""
    if request.method == "GET":
        return dict(request.query_params)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise StripeError("The body is too large.", status=413)
    # A form, which any page may post here without asking, never has this type.
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON and (
        body or request.method == "POST"
    ):
        raise StripeError("The control API takes application/json.", status=415)
    try:
        told: Any = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except ValueError as error:
        raise invalid("The body is no JSON.") from error
    if not is_object(told):
        raise invalid("The body must be a JSON object.")
    return told


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _with_problems(answer: Any) -> Any:
    async def guarded(request: Request) -> Response:
        try:
            return await answer(request)
        except StripeError as error:
            return _describe(error)

    return guarded


def _describe(error: StripeError) -> Response:
    fields = {name: value for name, value in error.fields.items() if isinstance(value, str) and name != "message"}
    problem = {"type": "about:blank", "title": HTTPStatus(error.status).phrase, "status": error.status}
    body = problem | {"detail": error.fields["message"]} | {k: v for k, v in fields.items() if k != "type"}
    return JSONResponse(body, error.status, media_type=PROBLEM)
