"""The edge of every request: its id, its body's size, where it comes from, and what every reply carries."""

from __future__ import annotations

import itertools
import re
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import structlog
from prometheus_client import Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollhouse.errors import BodyTooLarge, Forbidden, RequestError, TollhouseError
from tollhouse.pages import csrf
from tollhouse.pages.bodies import BODY_BYTES_MAX, BoundedBody
from tollhouse.pages.malformed import is_malformed
from tollhouse.pages.replies import Reply
from tollhouse.pages.routing import PlainRoute
from tollhouse.telemetry import metrics

log = structlog.get_logger()

PROCESS_ID: Final = secrets.token_hex(4)  # random once: a system call for every request costs more than its use
_count = itertools.count()
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
TRACEPARENT: Final = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NOSNIFF: Final = (b"x-content-type-options", b"nosniff")
NOT_LOGGED: Final = ("/health/", "/metrics", "/auth/static/")
CORS_METHODS: Final = b"GET, POST, DELETE"
CORS_HEADERS: Final = b"authorization, content-type, idempotency-key"

# The same to everybody, so that a cache may keep the reply; without credentials, so that no cookie is ever behind it.
CORS_FOR_ALL: Final = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", CORS_METHODS),
    (b"access-control-allow-headers", CORS_HEADERS),
    (b"access-control-max-age", b"600"),
]


class CrossSiteRequest(Forbidden):
    """This request came from another site, so it was not carried out."""

    code = "cross_site_request"


class RequestMalformed(RequestError):
    """The request is not proper HTTP."""

    code = "request_malformed"


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """What the edge must know of the settings and routes."""

    prefixes: tuple[str, ...]  # our paths; all others belong to the host
    without_cookies: tuple[str, ...]  # our paths that rely on no cookie, so that any site may post there
    open_paths: frozenset[str]  # of those, the ones whose replies any site's script may read
    origins: Collection[bytes]  # our own and the app's
    body_bytes_max: Mapping[str, int]  # other than usual, by path
    reply_error: Callable[[Request, TollhouseError], Reply]  # as a page or as problem details
    routes: Mapping[tuple[str, str], PlainRoute]  # our routes of fixed path, by method and path
    logs_all: bool  # in development; else only what was refused or failed, for the rest is in the metrics


def is_ours(path: str, prefixes: Collection[str]) -> bool:
    """Whether a path belongs to Tollhouse; a prefix ends where a segment does, for `/accounts` is the host's."""
    return any(
        path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix) :][:1] in ("", "/"))
        for prefix in prefixes
    )


