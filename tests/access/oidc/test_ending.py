"""Who it is, for how long, and how it ends: userinfo, revocation, signing out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.oidc.relying_party import SIGNED_OUT, URL, App, fields_of, patient, phone, target_of
from tollhouse.testing import SignedInClient, TestKit

OFFLINE = "openid email offline_access"
OURS = {"accept": "text/html", "sec-fetch-site": "same-origin", "origin": URL}


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


async def test_the_app_s_own_pages_may_ask(kit: TestKit, app: App, alice: SignedInClient) -> None:
    headers = {"authorization": f"Bearer {(await app.tokens(alice))['access_token']}"}
    for origin, allowed in (("https://app.example.com", True), ("https://evil.example", False)):
        reply = await kit.new_browser().get("/oauth/userinfo", headers={**headers, "origin": origin})
        assert (reply.headers.get("access-control-allow-origin") == origin) is allowed


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


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_app_that_signed_somebody_in_signs_them_out(
    kit: TestKit, app: App, alice: SignedInClient, method: str
) -> None:
    tokens = await app.tokens(alice, scope=OFFLINE)
    kit.clock.advance(3_600)
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SIGNED_OUT, "state": "a b&c"}
    way = {"params": asked} if method == "GET" else {"data": asked}
    headers = {"sec-fetch-site": "cross-site", "origin": "https://app.example.com"}
    reply = await alice.request(method, "/oauth/sign-out", headers=headers, **way)
    assert (reply.status_code, reply.headers["location"]) == (303, SIGNED_OUT + "?state=a+b%26c")
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert not await lives(alice)
    assert (await app.refresh(tokens["refresh_token"])).status_code == 400


async def test_a_post_that_brings_no_cookie_ends_the_session_of_the_hint(
    kit: TestKit, app: App, alice: SignedInClient
) -> None:
    tokens = await app.tokens(alice)
    elsewhere = await kit.sign_in("alice@example.com")
    reply = await kit.new_browser().post("/oauth/sign-out", data={"id_token_hint": tokens["id_token"]})
    assert reply.headers["location"] == URL + "/auth/signed-out"
    assert not await lives(alice)
    assert await lives(elsewhere)


@pytest.mark.parametrize("with_hint", [False, True], ids=["no hint", "another's hint"])
async def test_without_proof_the_person_is_asked(
    kit: TestKit, app: App, alice: SignedInClient, with_hint: bool
) -> None:
    bob = await kit.sign_in("bob@example.com")
    asked = {"client_id": "web", "post_logout_redirect_uri": SIGNED_OUT, "state": "s"}
    if with_hint:
        asked["id_token_hint"] = (await app.tokens(alice))["id_token"]
    page = await bob.get("/oauth/sign-out", params=asked, headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "Harbour Notes asks to sign you out" in page.text
    assert "bob@example.com" in page.text
    assert await lives(bob)
    done = await bob.post("/oauth/sign-out", data=fields_of(page), headers=OURS)
    assert target_of(done) == SIGNED_OUT + "?state=s"
    assert not await lives(bob)
    assert await lives(alice)


async def test_no_other_page_confirms_for_the_person(alice: SignedInClient) -> None:
    for origin in ("https://evil.example", "https://app.example.com", "null"):
        reply = await alice.post("/oauth/sign-out", data={"confirm": "yes"}, headers={"origin": origin})
        assert (reply.status_code, reply.json()["code"]) == (403, "cross_site_request")
    page = await alice.get("/oauth/sign-out?confirm=yes", headers={"accept": "text/html"})
    assert "Sign out?" in page.text, "a link confirms nothing"
    assert await lives(alice)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"post_logout_redirect_uri": "https://evil.example/"}, "redirect_uri_invalid"),
        ({"post_logout_redirect_uri": SIGNED_OUT + "/"}, "redirect_uri_invalid"),
        ({"post_logout_redirect_uri": "https://app.example.com/callback"}, "redirect_uri_invalid"),
        ({"client_id": "phone"}, "invalid_request"),
        ({"client_id": "nobody"}, "invalid_request"),
        ({"id_token_hint": "x.y.z"}, "invalid_request"),
    ],
    ids=str,
)
async def test_what_is_wrong_signs_nobody_out(
    app: App, alice: SignedInClient, wrong: dict[str, str], code: str
) -> None:
    asked = {"id_token_hint": (await app.tokens(alice))["id_token"], **wrong}
    reply = await alice.get("/oauth/sign-out", params=asked)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert "location" not in reply.headers
    assert await lives(alice)


async def test_an_access_token_is_no_hint(app: App, alice: SignedInClient) -> None:
    token = (await app.tokens(alice))["access_token"]
    assert (await alice.get("/oauth/sign-out", params={"id_token_hint": token})).status_code == 400
    assert await lives(alice)


async def test_where_nobody_is_signed_in_there_is_nothing_to_ask(kit: TestKit) -> None:
    browser = kit.new_browser()
    assert (await browser.get("/oauth/sign-out")).headers["location"] == URL + "/auth/signed-out"
    asked = {"client_id": "web", "post_logout_redirect_uri": SIGNED_OUT}
    assert (await browser.get("/oauth/sign-out", params=asked)).headers["location"] == SIGNED_OUT
    asked = {"post_logout_redirect_uri": SIGNED_OUT}
    assert (await browser.get("/oauth/sign-out", params=asked)).status_code == 400, "whose address would it be?"
    twice = await browser.get("/oauth/sign-out?client_id=web&client_id=phone")
    assert twice.json()["code"] == "invalid_request"
