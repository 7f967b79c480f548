"""Tokens, codes, client secrets and API keys, sent well and badly: none reaches the log, a metric or an error."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import structlog
from prometheus_client import generate_latest

from tests.access.oidc.relying_party import WEB_SECRET, App, phone
from tollhouse.access import api_keys
from tollhouse.telemetry import logs
from tollhouse.telemetry.metrics import registry
from tollhouse.testing import SignedInClient, TestKit

ADDRESS = "alice.oneinamillion@private.example"


@pytest.fixture(autouse=True)
def _our_own_log() -> Iterator[None]:
    """The log as the server writes it, whatever an earlier test has set up."""
    before = structlog.get_config()
    logs.configure("json")
    yield
    structlog.configure(**before)


async def use_badly(kit: TestKit, app: App, alice: SignedInClient, secrets: list[str]) -> list[httpx.Response]:
    """Every way in which a secret is sent to the wrong place, too late, twice or damaged."""
    program = kit.new_browser()
    code = await app.code(alice, scope="openid email offline_access")
    first = (await app.redeem(code)).json()
    second = (await app.refresh(first["refresh_token"])).json()
    key_id, key = await api_keys.create(kit.toll.run, name="worker", scopes=["jobs:start"])
    own = (await alice.post("/auth/token")).json()["access_token"]
    secrets += [code, key, own, WEB_SECRET, app.verifier, app.state]
    secrets += [each for tokens in (first, second) for name, each in tokens.items() if name.endswith("_token")]
    damaged = [f"{token[:-6]}AAAAAA" for token in (own, first["access_token"], key)]
    replies = [
        await program.get("/auth/whoami", headers={"authorization": f"Bearer {token}"})
        for token in (*damaged, *secrets)
    ]
    replies += [await app.userinfo(token) for token in (*damaged, first["id_token"], key)]
    replies += [
        await app.redeem(code),  # replayed
        await app.refresh(first["refresh_token"]),  # reused, if the replay had left anything
        await phone(kit).refresh(second["refresh_token"]),
        await app.post("/oauth/revoke", token=second["refresh_token"] + "x", client_secret=WEB_SECRET),
        await app.token(grant_type=code, code=code),
        await program.post("/oauth/token", content=f"code={code}&code={code}", headers={"content-type": "text/plain"}),
        await program.get("/oauth/authorize", params={"client_id": WEB_SECRET, "state": app.state, "code": code}),
        await program.get("/oauth/authorize", params=app.parameters(redirect_uri=f"https://evil.example/{code}")),
        await app.authorize(alice, id_token_hint=first["id_token"] + "x", prompt="none"),
        await alice.get("/oauth/sign-out", params={"id_token_hint": first["id_token"], "state": app.state}),
        await program.post("/auth/token", headers={"cookie": f"__Host-tollhouse={own}"}),
    ]
    assert await api_keys.revoke(kit.toll.run, key_id)
    return replies


async def test_no_token_code_or_key_comes_out(kit: TestKit, app: App, capfd: pytest.CaptureFixture[str]) -> None:
    alice = await kit.sign_in(ADDRESS)
    secrets = [ADDRESS, ADDRESS.partition("@")[0], *alice.browser.cookies.values()]
    replies = await use_badly(kit, app, alice, secrets)
    assert {reply.status_code for reply in replies} >= {400, 401, 303}
    log = capfd.readouterr().err
    for event in ("token_refused", "grant_ended", "code_redeemed", "api_key_created"):
        assert event in log
    metrics = generate_latest(registry).decode()
    told = [reply.text + str(reply.headers) for reply in replies if reply.status_code >= 400]
    for secret in secrets:
        pieces = [piece for piece in secret.split(".") if len(piece) > 30] or [secret]  # a JWT's parts, each for itself
        for piece in pieces:
            assert piece not in log
            assert piece not in metrics
            assert not [text for text in told if piece in text]