class Edge:
    """Pure ASGI middleware around the host's application; it looks after Tollhouse's own paths.

    Our routes of fixed path are called from here: what FastAPI puts between (matching, exit stacks, telemetry) would
    cost more than a session check itself. Those with a pattern in their path go on to FastAPI's router.
    """

    def __init__(self, app: ASGIApp, rules: EdgeRules) -> None:
        """Stand before the application."""
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        request_id = give_id(headers)
        scope["tollhouse.request_id"] = request_id
        bound = structlog.contextvars.bind_contextvars(request_id=request_id, **trace_of(headers))
        try:
            if is_ours(scope["path"], self._rules.prefixes):
                await self._serve(scope, receive, send, headers)
            else:
                await self._app(scope, receive, Sent(send, [(b"x-request-id", request_id.encode())]))
        finally:
            structlog.contextvars.reset_contextvars(**bound)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, headers: dict[bytes, bytes]) -> None:
        started = time.perf_counter()
        cors = CORS_FOR_ALL if scope["path"] in self._rules.open_paths else self._cors(headers)
        sent = Sent(send, [(b"x-request-id", request_id_of(scope).encode()), NOSNIFF, *cors])
        if scope["method"] == "HEAD":
            # Mail scanners ask so; the framework's routes know GET only, and a 405 would mark a good link as dead.
            asked: Scope = {**scope, "method": "GET", "tollhouse.head": True}
            scope, sent.without_body = asked, True
        try:
            reply = self._refuse(scope, headers)
            bounded = BoundedBody(receive, self._body_bytes_max(scope))
            route = self._rules.routes.get((scope["method"], scope["path"]))
            if reply is None and route is not None:
                scope["route"] = route
                reply = await route.endpoint(Request(scope, bounded))
            await (self._app if reply is None else reply)(scope, bounded, sent)
        except TollhouseError as error:  # raised outside the routes: by the body's bound, say
            await sent.reply_or_break(self._reply(scope, error), scope, receive, error)
        except ClientDisconnect as error:  # gone in the middle of the body, or its chunks were broken: no fault of ours
            await sent.reply_or_break(self._reply(scope, RequestMalformed()), scope, receive, error)
        except Exception as error:
            log.exception("request_failed", route=route_of(scope))
            await sent.reply_or_break(self._reply(scope, TollhouseError()), scope, receive, error)
        finally:
            observer(route_of(scope), str(sent.status)).observe(time.perf_counter() - started)
            if sent.status >= 400 or self._rules.logs_all:
                log_request(scope, sent.status)

    def _refuse(self, scope: Scope, headers: dict[bytes, bytes]) -> Reply | None:
        method: str = scope["method"]
        if is_malformed(scope, headers) or method not in METHODS:
            return self._reply(scope, RequestMalformed())
        if method == "OPTIONS" and b"access-control-request-method" in headers:
            return Reply(b"", status=204)  # the CORS headers are on every reply to a known origin
        if int(headers.get(b"content-length", b"0")) > self._body_bytes_max(scope):
            return self._reply(scope, BodyTooLarge())
        if method in csrf.SAFE_METHODS or scope["path"].startswith(self._rules.without_cookies):
            return None
        return None if csrf.is_allowed(headers, self._rules.origins) else self._reply(scope, CrossSiteRequest())

    def _reply(self, scope: Scope, error: TollhouseError) -> Reply:
        return self._rules.reply_error(Request(scope), error)

    def _body_bytes_max(self, scope: Scope) -> int:
        return self._rules.body_bytes_max.get(scope["path"], BODY_BYTES_MAX)

    def _cors(self, headers: dict[bytes, bytes]) -> list[tuple[bytes, bytes]]:
        origin = headers.get(b"origin")
        if origin is None:
            return []
        if origin not in self._rules.origins:
            return [(b"vary", b"origin")]
        return [
            (b"vary", b"origin"),
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-allow-methods", CORS_METHODS),
            (b"access-control-allow-headers", CORS_HEADERS),
            (b"access-control-max-age", b"600"),
        ]


class Sent:
    """`send` that adds headers and remembers the status."""

    def __init__(self, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
        """Send on, with these headers added."""
        self._send = send
        self._headers = headers
        self.status = 0
        self.without_body = False

    async def __call__(self, message: Message) -> None:
        """Send one message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._headers]
        elif self.without_body:
            message = {**message, "body": b""}
        await self._send(message)

    async def reply_or_break(self, reply: Reply, scope: Scope, receive: Receive, error: Exception) -> None:
        """Reply with the error, or let the connection break when a reply was under way already."""
        if self.status:
            raise error
        await reply(scope, receive, self)


def give_id(headers: Mapping[bytes, bytes]) -> str:
    """Return the request's id: the caller's own if it is a plain one, else a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and REQUEST_ID.fullmatch(given):
        return given.decode("ascii")
    return f"{PROCESS_ID}{next(_count):08x}"


def trace_of(headers: Mapping[bytes, bytes]) -> dict[str, Any]:
    """Return the trace id that W3C `traceparent` names, for the log lines."""
    match = TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
    return {"trace_id": match[1].decode()} if match else {}


def route_of(scope: Scope) -> str:
    """Return the route's template; never the path itself, into which some mail gateways put the token."""
    route = scope.get("route")
    return getattr(route, "path", "unknown")


@lru_cache(maxsize=1024)
def observer(route: str, status: str) -> Histogram:
    """Return the histogram of one route and status."""
    return metrics.requests.labels(route=route, status=status)


def log_request(scope: Scope, status: int) -> None:
    """Log one request of ours."""
    route = route_of(scope)
    if not route.startswith(NOT_LOGGED):
        log.info("request", method=scope["method"], route=route, status=status)


def request_id_of(scope: Scope) -> str:
    """Return the id that the edge gave a request."""
    return scope.get("tollhouse.request_id", "")
