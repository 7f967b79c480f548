"""Composition: everything is made here, and mounted in a host's application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
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
from tollhouse.clock import Clock
from tollhouse.db.schema import require_current
from tollhouse.errors import NotFound, SettingsError, TollhouseError
from tollhouse.events import Handlers, Outbox, Worker
from tollhouse.events.outbox import MAIL
from tollhouse.events.schedule import Schedule
from tollhouse.identity import routes as sign_in_routes
from tollhouse.identity import session_routes, sessions, sign_in_mail, sweep
from tollhouse.identity.sessions import Session
from tollhouse.identity.web import Web, web_of
from tollhouse.limits import Flood
from tollhouse.mail.address import Sender
from tollhouse.mail.errors import MailInvalid
from tollhouse.mail.smtp import SmtpSettings, SmtpTransport
from tollhouse.mail.transport import MemoryTransport, Transport
from tollhouse.pages.csrf import SAFE_METHODS, is_allowed
from tollhouse.pages.edge import CrossSiteRequest, Edge, EdgeRules, is_ours
from tollhouse.pages.routing import fixed_routes
from tollhouse.pages.static import router as static_router
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.signing import keyring
from tollhouse.telemetry import error_reports, logs

log = structlog.get_logger()

MAIL_CONCURRENCY: Final = 8
CLOCK_SECONDS: Final = 30.0
PREFIXES: Final = ("/auth/", "/account", "/health/", "/metrics", "/dev/")
WITHOUT_COOKIES: Final = ("/dev/",)

H = TypeVar("H", bound=Callable[..., Any])


def mail_problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with the mail settings, by the parsers that will read them."""
    if settings.smtp_url is not None:
        try:
            SmtpSettings.parse(settings.smtp_url)
        except SettingsError as error:
            yield from error.problems
    if settings.mail_from is not None:
        try:
            Sender.parse(settings.mail_from)
        except MailInvalid as error:
            yield f"TOLLHOUSE_MAIL_FROM: {error.detail}"


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
        self.settings = settings or Settings.load(mail_problems)
        self.clock = clock or Clock()
        self.transport = transport or self._make_transport()
        self.handlers = Handlers()
        self.web = Web.of(self.settings)
        error_reports.configure(self.settings.sentry_dsn)
        self.serves_alone = False  # as an application of its own, where every path is ours
        self._runtime: Runtime | None = None

    def _make_transport(self) -> Transport:
        settings = self.settings
        if settings.smtp_url is None or settings.mail_from is None:
            return MemoryTransport(clock=self.clock)
        return SmtpTransport(SmtpSettings.parse(settings.smtp_url), settings.mail_from, clock=self.clock)

    @property
    def run(self) -> Runtime:
        """The open database and all that belongs to it, while the application runs."""
        if self._runtime is None:
            raise RuntimeError("Tollhouse is not running: serve the application with its lifespan")
        return self._runtime

    def on(self, event_type: str, *, name: str | None = None) -> Callable[[H], H]:
        """Register an async function for a type of event; each event comes at least once."""
        return self.handlers.on(event_type, name=name)

    async def user(self, request: Request) -> Session:
        """Return who is signed in, as a FastAPI dependency for the host's routes: `Depends(toll.user)`.

        Raises `NotSignedIn` (401), and `CrossSiteRequest` (403) for an unsafe method that another site sent.
        """
        if request.method not in SAFE_METHODS and not is_allowed(dict(request.scope["headers"]), self.web.origins):
            raise CrossSiteRequest
        return await sessions.require(self.run, self.web.session_secret_of(request))

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
        gate = [sign_in_routes.router, session_routes.router] if self.settings.has_gate else []
        return [*gate, static_router, operations.router]

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
            stack.push_async_callback(self.transport.close)
            await worker.start()
            stack.push_async_callback(worker.stop)
            for work in (schedule.serve(), self._keep_time(run)):
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
            self._runtime = None
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


async def reply_error(request: Request, error: Exception) -> Response:
    """Speak HTTP for every error of ours, on our routes and on the host's."""
    assert isinstance(error, TollhouseError)
    return web_of(request).error(request, error)


async def reply_http_error(request: Request, error: Exception) -> Response:
    """Put what the framework itself refuses (no such page, no such method) into our form."""
    assert isinstance(error, HTTPException)
    problem = NotFound() if error.status_code == 404 else framework_error(error)
    reply = web_of(request).error(request, problem)
    reply.raw_headers += [(name.lower().encode(), value.encode()) for name, value in (error.headers or {}).items()]
    return reply


def framework_error(error: HTTPException) -> TollhouseError:
    """Return a framework's refusal as an error of ours with the same status."""

    class Refused(TollhouseError):
        code = "method_not_allowed" if error.status_code == 405 else "request_invalid"
        status = error.status_code

    return Refused(str(error.detail))


def create_app(toll: Tollhouse | None = None) -> FastAPI:
    """Return Tollhouse as an application of its own, as `tollhouse serve` runs it."""
    toll = toll or Tollhouse()
    docs = "/docs" if toll.settings.mode == "dev" else None
    app = FastAPI(title="Tollhouse", docs_url=docs, redoc_url=None, openapi_url="/openapi.json" if docs else None)
    toll.serves_alone = True
    toll.install(app)
    return app
