"""A code works once, in time, for its own client, with its own verifier."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.access.oidc.relying_party import CALLBACK, App, basic, challenge_of, claims_of, patient, phone
from tests.identity.rows import rows_of
from tollhouse.access import tables
from tollhouse.testing import SignedInClient, TestKit


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, signed in."""
    return await kit.sign_in("alice@example.com")


def error_of(reply: Any) -> str:
    """OAuth's name for what is wrong."""
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["cache-control"] == "no-store"
    assert set(reply.json()) == {"error", "error_description"}
    return reply.json()["error"]


async def test_a_code_works_once(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice)
    assert (await app.redeem(code)).status_code == 200
    again = await app.redeem(code)
    assert (again.status_code, error_of(again)) == (400, "invalid_grant")


async def test_a_second_use_ends_what_the_first_was_given(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice, scope="openid offline_access")
    tokens = (await app.redeem(code)).json()
    assert (await app.userinfo(tokens["access_token"])).status_code == 200
    kit.clock.advance(30)
    await app.redeem(code)
    assert await rows_of(kit, tables.grants) == []
    kit.clock.advance(3)
    assert (await app.userinfo(tokens["access_token"])).status_code == 401
    assert error_of(await app.refresh(tokens["refresh_token"])) == "invalid_grant"
    assert (await alice.get("/auth/session")).status_code == 200, "the session itself is not the client's to end"


async def test_of_twenty_at_once_one_wins_and_keeps_nothing(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice)
    replies = await asyncio.gather(*(app.redeem(code) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 19
    [won] = [reply for reply in replies if reply.status_code == 200]
    kit.clock.advance(3)
    assert (await app.userinfo(won.json()["access_token"])).status_code == 401
    assert await rows_of(kit, tables.grants) == []


async def test_a_code_lives_for_a_minute(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice)
    kit.clock.advance(59)
    assert (await app.redeem(code)).status_code == 200
    late = await app.code(alice)
    kit.clock.advance(60)
    assert error_of(await app.redeem(late)) == "invalid_grant"


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_verifier": "v" * 43},
        {"code_verifier": "short"},
        {"code_verifier": "v" * 129},
        {"code_verifier": "caf\u00e9" * 12},
        {"redirect_uri": CALLBACK + "?kind=two"},
        {"redirect_uri": "https://evil.example/\x00"},
        {"code": "A" * 43},
        {"code": "x"},
    ],
    ids=lambda wrong: str(wrong)[:50],
)
async def test_what_does_not_fit_is_refused_and_spends_nothing(
    kit: TestKit, app: App, alice: SignedInClient, wrong: dict[str, str]
) -> None:
    code = await app.code(alice)
    assert error_of(await app.redeem(code, **wrong)) == "invalid_grant"
    assert (await app.redeem(code)).status_code == 200


async def test_a_challenge_sent_as_its_own_verifier_is_refused(kit: TestKit, app: App, alice: SignedInClient) -> None:
    """The downgrade to `plain`: whoever saw the authorization request knows the challenge."""
    code = await app.code(alice)
    assert error_of(await app.redeem(code, code_verifier=challenge_of(app.verifier))) == "invalid_grant"


@pytest.mark.parametrize("missing", ["code", "code_verifier", "redirect_uri", "grant_type"])
async def test_nothing_may_be_left_out(kit: TestKit, app: App, alice: SignedInClient, missing: str) -> None:
    code = await app.code(alice)
    for empty in (None, ""):
        assert error_of(await app.redeem(code, **{missing: empty})) == "invalid_request"
    assert (await app.redeem(code)).status_code == 200


async def test_nothing_may_be_said_twice(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice)
    body = f"grant_type=authorization_code&code={code}&code={code}&redirect_uri={CALLBACK}&code_verifier={app.verifier}"
    headers = {"authorization": basic("web", app.secret or ""), "content-type": "application/x-www-form-urlencoded"}
    reply = await kit.new_browser().post("/oauth/token", content=body, headers=headers)
    assert error_of(reply) == "invalid_request"


@pytest.mark.parametrize(
    "kind", ["password", "client_credentials", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer"]
)
async def test_other_grant_types_are_not_offered(app: App, kind: str) -> None:
    assert error_of(await app.token(grant_type=kind, username="a", password="b")) == "unsupported_grant_type"


async def test_the_body_is_a_form(kit: TestKit, app: App, alice: SignedInClient) -> None:
    fields = {"grant_type": "authorization_code", "code": await app.code(alice), "redirect_uri": CALLBACK}
    fields |= {"code_verifier": app.verifier, "client_id": "web", "client_secret": app.secret or ""}
    server = kit.new_browser()
    assert error_of(await server.post("/oauth/token", json=fields)) == "invalid_request"
    assert error_of(await server.post("/oauth/token", params=fields)) == "invalid_client", "never out of the query"
    assert (await server.post("/oauth/token", data=fields)).status_code == 200


async def test_another_client_s_code_does_not_work(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice)
    for other in (phone(kit), patient(kit)):
        other.verifier, other.redirect_uri = app.verifier, app.redirect_uri
        assert error_of(await other.redeem(code)) == "invalid_grant"
    assert (await app.redeem(code)).status_code == 200


async def test_signing_out_ends_a_code(kit: TestKit, app: App, alice: SignedInClient) -> None:
    code = await app.code(alice)
    await alice.post("/auth/sign-out")
    assert error_of(await app.redeem(code)) == "invalid_grant"


async def test_an_idle_session_s_code_does_not_work(make_kit: Any) -> None:
    async with make_kit(session_idle_seconds=100) as kit:
        app = App(kit)
        alice = await kit.sign_in("alice@example.com")
        kit.clock.advance(60)
        code = await app.code(alice)
        kit.clock.advance(41)
        assert error_of(await app.redeem(code)) == "invalid_grant"


async def test_the_tokens_say_whom_they_are_for(kit: TestKit, app: App, alice: SignedInClient) -> None:
    tokens = await app.tokens(alice, scope="openid notes:read")
    access, identity = claims_of(tokens["access_token"]), claims_of(tokens["id_token"])
    assert access["aud"] == "https://toll.example.com"
    assert (access["client_id"], access["scope"], access["sid"]) == ("web", "openid notes:read", alice.session_id)
    assert access["email"] is None
    assert "email" not in identity
    assert identity["auth_time"] <= identity["iat"] < identity["exp"]
    assert identity["at_hash"]


async def test_a_used_grant_without_refresh_is_swept_soon(kit: TestKit, app: App, alice: SignedInClient) -> None:
    from tollhouse.access.grants import SWEEP

    await app.tokens(alice)
    await app.code(alice)
    kit.clock.advance(61)
    assert await kit.toll.run.db.write(SWEEP, now=kit.clock.now_us()) == 1, "the code that nobody came for"
    kit.clock.advance(600)
    assert await kit.toll.run.db.write(SWEEP, now=kit.clock.now_us()) == 1
    await app.tokens(alice, scope="openid offline_access")
    kit.clock.advance(20 * 86_400)
    assert await kit.toll.run.db.write(SWEEP, now=kit.clock.now_us()) == 0
