"""Signing out because an app asks for it: what ends by its proof, what by the person's word, and what never."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.access.oidc import relying_party
from tests.access.oidc.relying_party import (
    NAVIGATION,
    OURS,
    SIGNED_OUT,
    URL,
    App,
    client,
    fields_of,
    stranger,
    target_of,
)
from tollhouse.clock import HOUR, SECOND
from tollhouse.testing import SignedInClient, TestKit

OFFLINE = "openid email offline_access"
BYE = "https://calendar.example.net/bye"
PAGE = {"accept": "text/html"}
CROSS_SITE = {**PAGE, "sec-fetch-site": "cross-site", "origin": "https://evil.example"}
CLIENTS = tuple(
    client(**{**each.model_dump(), "sign_out_uris": (BYE,)}) if each.id == "stranger" else each
    for each in relying_party.CLIENTS
)


@pytest.fixture
async def kit(make_kit: Any) -> Any:
    """A provider whose strangers too may have people back."""
    async with make_kit(clients=CLIENTS) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, signed in."""
    return await kit.sign_in("alice@example.com")


async def lives(browser: Any) -> bool:
    return (await browser.get("/auth/session")).status_code == 200


async def send(browser: Any, method: str = "GET", *, headers: Any = NAVIGATION, **asked: Any) -> Any:
    """Ask to sign out; a post goes on as the browser does, without a cookie and then with it."""
    if method == "GET":
        return await browser.get("/oauth/sign-out", params=asked, headers=headers)
    posted = await browser.kit.new_browser().post("/oauth/sign-out", data=asked, headers=headers)
    assert posted.status_code == 303, posted.text
    assert posted.headers["location"].startswith(URL + "/oauth/sign-out?")
    assert "set-cookie" not in posted.headers
    return await browser.get(posted.headers["location"], headers=headers)


async def lose_keys(kit: TestKit, *, compromised: bool) -> None:
    """Let the keys that signed until now be forgotten."""
    keys = kit.toll.access.keys
    await keys.rotate(compromised=compromised)
    if not compromised:
        kit.clock.advance(3 * HOUR / SECOND + 60)
        await keys.keep()
        await keys.refresh()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_app_that_signed_somebody_in_signs_them_out(
    kit: TestKit, app: App, alice: SignedInClient, method: str
) -> None:
    tokens = await app.tokens(alice, scope=OFFLINE)
    kit.clock.advance(3_600)
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": SIGNED_OUT, "state": "a b&c"}
    reply = await send(alice, method, **asked)
    assert (reply.status_code, reply.headers["location"]) == (303, SIGNED_OUT + "?state=a+b%26c")
    assert "Max-Age=0" in reply.headers["set-cookie"]
    assert not await lives(alice)
    assert (await app.refresh(tokens["refresh_token"])).status_code == 400


@pytest.mark.parametrize("with_hint", [False, True], ids=["nothing", "the attacker's own hint"])
async def test_a_stranger_s_page_takes_nobody_s_cookie(
    kit: TestKit, app: App, alice: SignedInClient, with_hint: bool
) -> None:
    """The session's cookie does not come with its post, so the reply to it must not touch that cookie."""
    mallory = await kit.sign_in("mallory@evil.example")
    asked = {"id_token_hint": (await app.tokens(mallory))["id_token"]} if with_hint else {"a": "b"}
    page = await send(alice, "POST", headers=CROSS_SITE, **asked)
    assert (page.status_code, "Sign out?" in page.text) == (200, True)
    assert "set-cookie" not in page.headers
    assert await lives(alice)
    for reply in (await send(kit.new_browser(), headers=CROSS_SITE, **asked), await send(kit.new_browser())):
        assert (reply.status_code, "set-cookie" in reply.headers) == (303, False)


