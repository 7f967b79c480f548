"""What is wrong with an authorization request, and who hears of it: the person here, or the app over there."""

from __future__ import annotations

import html
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.access.oidc.relying_party import CALLBACK, NAVIGATION, URL, App, answer_of, challenge_of, phone, stranger
from tests.identity.rows import everything, rows_of
from tests.support.testdata import require_testdata
from tollhouse.access import tables
from tollhouse.testing import TestKit

pytestmark = pytest.mark.slow  # many, one after the other

PAYLOADS = json.loads(
    (require_testdata("security", "redirect") / "open_redirect_payloads.json").read_text(encoding="utf-8")
)["cases"]


async def test_an_unknown_client_is_told_of_here(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    for client_id in ("nobody", "", "a" * 200, "web\x00", "WEB", "web "):
        reply = await app.authorize(alice, client_id=client_id)
        assert (reply.status_code, "location" in reply.headers) == (400, False), client_id
        assert "not known here" in reply.text
    assert (await app.authorize(alice, client_id=None)).status_code == 400


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        CALLBACK + "/",
        CALLBACK + "?",
        CALLBACK + "#",
        CALLBACK + "?kind=two&x=1",
        CALLBACK + "/../callback",
        CALLBACK.upper(),
        "HTTPS://app.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com./callback",
        "https://app.example.com@evil.example/callback",
        "https://app.example.com%2eevil.example/callback",
        "https://evil.example/callback",
        "https://calendar.example.net/cb",  # another client's
        "http://127.0.0.1:7778/back",
        " " + CALLBACK,
        CALLBACK + "\n",
        CALLBACK + "%00",
        "javascript:alert(1)//" + CALLBACK,
        "/callback",
    ],
    ids=repr,
)
async def test_an_address_that_is_not_registered_is_never_gone_to(kit: TestKit, app: App, uri: str | None) -> None:
    alice = await kit.sign_in("alice@example.com")
    others: list[dict[str, Any]] = [{}, {"response_type": "token"}, {"prompt": "none"}, {"code_challenge": None}]
    for other in others:
        reply = await app.authorize(alice, redirect_uri=uri, **other)
        assert reply.status_code == 400
        assert "location" not in reply.headers
        assert "evil.example" not in reply.text
    assert await rows_of(kit, tables.grants) == []


@pytest.mark.slow
async def test_no_known_trick_is_gone_to(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    for payload in PAYLOADS:
        for uri in (payload, CALLBACK + payload, payload.replace("example.com", "app.example.com")):
            reply = await app.authorize(alice, redirect_uri=uri)
            assert (reply.status_code, "location" in reply.headers) == (400, False), uri


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "id_token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"response_mode": "form_post"}, "invalid_request"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ({"request_uri": "https://evil.example/request"}, "request_uri_not_supported"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": ""}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge": "a" * 44}, "invalid_request"),
    ({"code_challenge": "a" * 42 + "="}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"code_challenge_method": "s256"}, "invalid_request"),
    ({"nonce": "n" * 256}, "invalid_request"),
    ({"nonce": "n\u00e9"}, "invalid_request"),
    ({"scope": "openid " * 200}, "invalid_request"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"prompt": "create"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "ten"}, "invalid_request"),
    ({"max_age": "9" * 18}, "invalid_request"),
    ({"signed_in_after": "9" * 17}, "invalid_request"),
]


@pytest.mark.parametrize(("wrong", "error"), WRONG, ids=lambda each: str(each)[:40])
async def test_the_app_hears_of_everything_else(kit: TestKit, app: App, wrong: dict[str, Any], error: str) -> None:
    alice = await kit.sign_in("alice@example.com")
    before = await everything(kit)
    for client in (app, phone(kit), stranger(kit)):
        reply = await client.authorize(alice, **wrong)
        assert reply.status_code == 303
        assert reply.headers["location"].startswith(client.redirect_uri + "?")
        told = answer_of(reply)
        assert (told["error"], told["state"], told["iss"]) == (error, client.state, URL)
        assert told["error_description"]
        assert "code" not in told
    assert await everything(kit) == before


