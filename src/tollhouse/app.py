"""Composition: everything is made here, and mounted in a host's application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tollhouse import db as databases
from tollhouse import operations
from tollhouse.access import api_keys, token_routes
from tollhouse.access.access import Access
from tollhouse.access.api_keys import ApiKey
from tollhouse.access.bearer import read_token
from tollhouse.access.callers import Caller
from tollhouse.access.dependencies import ApiKeyDependency, CallerDependency
from tollhouse.access.oidc.routes import router as oidc_router
from tollhouse.boot_checks import settings_problems
from tollhouse.clock import Clock
from tollhouse.db.schema import require_current
from tollhouse.errors import TollhouseError
from tollhouse.events import Handlers, Outbox, Worker
from tollhouse.events.outbox import MAIL
from tollhouse.events.schedule import Schedule
from tollhouse.identity import routes as sign_in_routes
from tollhouse.identity import session_routes, sign_in_mail, sweep
from tollhouse.identity.error_handlers import reply_error, reply_http_error
from tollhouse.identity.web import Web
from tollhouse.limits import Flood
from tollhouse.mail.smtp import SmtpSettings, SmtpTransport
from tollhouse.mail.transport import MemoryTransport, Transport
from tollhouse.pages.edge import Edge, EdgeRules, is_ours
from tollhouse.pages.routing import fixed_routes
from tollhouse.pages.static import router as static_router
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.signing import keyring
from tollhouse.telemetry import error_reports, logs

log = structlog.get_logger()

NOT_RUNNING: Final = "Tollhouse is not running: serve the application with its lifespan"
MAIL_CONCURRENCY: Final = 8
CLOCK_SECONDS: Final = 30.0
ACCESS_KEPT_SECONDS: Final = 600
WELL_KNOWN: Final = tuple(
    f"/.well-known/{name}" for name in ("jwks.json", "openid-configuration", "oauth-authorization-server")
)
PREFIXES: Final = ("/auth/", "/account", "/oauth/", "/health/", "/metrics", "/dev/", *WELL_KNOWN)
# What any site may post: it relies on no cookie, or looks itself at who asks before it uses one (consent, sign-out).
WITHOUT_COOKIES: Final = ("/dev/", "/oauth/", "/auth/whoami")
# An app in a browser has its own origin, and calls these by what it holds: a code, a token, or nothing.
OPEN_PATHS: Final = frozenset({*WELL_KNOWN, "/oauth/token", "/oauth/revoke", "/oauth/userinfo"})

H = TypeVar("H", bound=Callable[..., Any])


class Tollhouse:
    """The gate and the till, for one application.

    `Tollhouse()` takes its settings from the environment and raises `SettingsError` with all that is wrong with them.
    """

    def __init__(
        self, settings: Settings | None = None, *, clock: Clock | None = None, transport: Transport | None = None
    ) -> None:
        """Check the settings; nothing is opened before the application starts.

        `transport` takes the mails instead of SMTP, `clock` can be turned: both for tests and `tollhouse dev`.
        """
        self.settings = settings or Settings.load(settings_problems)
        self.clock = clock or Clock()
        self.transport = transport or self._make_transport()
        self.handlers = Handlers()
        self.web = Web.of(self.settings)
        error_reports.configure(self.settings.sentry_dsn)
        self.serves_alone = False  # as an application of its own, where every path is ours
        self._runtime: Runtime | None = None
        self._access: Access | None = None
        # For your routes: `Depends(toll.caller)` takes a bearer token, `Depends(toll.user)` that or a session cookie.
        self.caller = CallerDependency(self._find_caller)
        self.user = CallerDependency(self._find_user)

    def _make_transport(self) -> Transport:
        settings = self.settings
        if settings.smtp_url is None or settings.mail_from is None:
            return MemoryTransport(clock=self.clock)
        return SmtpTransport(SmtpSettings.parse(settings.smtp_url), settings.mail_from, clock=self.clock)

    @property
    def run(self) -> Runtime:
        """The open database and all that belongs to it, while the application runs."""
        if self._runtime is None:
            raise RuntimeError(NOT_RUNNING)
        return self._runtime

    def on(self, event_type: str, *, name: str | None = None) -> Callable[[H], H]:
        """Register an async function for a type of event; each event comes at least once."""
        return self.handlers.on(event_type, name=name)

    @property
    def access(self) -> Access:
        """Keys, issuers and clients, while the application runs."""
        if self._access is None:
            raise RuntimeError(NOT_RUNNING)
        return self._access

    def scope(self, scope: str) -> CallerDependency:
        """Return a dependency like `caller`, which refuses (403) whoever's token lacks the scope."""
        return CallerDependency(self._find_caller, scopes=(scope,))

    def api_key(self, scope: str) -> ApiKeyDependency:
        """Return a dependency for your own servers, which send an API key with this scope."""
        return ApiKeyDependency(self._find_api_key, scope=scope)

    async def _find_caller(self, request: Request) -> Caller:
        return await self.access.verifier.authenticate(request)

    async def _find_user(self, request: Request) -> Caller:
        return await self.access.find_user(request, self.web)

    async def _find_api_key(self, request: Request) -> ApiKey:
        return await api_keys.authenticate(self.run, read_token(request.scope["headers"]))

    def install(self, app: FastAPI) -> None:
        """Add Tollhouse to an application: routes, error replies, middleware and lifespan."""
        logs.configure_unless_done(self.settings.log_format)
        app.state.tollhouse_web = self.web
        routers = self._routers()
        for router in routers:
            app.include_router(router)
        app.add_exception_handler(TollhouseError, reply_error)
        app.add_exception_handler(HTTPException, self._reply_http_error(app))
        rules = EdgeRules(
            prefixes=PREFIXES,
            without_cookies=WITHOUT_COOKIES,
            open_paths=OPEN_PATHS,
            origins=self.web.origins,
            body_bytes_max={},
            reply_error=self.web.error,
            routes=fixed_routes(routers),
            logs_all=self.settings.mode == "dev",
        )
        app.add_middleware(Edge, rules=rules)
        hosts = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(host: FastAPI) -> AsyncGenerator[Any]:
            async with self.running():
                host.state.tollhouse_run = self.run
                host.state.tollhouse_access = self.access
                async with hosts(host) as state:
                    yield state

        app.router.lifespan_context = lifespan

    def _reply_http_error(self, app: FastAPI) -> Callable[[Request, Exception], Any]:
        """Return what answers the framework's refusals: ours on our paths, what the host has set up on its own."""
        of_the_host: Any = app.exception_handlers.get(HTTPException, http_exception_handler)

        async def reply(request: Request, error: Exception) -> Response:
            if is_ours(request.scope["path"], PREFIXES) or self.serves_alone:
                return await reply_http_error(request, error)
            return await of_the_host(request, error)

        return reply

    def _routers(self) -> list[APIRouter]:
        gate = [sign_in_routes.router, session_routes.router, token_routes.own_router, oidc_router]
        return [*(gate if self.settings.has_gate else ()), token_routes.router, static_router, operations.router]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Runtime]:
        """Open the database, work on deliveries and schedules, and stop gracefully at the end."""
        async with self.opened() as run, AsyncExitStack() as stack:
            worker = Worker(run.db, self.clock, run.outbox)
            if self.settings.has_gate:
                worker.add_lane(MAIL, sign_in_mail.runner(run, self.transport), concurrency=MAIL_CONCURRENCY)
            self.handlers.attach(run.db, run.outbox, worker)
            await run.outbox.refresh()
            schedule = Schedule(run.db, self.clock)
            schedule.add("sweep", every_seconds=sweep.EVERY_SECONDS, run=lambda: sweep.sweep(run))
            access = self._access = Access.of(run)
            stack.push_async_callback(access.close)
            await access.keys.refresh()  # or the first tokens would all wait for them
            schedule.add("tokens", every_seconds=ACCESS_KEPT_SECONDS, run=access.keep)
            stack.push_async_callback(self.transport.close)
            await worker.start()
            stack.push_async_callback(worker.stop)
            for work in (schedule.serve(), self._keep_time(run), access.keep_keys()):
                stack.push_async_callback(cancel, asyncio.create_task(work))
            yield run

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Runtime]:
        """Open the database only, for commands; nothing works in the background."""
        db = databases.connect(self.settings)
        flood = Flood(self.settings.redis_url)
        await db.open()
        try:
            await require_current(db)
            self.clock.set(await db.now_us())
            keys = await keyring.load(db, self.settings.secret, now_us=self.clock.now_us())
            outbox = Outbox(db, self.clock)
            self._runtime = Runtime(self.settings, self.clock, db, keys, outbox, flood)
            await outbox.learn()
            yield self._runtime
        finally:
            self._runtime = self._access = None
            await flood.close()
            await db.close()

    async def _keep_time(self, run: Runtime) -> None:
        """Ask the database for its time now and then, so that all replicas agree whatever their own clocks say."""
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            try:
                self.clock.set(await run.db.now_us())
            except Exception as error:  # noqa: BLE001 (whatever it is, the monotonic clock goes on meanwhile)
                log.warning("clock_not_set", error=type(error).__name__)


async def cancel(task: asyncio.Task[None]) -> None:
    """Stop a background task."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def create_app(toll: Tollhouse | None = None) -> FastAPI:
    """Return Tollhouse as an application of its own, as `tollhouse serve` runs it."""
    toll = toll or Tollhouse()
    docs = "/docs" if toll.settings.mode == "dev" else None
    app = FastAPI(title="Tollhouse", docs_url=docs, redoc_url=None, openapi_url="/openapi.json" if docs else None)
    toll.serves_alone = True
    toll.install(app)
    return app
