"""The code of the tokens guide runs, against a real Tollhouse and a real issuer where it fetches keys."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.access.conftest import bearer
from tests.docs.documents import ROOT, TOKENS, blocks
from tests.docs.test_readme import run_block
from tests.support.hostile_issuer import HostileIssuer, serve
from tests.support.processes import Process
from tollhouse.access import api_keys
from tollhouse.access.oidc.discovery import document as discovery_document
from tollhouse.access.token_routes import JWKS_PATH
from tollhouse.pages.replies import encode
from tollhouse.testing import TestKit

MOUNTED, RESOURCE_SERVER, PLAIN, API_KEYS = range(4)
pytestmark = pytest.mark.usefixtures("readme_environment")


def run_against(number: int, old: str, new: str) -> dict[str, Any]:
    """What a block defines, with an address of this machine in place of the one it shows."""
    names: dict[str, Any] = {"__name__": "documented"}
    exec(compile(blocks("python", TOKENS)[number].text.replace(old, new), "tokens.md", "exec"), names)
    return names


async def call(app: Any, path: str, token: str | None = None) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        return await client.get(path, headers=bearer(token) if token else {})


async def test_an_app_that_mounts_tollhouse_knows_callers_users_and_scopes() -> None:
    host = run_block(MOUNTED, among=TOKENS)
    async with TestKit(app=host["app"], toll=host["toll"]) as kit:
        alice = await kit.sign_in("alice@example.com")
        token = (await alice.post("/auth/token")).json()["access_token"]
        program = kit.new_browser()
        assert (await program.get("/notes", headers=bearer(token))).json() == {"owner": alice.user_id}
        assert (await alice.get("/notes")).status_code == 401
        assert (await alice.get("/dashboard")).json() == {"email": "alice@example.com"}
        assert (await program.get("/dashboard", headers=bearer(token))).json() == {"email": "alice@example.com"}
        assert (await program.get("/reports", headers=bearer(token))).json()["code"] == "scope_missing"


@pytest.mark.slow
async def test_a_resource_server_takes_the_tokens_of_a_tollhouse_elsewhere(
    spawn_tollhouse: Callable[..., Process],
) -> None:
    server = await spawn_tollhouse("dev", "--port", "{port}", env={}).answers()
    url = f"http://localhost:{server.port}"
    app: FastAPI = run_against(RESOURCE_SERVER, "https://auth.example.com", url)["app"]
    async with httpx.AsyncClient(base_url=url) as browser, app.router.lifespan_context(app):
        await browser.post("/auth/magic-links", json={"email": "alice@example.com"})
        code = await code_from(browser)
        session = (await browser.post("/auth/code", json={"code": code})).json()
        token = (await browser.post("/auth/token")).json()["access_token"]
        assert (await call(app, "/notes", token)).json() == {"owner": session["user_id"]}
        refused = await call(app, "/notes", token[:-4] + "AAAA")
        assert (refused.status_code, refused.json()["code"]) == (401, "token_invalid")
        assert refused.headers["www-authenticate"] == 'Bearer error="invalid_token"'
        assert (await call(app, "/notes")).headers["www-authenticate"] == "Bearer"


async def code_from(browser: httpx.AsyncClient) -> str:
    for _ in range(100):
        mails = (await browser.get("/dev/mail.json")).json()
        if mails:
            return mails[0]["code"]
        await asyncio.sleep(0.05)
    raise AssertionError("no mail")


async def test_plain_asgi_takes_the_tokens_of_another_issuer() -> None:
    key = RSAKey.generate_key(2048, {"kid": "1"})
    document = encode({"keys": [key.as_dict(private=False)]})
    async with HostileIssuer(serve(document)) as issuer:
        url = f"http://127.0.0.1:{issuer.port}"
        app = run_against(PLAIN, "https://clerk.example.com", url)["app"]
        now = int(time.time())
        claims = {"iss": url, "sub": "user_1", "azp": "https://app.example.com", "iat": now, "exp": now + 60}
        async with app.router.lifespan_context(app):
            owner = (await call(app, "/notes", sign(key, claims))).json()["owner"]
            assert owner == f"{url}#user_1"
            other = claims | {"azp": "https://evil.example"}
            assert (await call(app, "/notes", sign(key, other))).status_code == 401


def sign(key: RSAKey, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS256", "kid": "1", "typ": "JWT"}, claims, key)


async def test_a_server_of_yours_calls_with_its_key() -> None:
    host = run_block(API_KEYS, among=TOKENS)
    async with TestKit(app=host["app"], toll=host["toll"]) as kit:
        _, secret = await api_keys.create(kit.toll.run, name="worker", scopes=["jobs:start"])
        reply = await kit.new_browser().post("/jobs", headers=bearer(secret))
    assert reply.json() == {"started_by": "worker"}


def test_the_resource_server_is_short() -> None:
    lines = [line for line in blocks("python", TOKENS)[RESOURCE_SERVER].text.splitlines() if line.strip()]
    assert len(lines) <= 12


def test_the_code_for_node_checks_what_the_example_app_checks() -> None:
    """The example is driven by a browser; the guide shows the same four conditions."""
    (guide,) = blocks("js", TOKENS)
    example = (ROOT / "examples" / "nextjs" / "auth" / "caller.ts").read_text()
    for condition in ('typ: "at+jwt"', 'algorithms: ["ES256"]', JWKS_PATH, "audience", "issuer"):
        assert condition in guide.text
        assert condition in example


def test_every_key_of_the_tables_in_tollhouse_toml_is_explained() -> None:
    from tollhouse.settings_structures import ClientSettings, IssuerSettings

    text = TOKENS.read_text()
    issuers, clients = text.partition("## Accept other issuers")[2].partition("## Sign in through")[::2]
    for part, model in ((issuers, IssuerSettings), (clients, ClientSettings)):
        for name in model.model_fields:
            assert f"`{name}`" in part, name


def test_discovery_names_what_the_guide_names() -> None:
    found = discovery_document("https://auth.example.com")
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert json.dumps(found).count("https://auth.example.com/oauth/") == 5
