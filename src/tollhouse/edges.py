"""What the edge of every request must know: which paths are ours, who may post where, and how large bodies may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

from tollhouse.billing.webhook_routes import BODY_BYTES_MAX
from tollhouse.billing.webhook_routes import PATH as WEBHOOK_PATH
from tollhouse.endpoints.routes import SCHEMA_PATH
from tollhouse.identity.web import Web
from tollhouse.pages.edge import EdgeRules
from tollhouse.pages.routing import fixed_routes

WELL_KNOWN: Final = tuple(
    f"/.well-known/{name}" for name in ("jwks.json", "openid-configuration", "oauth-authorization-server")
)
GATE: Final = ("/auth/", "/account", "/oauth/", "/health/", "/metrics", "/dev/", *WELL_KNOWN)
TILL: Final = ("/billing/", "/stripe/")
LEDGER: Final = ("/credits", "/api/users/", "/api/credits/")
EVENTS: Final = (SCHEMA_PATH, "/api/events/")
PREFIXES: Final = (*GATE, *TILL, *LEDGER, *EVENTS)
# What any site may post: it relies on no cookie, or looks itself at who asks before it uses one (consent, sign-out,
# and whatever takes a bearer token or else a session cookie).
WITHOUT_COOKIES: Final = (
    *("/dev/", "/oauth/", "/auth/whoami"),
    *(WEBHOOK_PATH, "/stripe/checkout", "/stripe/portal", "/api/"),
)
# An app in a browser has its own origin, and calls these by what it holds: a code, a token, or nothing.
OPEN_PATHS: Final = frozenset(
    {*WELL_KNOWN, "/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/billing/products", SCHEMA_PATH}
)


def edge_rules(web: Web, routers: Sequence[APIRouter]) -> EdgeRules:
    """Return the rules for these routes."""
    return EdgeRules(
        prefixes=PREFIXES,
        without_cookies=WITHOUT_COOKIES,
        open_paths=OPEN_PATHS,
        origins=web.origins,
        body_bytes_max={WEBHOOK_PATH: BODY_BYTES_MAX},
        reply_error=web.error,
        routes=fixed_routes(routers),
        logs_all=web.settings.mode == "dev",
    )
