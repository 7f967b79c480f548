"""Composition: everything is made here, and mounted in a host's application."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tollhouse import background, operations
from tollhouse import db as databases
from tollhouse.access import api_keys, token_routes
from tollhouse.access.access import Access
from tollhouse.access.api_keys import ApiKey
from tollhouse.access.bearer import read_token
from tollhouse.access.callers import Caller
from tollhouse.access.dependencies import ApiKeyDependency, CallerDependency
from tollhouse.access.oidc.routes import router as oidc_router
from tollhouse.billing import (
    api_routes,
    billing_routes,
    checkout_routes,
    erasing,
    page_routes,
    return_routes,
    webhook_routes,
)
from tollhouse.billing.dependencies import EntitledDependency
from tollhouse.billing.freshness import Freshness
from tollhouse.billing.opening import open_till
from tollhouse.billing.till import Till
from tollhouse.boot_checks import settings_problems
from tollhouse.clock import Clock
from tollhouse.db.schema import require_current
from tollhouse.edges import PREFIXES, edge_rules
from tollhouse.endpoints import routes as event_routes
from tollhouse.errors import TollhouseError
from tollhouse.events import Handlers, Outbox
from tollhouse.identity import routes as sign_in_routes
from tollhouse.identity import session_routes
from tollhouse.identity.error_handlers import reply_error, reply_http_error
from tollhouse.identity.web import Web
from tollhouse.ledger import api_routes as credits_api_routes
from tollhouse.ledger import routes as credits_routes
from tollhouse.ledger import sign_up
from tollhouse.ledger.api import Credits
from tollhouse.ledger.dependencies import HoldDependency, SpendDependency
from tollhouse.ledger.holds import LIFETIME_SECONDS
from tollhouse.limits import Flood
from tollhouse.mail.smtp import make_transport
from tollhouse.mail.transport import Transport
from tollhouse.pages.edge import Edge, is_ours
from tollhouse.pages.static import router as static_router
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.signing import keyring
from tollhouse.telemetry import error_reports, logs

NOT_RUNNING: Final = "Tollhouse is not running: serve the application with its lifespan"
NO_TILL: Final = "There is no till: set TOLLHOUSE_STRIPE_API_KEY and TOLLHOUSE_STRIPE_WEBHOOK_SECRETS"

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
        self.transport = transport or make_transport(self.settings, self.clock)
        self.handlers = Handlers()
        self.web = Web.of(self.settings)
        error_reports.configure(self.settings.sentry_dsn)
        self.serves_alone = False  # as an application of its own, where every path is ours
        self._runtime: Runtime | None = None
        self._access: Access | None = None
        self._till: Till | None = None
        self._freshness: Freshness | None = None
        self.stripe_http: Any = None  # in the place of the network, for tests: an HTTP client of Stripe's SDK
        # For your routes: `Depends(toll.caller)` takes a bearer token, `Depends(toll.user)` that or a session cookie.
        self.caller = CallerDependency(self._find_caller)
        self.user = CallerDependency(self._find_user)
        # Everybody's credits, while the application runs: `await toll.credits.spend(user_id, 3)`.
        self.credits = Credits(lambda: self.run)

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

    @property
    def till(self) -> Till:
        """The Stripe account and what is sold, while the application runs."""
        if self._till is None:
            raise RuntimeError(NOT_RUNNING if self.settings.has_till else NO_TILL)
        return self._till

    def hold(self, count: int, *, lifetime_seconds: int = LIFETIME_SECONDS) -> HoldDependency:
        """Return a dependency that holds the caller's credits while a route works (402 with too few)."""
        return HoldDependency(self._find_user, self.credits, count=count, lifetime_seconds=lifetime_seconds)

    def spend(self, count: int) -> SpendDependency:
        """Return a dependency that spends the caller's credits before a route begins (402 with too few)."""
        return SpendDependency(self._find_user, self.credits, count=count)

    def entitled(self, feature: str) -> EntitledDependency:
        """Return a dependency like `user`, which refuses (403) whoever has not paid for the feature."""
        return EntitledDependency(self._find_user, feature=feature)

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
        app.add_middleware(Edge, rules=edge_rules(self.web, routers))
        hosts = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(host: FastAPI) -> AsyncGenerator[Any]:
            async with self.running():
                host.state.tollhouse_run = self.run
                host.state.tollhouse_access = self.access
                host.state.tollhouse_till = self._till
                host.state.tollhouse_freshness = self._freshness
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
        gate = (sign_in_routes.router, session_routes.router, token_routes.own_router, oidc_router)
        pages = [page_routes.router] if self.settings.has_gate else []  # for people who have signed in here
        selling = [checkout_routes.router, billing_routes.router, return_routes.router, *pages]
        return [
            *(gate if self.settings.has_gate else ()),
            *(credits_routes.router, credits_api_routes.router, event_routes.router),
            # Last of all `api_routes`: a user's id, another issuer's, may hold slashes, and is the rest of the path.
            *([*selling, webhook_routes.router, api_routes.router] if self.settings.has_till else ()),
            *(token_routes.router, event_routes.schema_router, static_router, operations.router),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[Runtime]:
        """Open the database, work on deliveries and schedules, and stop gracefully at the end."""
        async with self.opened() as run, AsyncExitStack() as stack:
            access = self._access = Access.of(run)
            stack.push_async_callback(access.close)
            await access.keys.refresh()  # or the first tokens would all wait for them
            if self.settings.has_till:
                self._till = await open_till(run, self.settings, self.stripe_http)
                stack.push_async_callback(self._till.stripe.close)
                run.hooks.before_erase.append(partial(erasing.end_all, self._till))
                self._freshness = Freshness(self._till)
            run.hooks.user_created.append(sign_up.grant_sign_up)
            stack.push_async_callback(self.transport.close)
            parts = background.Parts(run, access, self._till, self._freshness, self.handlers, self.transport)
            await background.start(stack, parts)
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
            outbox = Outbox(db, self.clock, keys.seal_address)
            self._runtime = Runtime(self.settings, self.clock, db, keys, outbox, flood)
            await outbox.learn()
            yield self._runtime
        finally:
            self._runtime = self._access = self._till = self._freshness = None
            await flood.close()
            await db.close()


def create_app(toll: Tollhouse | None = None) -> FastAPI:
    """Return Tollhouse as an application of its own, as `tollhouse serve` runs it."""
    toll = toll or Tollhouse()
    docs = "/docs" if toll.settings.mode == "dev" else None
    app = FastAPI(title="Tollhouse", docs_url=docs, redoc_url=None, openapi_url="/openapi.json" if docs else None)
    toll.serves_alone = True
    toll.install(app)
    return app
