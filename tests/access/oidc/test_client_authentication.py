"""Which client calls the token endpoint, proved in one way."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.access.oidc.relying_party import CALLBACK, OTHER_SECRET, WEB_SECRET, App, basic, phone
from tollhouse.testing import SignedInClient, TestKit


@pytest.fixture
async def form(kit: TestKit, app: App) -> dict[str, str]:
    """What redeems a code, but for who asks."""
    alice: SignedInClient = await kit.sign_in("alice@example.com")
    fields = {"grant_type": "authorization_code", "code": await app.code(alice), "redirect_uri": CALLBACK}
    return fields | {"code_verifier": app.verifier}


async def post(kit: TestKit, form: dict[str, str], *, header: str | None = None, **fields: str) -> Any:
    headers = {} if header is None else {"authorization": header}
    return await kit.new_browser().post("/oauth/token", data={**form, **fields}, headers=headers)


@pytest.mark.parametrize("way", ["header", "body", "header and id"])
async def test_the_secret_comes_in_the_header_or_in_the_body(kit: TestKit, form: dict[str, str], way: str) -> None:
    header = None if way == "body" else basic("web", WEB_SECRET)
    fields = {"header": {}, "header and id": {"client_id": "web"}}.get(way)
    fields = {"client_id": "web", "client_secret": WEB_SECRET} if fields is None else fields
    assert (await post(kit, form, header=header, **fields)).status_code == 200


async def test_id_and_secret_are_form_encoded_inside_the_header(make_kit: Any) -> None:
    """RFC 6749, 2.3.1: else a secret with a plus or a percent sign would be read as another one."""
    from tests.access.oidc.relying_party import client

    secret = "a+b c%2Fd:e/f=g&h-0123456789-0123456789"
    async with make_kit(clients=(client(id="odd", name="Odd", secret=secret, redirect_uris=(CALLBACK,)),)) as kit:
        app = App(kit, "odd", secret)
        assert (await app.redeem(await app.code(await kit.sign_in("alice@example.com")))).status_code == 200


def raw(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        basic("web", "wrong-wrong-wrong-wrong-wrong-wrong-1"),
        basic("web", ""),
        basic("web", WEB_SECRET + "x"),
        basic("web", WEB_SECRET[:-1]),
        basic("web", OTHER_SECRET),
        basic("nobody", WEB_SECRET),
        basic("phone", WEB_SECRET),
        raw("web"),
        raw(f"web:{WEB_SECRET}%ff"),
        "Basic !!!",
        "Basic",
        "",
        "Bearer " + WEB_SECRET,
    ],
)
async def test_a_wrong_header_is_refused_with_its_challenge(kit: TestKit, form: dict[str, str], header: str) -> None:
    reply = await post(kit, form, header=header)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    assert reply.headers["www-authenticate"].startswith("Basic ")
    assert (await post(kit, form, header=basic("web", WEB_SECRET))).status_code == 200, "and nothing is spent"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"client_id": "web"},
        {"client_id": "web", "client_secret": "wrong-wrong-wrong-wrong-wrong-wrong-1"},
        {"client_id": "nobody", "client_secret": WEB_SECRET},
        {"client_id": "phone", "client_secret": WEB_SECRET},
        {"client_secret": WEB_SECRET},
        {"client_id": "web\x00", "client_secret": WEB_SECRET},
    ],
    ids=str,
)
async def test_a_wrong_body_is_refused(kit: TestKit, form: dict[str, str], fields: dict[str, str]) -> None:
    reply = await post(kit, form, **fields)
    assert (reply.status_code, reply.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" not in reply.headers, "a page's script would make its browser ask for a password"


async def test_two_ways_at_once_are_refused(kit: TestKit, form: dict[str, str]) -> None:
    header = basic("web", WEB_SECRET)
    reply = await post(kit, form, header=header, client_id="web", client_secret=WEB_SECRET)
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_request")
    other = await post(kit, form, header=header, client_id="phone")
    assert (other.status_code, other.json()["error"]) == (401, "invalid_client")


async def test_a_public_client_only_says_who_it_is(kit: TestKit) -> None:
    app = phone(kit)
    alice = await kit.sign_in("alice@example.com")
    code = await app.code(alice)
    app.secret = OTHER_SECRET
    assert (await app.redeem(code)).status_code == 401
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": app.redirect_uri}
    fields["code_verifier"] = app.verifier
    for each in ({"header": basic("phone", OTHER_SECRET)}, {"client_id": "phone", "client_secret": OTHER_SECRET}):
        assert (await post(kit, fields, **each)).status_code == 401
    assert (await post(kit, fields, header=basic("phone", ""))).status_code == 200, "an empty one is none"
    app.secret = None
    assert (await app.redeem(await app.code(alice))).status_code == 200


async def test_secrets_are_in_no_log(kit: TestKit, app: App, form: dict[str, str], capsys: Any) -> None:
    await post(kit, form, header=basic("web", WEB_SECRET + "x"))
    tokens = (await post(kit, form, header=basic("web", WEB_SECRET))).json()
    await app.userinfo(tokens["access_token"] + "x")
    logged = "".join(capsys.readouterr())
    assert "code_redeemed" in logged
    for secret in (WEB_SECRET, form["code"], app.verifier, tokens["access_token"], tokens["id_token"], "alice"):
        assert secret not in logged
