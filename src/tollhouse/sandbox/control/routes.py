"""The control API's routes: JSON in, JSON out, mistakes as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tollhouse.sandbox.api.rendering import render
from tollhouse.sandbox.control.commands import Command, load_commands
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.guard import find_fault
from tollhouse.sandbox.values import Obj, is_object, read_json

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

BODY_BYTES_MAX: Final = 100_000
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
    """Keep out web pages of other origins. Raises `StripeError` 403.

    They could otherwise steer the sandbox of whoever looks at them.
    """
    refusal = find_fault(request, sandbox.url)
    if refusal is not None:
        raise StripeError(refusal, status=403)


def _make_route(sandbox: Sandbox, command: Command) -> Route:
    async def answer(request: Request) -> Response:
        check_origin(request, sandbox)
        told, names = command.read(await _read(request)), request.path_params
        if command.waits:
            result: Obj = await command.function(sandbox, told, **names)
        else:
            result = sandbox.world.act(lambda: command.function(sandbox, told, **names))
        return JSONResponse(render(sandbox.world, result, version=sandbox.api.version))

    return Route(command.path, _with_problems(answer), methods=[command.method])


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
        told = read_json(body or b"{}")
    except ValueError as error:
        raise invalid("The body is no JSON.") from error
    if not is_object(told):
        raise invalid("The body must be a JSON object.")
    return told


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