@pytest.mark.parametrize("state", ["s" * 1001, "caf\u00e9", "a\r\nSet-Cookie: x=y", "a\x00b"], ids=ascii)
async def test_a_state_that_cannot_be_echoed_is_told_of_here(kit: TestKit, app: App, state: str) -> None:
    """Without its state the app would take the answer for a forgery."""
    alice = await kit.sign_in("alice@example.com")
    reply = await app.authorize(alice, state=state)
    assert (reply.status_code, "location" in reply.headers) == (400, False)
    assert "`state`" in html.unescape(reply.text)
    assert "set-cookie" not in reply.headers
    assert await rows_of(kit, tables.grants) == []


@pytest.mark.parametrize("state", ["s" * 1000, 'a"b<c>&d=e#f?g+h i/%25', "0"], ids=lambda state: state[:9])
async def test_every_other_state_comes_back_as_it_was(kit: TestKit, app: App, state: str) -> None:
    alice = await kit.sign_in("alice@example.com")
    app.state = state
    assert await app.code(alice)
    page = await app.authorize(alice, headers={"accept": "text/html", "sec-fetch-site": "same-origin"})
    assert answer_of(page)["state"] == state
    assert "<c>" not in page.text


async def test_nothing_may_be_said_twice(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    for name, value in app.parameters().items():
        for second in (value, "other"):
            query = urlencode(app.parameters()) + "&" + urlencode({name: second})
            reply = await alice.get(f"/oauth/authorize?{query}", headers=NAVIGATION)
            if name in ("client_id", "redirect_uri", "state"):
                assert (reply.status_code, "location" in reply.headers) == (400, False)
                continue
            told = answer_of(reply)
            assert told["error"] == "invalid_request"
            assert told["state"] == app.state
    assert await rows_of(kit, tables.grants) == []


@pytest.mark.parametrize(
    "query", [b"client_id=%ff", b"client_id=web&" + b"a=1&" * 50, b"client_id=\xc3\xa9"], ids=ascii
)
async def test_a_query_that_cannot_be_read_is_refused(kit: TestKit, query: bytes) -> None:
    reply = await kit.new_browser().get(f"{URL}/oauth/authorize?" + query.decode("latin-1"), headers=NAVIGATION)
    assert reply.status_code == 400
    assert "location" not in reply.headers


async def test_unknown_scopes_and_parameters_are_passed_over(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    scope = "notes:write address openid phone admin email openid notes:read"
    tokens = await app.tokens(alice, scope=scope, extra="foobar", acr_values="1", claims='{"userinfo":{}}')
    assert tokens["scope"] == "notes:write openid email notes:read"
    other = phone(kit)
    assert (await other.tokens(alice, scope=scope))["scope"] == "openid email", "another client's API scopes"


async def test_without_openid_it_is_plain_oauth(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    tokens = await app.tokens(alice, scope="notes:read", nonce=None)
    assert "id_token" not in tokens
    assert "scope" not in await app.tokens(alice, scope="unknown"), "none has no spelling (RFC 6749, 3.3)"
    assert (await app.userinfo(tokens["access_token"])).status_code == 403


async def test_a_post_of_the_app_becomes_a_get_that_brings_the_cookie(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    headers = {**NAVIGATION, "origin": "https://anywhere.example"}
    posted = await kit.new_browser().post("/oauth/authorize", data=app.parameters(), headers=headers)
    assert posted.status_code == 303
    assert posted.headers["location"].startswith(URL + "/oauth/authorize?")
    assert answer_of(await alice.get(posted.headers["location"], headers=NAVIGATION))["state"] == app.state


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"client_id": "web"}', "application/json"),
        (b"client_id=web&client_id=web", "application/x-www-form-urlencoded"),
        (b"client_id=web&state=" + b"s" * 9_000, "application/x-www-form-urlencoded"),
    ],
    ids=["json", "twice", "long"],
)
async def test_a_post_of_another_kind_is_refused(kit: TestKit, body: bytes, kind: str) -> None:
    reply = await kit.new_browser().post("/oauth/authorize", content=body, headers={"content-type": kind})
    assert reply.status_code == 400
    assert reply.json()["code"] == "invalid_request"


async def test_a_challenge_is_kept_for_the_code_alone(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    await app.code(alice)
    [grant] = await rows_of(kit, tables.grants)
    assert grant["code_challenge"] == challenge_of(app.verifier)
    assert app.verifier not in repr(grant)
