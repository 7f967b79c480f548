"""Apps on the person's own machine: any port, and a question, for any program there could say that it is the app."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.oidc.relying_party import CALLBACK, CLIENTS, OTHER_SECRET, App, answer_of, client, fields_of, phone
from tests.identity.rows import rows_of
from tollhouse.access import tables
from tollhouse.testing import SignedInClient, TestKit

HERE = "http://127.0.0.1:7777/back"
SIX = "http://[::1]/back?kind=two"
NAMED = "http://localhost:7777/back"
MORE = (
    client(id="desk", name="Desk", redirect_uris=(HERE, SIX, NAMED, "https://desk.example.com/cb")),
    client(id="kept", name="Kept", secret=OTHER_SECRET, redirect_uris=(HERE,)),
)


@pytest.fixture
async def kit(make_kit: Any) -> Any:
    """A provider with apps that run on people's machines."""
    async with make_kit(clients=(*CLIENTS, *MORE)) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, signed in."""
    return await kit.sign_in("alice@example.com")


def desk(kit: TestKit, redirect_uri: str = HERE) -> App:
    return App(kit, "desk", None, redirect_uri, asks=True)


@pytest.mark.parametrize(
    "uri",
    [
        HERE,
        "http://127.0.0.1:51004/back",
        "http://127.0.0.1:1/back",
        "http://127.0.0.1/back",
        SIX,
        "http://[::1]:51004/back?kind=two",
    ],
)
async def test_an_app_without_a_secret_takes_the_port_that_it_is_given(
    kit: TestKit, alice: SignedInClient, uri: str
) -> None:
    app = desk(kit, uri)
    code = await app.code(alice)
    other = desk(kit, HERE if uri != HERE else "http://127.0.0.1:1/back")
    other.verifier = app.verifier
    assert (await other.redeem(code)).status_code == 400, "to the code's exchange it must be the same"
    assert (await app.redeem(code)).status_code == 200


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/back?x=1",
        "http://127.0.0.1:51004/back#x",
        "http://127.0.0.1:51004",
        "http://127.0.0.1:/back",
        "http://127.0.0.1:0/back",
        "http://127.0.0.1:123456/back",
        "http://127.0.0.1:51004@evil.example/back",
        "http://127.0.0.1:51004.evil.example/back",
        "http://127.0.0.1.evil.example/back",
        "http://127.0.0.1:80\u0660/back",
        "http://127.0.0.1:51004/back\n",
        "http://127.0.0.2:7777/back",
        "http://127.1:7777/back",
        "http://[::1]:51004/back",
        "http://[::2]/back?kind=two",
        "http://localhost:51004/back",
        "https://127.0.0.1:51004/back",
        "HTTP://127.0.0.1:51004/back",
        "https://desk.example.com:444/cb",
    ],
    ids=ascii,
)
async def test_nothing_but_the_port_is_free(kit: TestKit, alice: SignedInClient, uri: str) -> None:
    reply = await desk(kit, uri).authorize(alice)
    assert (reply.status_code, "location" in reply.headers) == (400, False)


async def test_an_app_with_a_secret_has_the_port_that_is_registered(kit: TestKit, alice: SignedInClient) -> None:
    kept = App(kit, "kept", OTHER_SECRET, HERE)
    assert (await kept.authorize(alice, redirect_uri="http://127.0.0.1:51004/back")).status_code == 400
    assert (await kept.tokens(alice))["access_token"], "nor is anybody asked for it"


@pytest.mark.parametrize("uri", [HERE, SIX, NAMED])
async def test_the_person_is_asked_once_in_a_session(kit: TestKit, alice: SignedInClient, uri: str) -> None:
    """Even of an app of ours: it cannot prove that it is the one (RFC 8252, 8.6)."""
    app = desk(kit, uri)
    assert answer_of(await app.authorize(alice, prompt="none"))["error"] == "consent_required"
    page = await app.authorize(alice)
    assert "Allow Desk?" in page.text
    assert "consent_session" in fields_of(page)
    assert await rows_of(kit, tables.grants) == []
    await app.tokens(alice)
    kit.clock.advance(86_400)
    for again in (uri, "http://127.0.0.1:51004/back"):
        assert "code" in answer_of(await app.authorize(alice, prompt="none", redirect_uri=again))
    elsewhere = await kit.sign_in("alice@example.com")
    assert answer_of(await app.authorize(elsewhere, prompt="none"))["error"] == "consent_required"


async def test_what_nobody_was_asked_about_is_no_consent(kit: TestKit, alice: SignedInClient) -> None:
    """On https the app is known by its address, so it is let in without a word; that must not let in a port here."""
    site = App(kit, "desk", None, "https://desk.example.com/cb")
    await site.tokens(alice)
    assert answer_of(await desk(kit).authorize(alice, prompt="none"))["error"] == "consent_required"
    await desk(kit).tokens(alice)
    assert "code" in answer_of(await desk(kit).authorize(alice, prompt="none"))


async def test_a_token_of_such_an_app_of_ours_is_good_at_our_api(kit: TestKit, alice: SignedInClient) -> None:
    headers = {"authorization": "Bearer " + (await phone(kit).tokens(alice))["access_token"]}
    assert (await kit.new_browser().get("/auth/whoami", headers=headers)).status_code == 200
    assert (await App(kit).authorize(alice, redirect_uri=CALLBACK)).status_code == 303, "and apps with a secret go on"
