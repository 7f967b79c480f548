"""What the routes share: pages, cookies, who asks, and how errors look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from starlette.requests import Request

from tollhouse.errors import TollhouseError
from tollhouse.identity.cookies import BROWSER_LIFETIME_SECONDS, Cookie, browser_cookie, session_cookie
from tollhouse.identity.sign_ins import Client
from tollhouse.limits.networks import TrustedProxies
from tollhouse.pages.bodies import wants_html
from tollhouse.pages.brand import Brand
from tollhouse.pages.devices import describe
from tollhouse.pages.edge import request_id_of
from tollhouse.pages.headers import security_headers
from tollhouse.pages.rendering import Action, Pages
from tollhouse.pages.replies import TITLES, Headers, Reply, headers_of, reply_page, reply_problem
from tollhouse.pages.ways_on import TITLES as TITLES_OF_CODES
from tollhouse.pages.ways_on import actions_for
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.signing.tokens import parse_token

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Web:
    """The pages of one configuration, and how their cookies and headers look."""

    settings: Settings
    pages: Pages
    page_headers: Headers
    origins: frozenset[bytes]  # our own and the app's
    session_cookie: Cookie
    browser_cookie: Cookie
    proxies: TrustedProxies

    @classmethod
    def of(cls, settings: Settings) -> Web:
        """Make it from the settings."""
        targets = [origin for origin in settings.app_origins if "[" not in origin]  # CSP knows no IPv6 literals
        return cls(
            settings=settings,
            pages=Pages(Brand(settings.brand_name, settings.brand_color)),
            page_headers=security_headers(form_targets=targets, https=settings.is_https),
            origins=frozenset(origin.encode() for origin in (settings.url, *settings.app_origins)),
            session_cookie=session_cookie(settings),
            browser_cookie=browser_cookie(settings),
            proxies=TrustedProxies(settings.trusted_proxies),
        )

    def page(self, name: str, *, status: int = 200, headers: Headers = (), **context: object) -> Reply:
        """Return a rendered page with its security headers."""
        html = self.pages.render(name, **context)
        return reply_page(html, status=status, headers=(*self.page_headers, *headers))

    def error(self, request: Request, error: TollhouseError, *, actions: Sequence[Action] | None = None) -> Reply:
        """Return an error as a page for a person and as problem details for a program."""
        request_id = request_id_of(request.scope)
        if error.status >= 500:
            log.error("request_failed", code=error.code, detail=error.detail, exc_info=error.__cause__)
        if not wants_html(request):
            return reply_problem(error, request_id)
        return self.page(
            "error.html",
            status=error.status,
            headers=headers_of(error),
            title=TITLES_OF_CODES.get(error.code) or TITLES.get(error.status, TITLES[500]),
            message=error.public_detail,
            actions=actions_for(error) if actions is None else actions,
            request_id=request_id if error.status >= 500 else None,
        )

    def ip_of(self, request: Request) -> str:
        """Return the client's IP, through trusted proxies only."""
        peer = request.client.host if request.client else None
        return self.proxies.client_ip(peer, request.headers.getlist("x-forwarded-for"))

    def device_of(self, request: Request) -> str:
        """Return the kind of browser, from a fixed vocabulary."""
        return describe(request.headers.get("user-agent", ""))

    def browser_of(self, request: Request) -> str | None:
        """Return the browser's secret, if its cookie is there and whole."""
        secret = self.browser_cookie.read(request.scope["headers"])
        return secret if parse_token(secret) else None

    def session_secret_of(self, request: Request) -> str | None:
        """Return the session's secret, if its cookie is there."""
        return self.session_cookie.read(request.scope["headers"])

    def client_of(self, request: Request) -> Client:
        """Return the browser that signs in."""
        return Client(self.browser_of(request), self.session_secret_of(request), self.device_of(request))

    def remember_browser(self, browser: str) -> tuple[bytes, bytes]:
        """Return the header that sets the browser cookie."""
        return self.browser_cookie.set(browser, lifetime_seconds=BROWSER_LIFETIME_SECONDS)


def web_of(request: Request) -> Web:
    """Return what the application that serves this request was installed with."""
    return request.app.state.tollhouse_web


def run_of(request: Request) -> Runtime:
    """Return the running application's database and all that belongs to it."""
    return request.app.state.tollhouse_run