async def test_without_a_cookie_a_hint_ends_what_its_own_app_was_given_and_no_more(
    kit: TestKit, app: App, alice: SignedInClient
) -> None:
    """So do an app's servers sign out."""
    calendar = stranger(kit)
    calendar.asks = True
    theirs = (await calendar.tokens(alice, scope=OFFLINE))["refresh_token"]
    elsewhere = await kit.sign_in("alice@example.com")
    kept = (await app.tokens(elsewhere, scope=OFFLINE))["refresh_token"]
    tokens = await app.tokens(alice, scope=OFFLINE)
    reply = await send(kit.new_browser(), headers={}, id_token_hint=tokens["id_token"])
    assert reply.headers["location"] == URL + "/auth/signed-out"
    assert (await app.refresh(tokens["refresh_token"])).status_code == 400
    assert (await app.userinfo(tokens["access_token"])).status_code == 401
    assert await lives(alice)
    assert (await calendar.refresh(theirs)).status_code == 200
    assert (await app.refresh(kept)).status_code == 200


@pytest.mark.parametrize("has_cookie", [True, False], ids=["cookie", "no cookie"])
async def test_an_app_of_somebody_else_s_signs_people_out_of_itself_alone(
    kit: TestKit, app: App, alice: SignedInClient, has_cookie: bool
) -> None:
    calendar = stranger(kit)
    calendar.asks = True
    theirs = await calendar.tokens(alice, scope=OFFLINE)
    ours = (await app.tokens(alice, scope=OFFLINE))["refresh_token"]
    browser = alice if has_cookie else kit.new_browser()
    reply = await send(browser, id_token_hint=theirs["id_token"], post_logout_redirect_uri=BYE)
    assert (reply.status_code, reply.headers["location"]) == (303, BYE)
    assert "set-cookie" not in reply.headers
    assert (await calendar.refresh(theirs["refresh_token"])).status_code == 400
    assert (await app.refresh(ours)).status_code == 200
    assert await lives(alice)
    assert "consent_session" in fields_of(await calendar.authorize(alice)), "its person is asked anew"


async def test_it_may_have_the_person_asked_whether_to_sign_out_altogether(kit: TestKit, alice: SignedInClient) -> None:
    page = await send(alice, client_id="stranger", post_logout_redirect_uri=BYE)
    assert "Calendar Thing asks to sign you out" in page.text
    done = await alice.post("/oauth/sign-out", data=fields_of(page), headers=OURS)
    assert target_of(done) == BYE
    assert not await lives(alice)


@pytest.mark.parametrize("says_client", [True, False], ids=["client_id", "no client_id"])
@pytest.mark.parametrize("hint", [None, "another's", "an older session's"])
async def test_without_proof_the_person_is_asked(
    kit: TestKit, app: App, alice: SignedInClient, hint: str | None, says_client: bool
) -> None:
    bob = await kit.sign_in("bob@example.com")
    asked = {"post_logout_redirect_uri": SIGNED_OUT, "state": "s"}
    if says_client or hint is None:
        asked["client_id"] = "web"
    if hint is not None:
        of = alice if hint == "another's" else bob
        asked["id_token_hint"] = (await app.tokens(of))["id_token"]
    if hint == "an older session's":
        bob = await kit.sign_in("bob@example.com", browser=bob.browser)
    page = await send(bob, **asked)
    assert page.status_code == 200
    assert "Harbour Notes asks to sign you out" in page.text
    assert "bob@example.com" in page.text
    assert "id_token_hint" not in fields_of(page)
    assert await lives(bob)
    done = await bob.post("/oauth/sign-out", data=fields_of(page), headers=OURS)
    assert target_of(done) == SIGNED_OUT + "?state=s"
    assert "Max-Age=0" in done.headers["set-cookie"]
    assert not await lives(bob)
    assert await lives(alice)


@pytest.mark.parametrize("says_client", [True, False], ids=["client_id", "no client_id"])
@pytest.mark.parametrize("compromised", [True, False], ids=["compromised", "rotated"])
async def test_a_hint_whose_key_is_gone_lets_the_person_be_asked(
    kit: TestKit, app: App, alice: SignedInClient, compromised: bool, says_client: bool
) -> None:
    hint = (await app.tokens(alice))["id_token"]
    await lose_keys(kit, compromised=compromised)
    asked = {"client_id": "web"} if says_client else {}
    page = await send(alice, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, **asked)
    assert "Harbour Notes asks to sign you out" in page.text
    done = await alice.post("/oauth/sign-out", data=fields_of(page), headers=OURS)
    assert target_of(done) == SIGNED_OUT
    assert not await lives(alice)


