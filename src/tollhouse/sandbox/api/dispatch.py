"""Requests to `/v1/…`: who asks, for what, under which version and key; then the operation, then the reply."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.sandbox.api import forms
from tollhouse.sandbox.api.parameters import Earlier, check, check_known
from tollhouse.sandbox.api.rendering import render
from tollhouse.sandbox.api.replies import Asked, BrokenReply, Idempotency, Reply, digest
from tollhouse.sandbox.api.validation import ReplyCheck
from tollhouse.sandbox.description import Operation
from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.guard import find_fault
from tollhouse.sandbox.resources import registry
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import is_object

BODY_BYTES_MAX: Final = 1_000_000
JSON: Final = "application/json"
VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[a-z0-9_]+)*\Z")
TEST_PREFIXES: Final = ("sk_test_", "rk_test_")
LIVE_PREFIXES: Final = ("sk_live_", "rk_live_", "pk_live_")
UNEXPECTED: Final = "An error in the sandbox itself: it is no answer of Stripe's. The sandbox's log tells more."

logger: Final = logging.getLogger(__name__)


class ApiFault(Protocol):
    """What goes wrong with one request on purpose."""

    async def before(self) -> Reply | None:
        """Wait, raise `ConnectionResetError` to break the connection, or return an error in the effect's place."""
        ...

    async def after(self, reply: Reply) -> Reply:
        """Wait, break the connection, or return another reply although the effect took place."""
        ...


class Faults(Protocol):
    """Chooses what goes wrong."""

    def for_request(self, method: str, path: str) -> ApiFault | None:
        """Return what goes wrong with this request, or None."""
        ...


