"""The whole way: discovery, authorization, code, tokens, who it is."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.access.oidc.relying_party import (
    CALLBACK,
    NAVIGATION,
    URL,
    App,
    answer_of,
    claims_of,
    next_of,
    phone,
    sign_in_and_follow,
    target_of,
)
from tollhouse.testing import TestKit


async def test_a_stranger_signs_in_and_comes_back_with_a_code(kit: TestKit, app: App) -> None:
    browser = kit.new_browser()
    sent = await app.authorize(browser)
    assert sent.status_code == 303
    back = await sign_in_and_follow(kit, browser, "alice@example.com", next_of(sent))
    told = answer_of(back)
    assert told["state"] == app.state
    assert told["iss"] == URL
    assert target_of(back).startswith(CALLBACK + "?code=")
    reply = await app.redeem(told["code"])
    assert reply.status_code == 200
    assert reply.headers["cache-control"] == "no-store"
    tokens = reply.json()
    assert tokens["token_type"] == "Bearer"
    assert "refresh_token" not in tokens
    claims = claims_of(tokens["id_token"])
    assert (claims["iss"], claims["aud"], claims["nonce"]) == (URL, "web", "n-0S6_WzA2Mj")
    assert (claims["email"], claims["email_verified"]) == ("alice@example.com", True)
    who = await app.userinfo(tokens["access_token"])
    assert who.json() == {"sub": claims["sub"], "email": "alice@example.com", "email_verified": True}


async def test_whoever_is_signed_in_comes_back_at_once(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    reply = await app.authorize(alice)
    assert reply.status_code == 303
    assert reply.headers["cache-control"] == "no-store"
    assert urlsplit(reply.headers["location"]).netloc == "app.example.com"
    assert claims_of((await app.redeem(answer_of(reply)["code"])).json()["access_token"])["sub"] == alice.user_id


async def test_a_public_client_goes_the_same_way_without_a_secret(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    tokens = await phone(kit).tokens(alice)
    assert claims_of(tokens["id_token"])["aud"] == "phone"


async def test_from_our_own_page_the_way_back_is_a_page(kit: TestKit, app: App) -> None:
    """Chromium holds a form's whole chain of redirects to `form-action`."""
    alice = await kit.sign_in("alice@example.com")
    for ours in ({"sec-fetch-site": "same-origin"}, {"referer": URL + "/auth/sign-in"}):
        page = await app.authorize(alice, headers={"accept": "text/html", **ours})
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert "form-action 'self' https://app.example.com;" in page.headers["content-security-policy"]
        assert "Going back to Harbour Notes" in page.text
        assert (await app.redeem(answer_of(page)["code"])).status_code == 200
    for theirs in (NAVIGATION, {"referer": "https://toll.example.com.evil.example/"}, {}):
        assert (await app.authorize(alice, headers={"accept": "text/html", **theirs})).status_code == 303


async def test_a_client_s_own_query_is_kept(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    app = App(kit, redirect_uri=CALLBACK + "?kind=two")
    told = answer_of(await app.authorize(alice))
    assert told["kind"] == "two"
    assert (await app.redeem(told["code"])).status_code == 200


async def test_the_provider_says_what_it_can_do(kit: TestKit) -> None:
    browser = kit.new_browser()
    reply = await browser.get("/.well-known/openid-configuration")
    assert reply.status_code == 200
    said = reply.json()
    assert said == (await browser.get("/.well-known/oauth-authorization-server")).json()
    assert said["issuer"] == URL
    assert said["response_types_supported"] == ["code"]
    assert said["code_challenge_methods_supported"] == ["S256"]
    assert said["id_token_signing_alg_values_supported"] == ["RS256"]
    assert said["authorization_response_iss_parameter_supported"] is True
    for name in [name for name in said if name.endswith("_endpoint")] + ["jwks_uri"]:
        assert (await browser.get(said[name])).status_code != 404, name
