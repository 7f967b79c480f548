"""Who it is, for how long, and how it ends: userinfo and revocation."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.oidc.relying_party import App, patient, phone
from tollhouse.testing import SignedInClient, TestKit

OFFLINE = "openid email offline_access"


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, signed in."""
    return await kit.sign_in("alice@example.com")


async def lives(browser: Any) -> bool:
    return (await browser.get("/auth/session")).status_code == 200


async def test_who_it_is_by_get_and_by_post(kit: TestKit, app: App, alice: SignedInClient) -> None:
    tokens = await app.tokens(alice)
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    for method in ("GET", "POST"):
        reply = await kit.new_browser().request(method, "/oauth/userinfo", headers=headers)
        assert reply.json() == {"sub": alice.user_id, "email": "alice@example.com", "email_verified": True}
    assert (await app.userinfo((await app.tokens(alice, scope="openid"))["access_token"])).json() == {
        "sub": alice.user_id
    }


async def test_whichever_page_holds_the_token_may_ask(kit: TestKit, app: App, alice: SignedInClient) -> None:
    headers = {"authorization": f"Bearer {(await app.tokens(alice))['access_token']}"}
    for origin in ("https://app.example.com", "https://spa.example.net"):
        reply = await kit.new_browser().get("/oauth/userinfo", headers={**headers, "origin": origin})
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, "*")


async def test_without_a_good_token_nobody_is_told(kit: TestKit, app: App, alice: SignedInClient) -> None:
    tokens = await app.tokens(alice, scope=OFFLINE)
    bad = ["", "x", tokens["id_token"], tokens["refresh_token"], tokens["access_token"] + "A"]
    for each in bad:
        reply = await app.userinfo(each) if each else await kit.new_browser().get("/oauth/userinfo")
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"].startswith("Bearer")
    assert (await alice.get("/oauth/userinfo")).status_code == 401, "a cookie is no token"
    own = (await alice.post("/auth/token")).json()["access_token"]
    reply = await app.userinfo(own)
    assert (reply.status_code, 'error="insufficient_scope"' in reply.headers["www-authenticate"]) == (403, True)


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "unheard-of"])
async def test_what_is_revoked_is_gone_with_all_that_hangs_on_it(
    kit: TestKit, app: App, alice: SignedInClient, kind: str, hint: str | None
) -> None:
    tokens = await app.tokens(alice, scope=OFFLINE)
    assert (await app.userinfo(tokens["access_token"])).status_code == 200
    assert (await app.post("/oauth/revoke", token=tokens[kind], token_type_hint=hint)).status_code == 200
    assert (await app.post("/oauth/revoke", token=tokens[kind])).status_code == 200, "again is as good"
    kit.clock.advance(3)
    assert (await app.userinfo(tokens["access_token"])).status_code == 401
    assert (await app.refresh(tokens["refresh_token"])).status_code == 400
    assert await lives(alice)


async def test_another_client_revokes_nothing(kit: TestKit, app: App, alice: SignedInClient) -> None:
    tokens = await app.tokens(alice, scope=OFFLINE)
    for other in (phone(kit), patient(kit)):
        for kind in ("access_token", "refresh_token", "id_token"):
            assert (await other.post("/oauth/revoke", token=tokens[kind])).status_code == 200
    for garbage in ("x", "a.b.c", tokens["id_token"]):
        assert (await app.post("/oauth/revoke", token=garbage)).status_code == 200
    kit.clock.advance(3)
    assert (await app.userinfo(tokens["access_token"])).status_code == 200
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_whoever_revokes_says_who_it_is(kit: TestKit, app: App, alice: SignedInClient) -> None:
    tokens = await app.tokens(alice, scope=OFFLINE)
    wrong = App(kit, secret="wrong-wrong-wrong-wrong-wrong-wrong-1")
    assert (await wrong.post("/oauth/revoke", token=tokens["refresh_token"])).status_code == 401
    assert (await app.post("/oauth/revoke")).json()["error"] == "invalid_request"
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200
