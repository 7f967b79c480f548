"""Requests from other sites are not carried out; those of the app's origins are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.pages.conftest import APP
from tests.pages.routes import routes_of
from tests.support.databases import SqliteDatabases
from tollhouse.testing import TestKit

OWN = "https://toll.example.com"
EVIL = "https://evil.example"
LOOKALIKES = (f"{APP}.evil.example", "http://app.example.com", f"{APP}:8443", "https://sub.app.example.com", f"{APP}/")

ALLOWED = (
    {},  # no browser: nobody to trick
    {"sec-fetch-site": "same-origin"},
    {"sec-fetch-site": "same-origin", "origin": OWN},
    {"sec-fetch-site": "none"},
    {"origin": OWN},
    {"origin": APP},
    {"sec-fetch-site": "same-site", "origin": APP},
    {"sec-fetch-site": "cross-site", "origin": APP},  # an app on a domain of its own, named by the operator
)
REFUSED = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},  # a sibling domain is a stranger
    {"sec-fetch-site": "cross-site", "origin": EVIL},
    {"sec-fetch-site": "same-site", "origin": EVIL},
    {"sec-fetch-site": "nonsense"},
    {"origin": EVIL},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site", "origin": "null"},
    {"origin": ""},
    {"origin": APP.upper()},
    *({"origin": lookalike} for lookalike in LOOKALIKES),
)
UNSAFE = (
    ("POST", "/auth/magic-links"),
    ("POST", "/auth/magic-links/again"),
    ("POST", "/auth/callback"),
    ("POST", "/auth/callback/preview"),
    ("POST", "/auth/code"),
    ("POST", "/auth/sign-out"),
    ("DELETE", "/auth/sessions"),
    ("DELETE", "/auth/sessions/x"),
    ("POST", "/account/delete"),
    ("POST", "/account/sessions/end-others"),
    ("POST", "/auth/token"),
    ("POST", "/billing/checkout"),
    ("POST", "/billing/portal"),
)
# Of other sites by their nature: they rely on no cookie, or look themselves at who asks before they use it.
LOOK_THEMSELVES = {("POST", f"/oauth/{name}") for name in ("authorize", "token", "userinfo", "revoke", "sign-out")}
# For programs, and what they say to a cookie that comes with another site's request: the first two take one of ours.
FOR_PROGRAMS = {
    "/stripe/checkout": "cross_site_request",
    "/stripe/portal": "cross_site_request",
    "/stripe/webhook": "signature_invalid",
    "/api/users/{id:path}/credits/grants": "not_authenticated",
    "/api/users/{id:path}/credits/spends": "not_authenticated",
    "/api/users/{id:path}/credits/holds": "not_authenticated",
    "/api/credits/holds/{id}/capture": "not_authenticated",
    "/api/credits/holds/{id}/release": "not_authenticated",
    "/api/events/{id}/applied": "not_authenticated",
}

STATUSES = {"cross_site_request": 403, "signature_invalid": 400, "not_authenticated": 401}


@pytest.fixture
async def shop(sqlite_databases: SqliteDatabases, tmp_path: Path) -> AsyncIterator[TestKit]:
    """The same with a till."""
    async with sqlite_databases.migrated(tmp_path) as url, TestKit(database_url=url, stripe=True) as running:
        yield running


@pytest.mark.parametrize("headers", ALLOWED, ids=str)
async def test_ours_and_the_apps_are_carried_out(kit: TestKit, headers):
    alice = await kit.sign_in("alice@example.com")
    assert (await alice.post("/auth/sign-out", headers=headers)).status_code == 204
    assert (await alice.get("/auth/session")).status_code == 401


@pytest.mark.parametrize("headers", REFUSED, ids=str)
async def test_other_sites_are_refused(kit: TestKit, headers):
    alice = await kit.sign_in("alice@example.com")
    reply = await alice.post("/auth/sign-out", headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (403, "cross_site_request")
    assert (await alice.get("/auth/session")).status_code == 200


@pytest.mark.parametrize(("method", "path"), UNSAFE)
async def test_no_unsafe_route_is_left_out(kit: TestKit, method, path):
    reply = await kit.new_browser().request(method, path, headers={"sec-fetch-site": "cross-site", "origin": EVIL})
    assert (reply.status_code, reply.json()["code"]) == (403, "cross_site_request")


async def test_where_programs_call_a_cookie_from_another_site_opens_nothing(shop: TestKit):
    alice = await shop.sign_in("alice@example.com")
    for template, code in FOR_PROGRAMS.items():
        path = template.replace("{id:path}", alice.user_id).replace("{id}", "hld_" + "0" * 32)
        for headers in ({"sec-fetch-site": "cross-site", "origin": EVIL}, {"origin": EVIL}):
            reply = await alice.post(path, headers=headers, json={"price": "x", "credits": 1})
            assert (reply.status_code, reply.json()["code"]) == (STATUSES[code], code), path


async def test_the_list_of_unsafe_routes_above_is_whole(shop: TestKit):
    listed = {(method, path.replace("/x", "/{id}")) for method, path in UNSAFE} | {
        ("POST", "/account/sessions/{id}/end")
    }
    found = {(method, path) for method, path in routes_of(shop.app) if method not in ("GET", "OPTIONS")}
    assert found == listed | LOOK_THEMSELVES | {("POST", path) for path in FOR_PROGRAMS}


async def test_a_link_from_another_site_still_opens_pages(kit: TestKit):
    headers = {"sec-fetch-site": "cross-site", "accept": "text/html"}
    for path in ("/auth/sign-in", "/auth/callback", "/auth/check-your-email"):
        assert (await kit.new_browser().get(path, headers=headers)).status_code == 200


async def test_the_apps_origin_may_read_replies_with_credentials(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    reply = await alice.get("/auth/session", headers={"origin": APP})
    assert reply.headers["access-control-allow-origin"] == APP
    assert reply.headers["access-control-allow-credentials"] == "true"
    assert reply.headers["vary"] == "origin"
    refused = await kit.new_browser().get("/auth/session", headers={"origin": APP})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, APP)


@pytest.mark.parametrize("origin", [EVIL, "null", *LOOKALIKES])
async def test_other_origins_may_not_read(kit: TestKit, origin):
    alice = await kit.sign_in("alice@example.com")
    reply = await alice.get("/auth/session", headers={"origin": origin})
    assert not [name for name in reply.headers if name.startswith("access-control")]
    assert reply.headers["vary"] == "origin"


@pytest.mark.parametrize("origin", [EVIL, APP, OWN, "null", None])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/.well-known/openid-configuration"),
        ("POST", "/oauth/token"),
        ("POST", "/oauth/revoke"),
        ("GET", "/oauth/userinfo"),
        ("OPTIONS", "/oauth/userinfo"),
    ],
)
async def test_what_is_for_every_app_may_be_read_by_all_and_never_with_cookies(kit: TestKit, origin, method, path):
    headers = {"access-control-request-method": "GET"} if method == "OPTIONS" else {}
    reply = await kit.new_browser().request(method, path, headers=headers | ({"origin": origin} if origin else {}))
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "authorization" in reply.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in reply.headers
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    ("origin", "allowed"), [(APP, True), (EVIL, False), ("null", False), (APP + ".evil.example", False)]
)
async def test_a_preflight_is_granted_to_the_app_alone(kit: TestKit, origin, allowed):
    asks = {
        "origin": origin,
        "access-control-request-method": "DELETE",
        "access-control-request-headers": "content-type",
    }
    reply = await kit.new_browser().options("/auth/sessions", headers=asks)
    assert reply.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert ("access-control-allow-credentials" in reply.headers) is allowed
    if allowed:
        assert reply.status_code == 204
        assert "DELETE" in reply.headers["access-control-allow-methods"]
        assert "content-type" in reply.headers["access-control-allow-headers"]
        assert "*" not in " ".join(value for name, value in reply.headers.items() if name.startswith("access-control"))