class Api:
    """Answers `/v1/…`."""

    def __init__(self, world: World, faults: Faults | None = None, *, check_replies: bool = False) -> None:
        """Answer from this world; `check_replies` fails loudly when a reply departs from the description."""
        self.world = world
        self.version: str = world.description.version
        self._faults = faults
        self._idempotency = Idempotency(world)
        self._check = ReplyCheck(world.description) if check_replies else None
        registry.load()

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        call = Call(request.method, request.scope["path"], request.headers, "req_" + self.world.ids.text(14))
        try:
            reply = await self._let_in(call, request)
        except StripeError as error:
            reply = self._reply_error(error, call)
        except ConnectionResetError:
            return BrokenReply()
        except Exception:
            if self._check is not None:
                raise
            logger.exception("%s %s failed.", call.method, call.path)
            reply = self._reply_error(StripeError(UNEXPECTED, status=500, type="api_error"), call)
        headers = {"Request-Id": call.id, "Stripe-Version": call.version or self.version}
        if call.key:
            headers |= {"Idempotency-Key": call.key, "Original-Request": call.id}
        return Response(json.dumps(reply.body, indent=2), reply.status, headers | reply.headers, JSON)

    async def _let_in(self, call: Call, request: Request) -> Reply:
        refusal = find_fault(request, self.world.url)
        if refusal is not None:
            raise StripeError(refusal, status=403)
        authenticate(call.headers.get("authorization", ""))
        return await self._answer(call, await _read(request))

    async def _answer(self, call: Call, given: dict[str, Any]) -> Reply:
        """Carry the request out, with what goes wrong on purpose before and after its effect.

        What is kept for the idempotency key is the effect's own reply: a client whose connection broke after it gets
        that when it asks again.
        """
        fault = None if self._faults is None else self._faults.for_request(call.method, call.path)
        with self._idempotency.asked(call.key, call.id, f"{call.path} {digest(given)}") as asked:
            instead = None if fault is None else await fault.before()
            if instead is not None:
                asked.keep(instead)
                return instead
            reply = asked.earlier or self.carry_out(call, given, asked)
        return reply if fault is None else await fault.after(reply)

    def carry_out(self, call: Call, given: dict[str, Any], asked: Asked) -> Reply:
        """Answer a request: its effect happens whole, or not at all, and its reply is kept together with it."""
        with self.world.asked_by({"id": call.id, "idempotency_key": call.key}, call.version):
            try:
                operation, handler, names = self._find(call)
                params = self._read_params(call, operation, given)
            except StripeError as error:
                return self._reply_error(error, call, is_kept=False)
            with self.world.store.transaction():
                try:
                    reply = self.world.act(lambda: self._run(call, operation, handler, params, names))
                except StripeError as error:
                    reply = self._reply_error(error, call)
                asked.keep(reply)
        return reply

    def _run(
        self, call: Call, operation: Operation, handler: registry.Handler, params: dict[str, Any], names: dict[str, str]
    ) -> Reply:
        expand = params.pop("expand", ())
        version = call.version or self.version
        body = render(self.world, handler(self.world, params, **names), version=version, expand=expand)
        if self._check is not None and version == self.version and operation.is_described:
            self._check(operation, body)
        return Reply(200, body)

    def _find(self, call: Call) -> tuple[Operation, registry.Handler, dict[str, str]]:
        if call.version is not None and not VERSION.match(call.version):
            raise invalid(f"Invalid Stripe API version: {call.version}")
        found = registry.find_undescribed(call.method, call.path) or self.world.description.find(call.method, call.path)
        handler = None if found is None else registry.find_handler(call.method, found[0].path)
        if found is None or handler is None:
            raise StripeError(
                f"Unrecognized request URL ({call.method}: {call.path}). Please see https://stripe.com/docs or we can"
                " help at https://support.stripe.com/.",
                status=404,
            )
        operation, names = found
        return operation, handler, names

    def _read_params(self, call: Call, operation: Operation, given: dict[str, Any]) -> dict[str, Any]:
        if not operation.is_described:
            return check_known(operation.parameters, given)
        return check(operation.parameters, given, tolerated=self._tolerated(call, operation))

    def _tolerated(self, call: Call, operation: Operation) -> Mapping[str, Earlier]:
        """Return the parameters of earlier versions, unless the request names the newest version."""
        if call.version is not None and call.version >= self.version:
            return {}
        return registry.earlier_parameters(call.method, operation.path)

    def _reply_error(self, error: StripeError, call: Call, *, is_kept: bool = True) -> Reply:
        version = call.version or self.version
        fields = {
            name: render(self.world, value, version=version) if is_object(value) and "object" in value else value
            for name, value in error.fields.items()
        }
        log = f"https://dashboard.stripe.com/test/workbench/logs?object={call.id}"
        is_kept = is_kept and error.status not in {401, 409, 429}
        return Reply(error.status, {"error": fields | {"request_log_url": log}}, is_kept=is_kept)


@dataclass(frozen=True, slots=True)
class Call:
    """What a request says before its parameters are read."""

    method: str
    path: str
    headers: Mapping[str, str]
    id: str

    @property
    def version(self) -> str | None:
        """The API version it names."""
        return self.headers.get("stripe-version")

    @property
    def key(self) -> str | None:
        """The idempotency key it counts on; reading and deleting are idempotent by themselves."""
        return self.headers.get("idempotency-key") or None if self.method == "POST" else None


def authenticate(authorization: str) -> None:
    """Let test keys in, by Bearer or as the user of Basic. Raises `StripeError` 401."""
    key = _key_of(authorization)
    if not key:
        raise StripeError(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer"
            " auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            status=401,
        )
    if key.startswith(LIVE_PREFIXES):
        raise StripeError("This is a sandbox: it takes test keys alone, never a live one.", status=401)
    if not key.startswith(TEST_PREFIXES):
        raise StripeError(f"Invalid API Key provided: {key[:4]}{'*' * 8}", status=401)


def _key_of(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except ValueError:
            return ""
    return ""


async def _read(request: Request) -> dict[str, Any]:
    """Return the parameters of the query, and over them those of the body."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES_MAX:
            raise StripeError("The request is too large.", status=413)
    try:
        text = b"&".join(filter(None, (request.scope["query_string"], body))).decode()
    except UnicodeDecodeError as error:
        raise invalid("Invalid request: the parameters are not a form in UTF-8.") from error
    return forms.decode(text)