@pytest.mark.parametrize("kind", ["garbage", "access token", "of nobody's", "too long"])
async def test_what_proves_nothing_is_as_no_hint(kit: TestKit, app: App, alice: SignedInClient, kind: str) -> None:
    tokens = await app.tokens(alice, scope=OFFLINE)
    head = tokens["id_token"].split(".")[0]
    claims = base64.urlsafe_b64encode(json.dumps({"iss": URL, "aud": "nobody", "sid": alice.session_id}).encode())
    made_up = f"{head}.{claims.rstrip(b'=').decode()}.AAAA"
    hint = {"garbage": "x.y.z", "access token": tokens["access_token"], "of nobody's": made_up, "too long": "x" * 9_000}
    page = await send(alice, id_token_hint=hint[kind])
    assert "Sign out?" in page.text
    refused = await send(alice, id_token_hint=hint[kind], post_logout_redirect_uri=SIGNED_OUT)
    assert (refused.status_code, "location" in refused.headers) == (400, False), "whose address would it be?"
    assert (await send(kit.new_browser(), id_token_hint=hint[kind])).status_code == 303
    assert await lives(alice)
    assert (await app.refresh(tokens["refresh_token"])).status_code == 200


async def test_an_unproved_hint_leads_only_where_its_client_may_lead(app: App, alice: SignedInClient) -> None:
    head, claims, _ = (await app.tokens(alice))["id_token"].split(".")
    for uri in (BYE, "https://evil.example/", "https://app.example.com/callback"):
        reply = await send(alice, id_token_hint=f"{head}.{claims}.AAAA", post_logout_redirect_uri=uri)
        assert (reply.status_code, "location" in reply.headers) == (400, False)
    page = await send(alice, id_token_hint=f"{head}.{claims}.AAAA", post_logout_redirect_uri=SIGNED_OUT)
    assert "Sign out?" in page.text


async def test_no_other_page_confirms_for_the_person(alice: SignedInClient) -> None:
    for origin in ("https://evil.example", "https://app.example.com", "null"):
        reply = await alice.post("/oauth/sign-out", data={"confirm": "yes"}, headers={"origin": origin})
        assert (reply.status_code, reply.json()["code"]) == (403, "cross_site_request")
    page = await alice.get("/oauth/sign-out?confirm=yes", headers=PAGE)
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
        ({"state": "s" * 1001}, "invalid_request"),
    ],
    ids=lambda each: str(each)[:60],
)
async def test_what_is_wrong_signs_nobody_out(
    app: App, alice: SignedInClient, wrong: dict[str, str], code: str
) -> None:
    asked = {"id_token_hint": (await app.tokens(alice))["id_token"], **wrong}
    reply = await send(alice, headers={}, **asked)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert "location" not in reply.headers
    assert await lives(alice)


@pytest.mark.parametrize("body", [b"a=1&a=2", b"state=" + b"s" * 9_000], ids=["twice", "long"])
async def test_a_post_that_cannot_go_on_is_refused(kit: TestKit, body: bytes) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    reply = await kit.new_browser().post("/oauth/sign-out", content=body, headers=kind)
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_request")


async def test_where_nobody_is_signed_in_there_is_nothing_to_ask(kit: TestKit) -> None:
    browser = kit.new_browser()
    assert (await browser.get("/oauth/sign-out")).headers["location"] == URL + "/auth/signed-out"
    asked = {"client_id": "web", "post_logout_redirect_uri": SIGNED_OUT}
    assert (await browser.get("/oauth/sign-out", params=asked)).headers["location"] == SIGNED_OUT
    asked = {"post_logout_redirect_uri": SIGNED_OUT}
    assert (await browser.get("/oauth/sign-out", params=asked)).status_code == 400, "whose address would it be?"
    twice = await browser.get("/oauth/sign-out?client_id=web&client_id=phone")
    assert twice.json()["code"] == "invalid_request"


async def test_a_form_of_ours_may_say_all_that_the_request_said(alice: SignedInClient) -> None:
    asked = {f"x{number}": str(number) for number in range(38)} | {"client_id": "web", "state": "s"}
    page = await send(alice, **asked)
    done = await alice.post("/oauth/sign-out", data=fields_of(page), headers=OURS)
    assert done.status_code == 303
    assert not await lives(alice)
