"""Which clients there may be, and where they may send people."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.access.oidc.relying_party import CALLBACK, CLIENTS, App, basic, client
from tests.hostile.test_redirects import origin_as_a_browser_reads
from tests.support.testdata import require_testdata
from tollhouse.access import clients, grants
from tollhouse.access.clients import redirect_uri_problem
from tollhouse.access.oidc import parameters
from tollhouse.access.oidc.client_authentication import parse_basic
from tollhouse.access.oidc.errors import InvalidClient, OAuthError
from tollhouse.errors import SettingsError
from tollhouse.identity.sessions import Session
from tollhouse.testing import TestKit, make_settings

DATA = require_testdata("security", "redirect")
WHATWG: list[dict[str, Any]] = json.loads((DATA / "whatwg_urltestdata.json").read_text(encoding="utf-8"))["cases"]
PAYLOADS: list[str] = json.loads((DATA / "open_redirect_payloads.json").read_text(encoding="utf-8"))["cases"]
GOOD = {"id": "web", "name": "Web", "secret": "s" * 32, "redirect_uris": (CALLBACK,)}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"redirect_uris": ("http://app.example.com/cb",)}, "plain http"),
        ({"redirect_uris": (CALLBACK, "https://app.example.com/*")}, "wildcard"),
        ({"redirect_uris": (CALLBACK + "#x",)}, "fragment"),
        ({"redirect_uris": ("https://alice:hush@app.example.com/cb",)}, "password"),
        ({"sign_out_uris": ("https://app.example.com/../bye",)}, "dot segments"),
        ({"scopes": ("offline_access",)}, "offline_access"),
        ({"scopes": ("two words",)}, "two words"),
        ({"scopes": ("notes:read",), "first_party": False}, "somebody else's"),
        ({"secret": None, "refresh_grace_seconds": 5}, "public client"),
    ],
    ids=str,
)
def test_a_client_that_is_not_safe_stops_the_boot_and_is_named(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError) as refused:
        make_settings(clients=(client(**{**GOOD, **wrong}),))
    [problem] = refused.value.problems
    assert problem.startswith("TOLLHOUSE_CLIENTS (web): ")
    assert says in problem
    assert "hush" not in problem


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        make_settings(clients=(client(**GOOD), client(**GOOD), client(**{**GOOD, "id": "b", "scopes": ("openid",)})))
    assert len(refused.value.problems) == 2
    assert make_settings(clients=CLIENTS).clients == CLIENTS


@pytest.mark.parametrize("case", WHATWG, ids=lambda case: ascii(case["input"])[:60])
def test_what_is_registered_has_for_a_browser_the_origin_that_it_says(case: dict[str, Any]) -> None:
    if redirect_uri_problem(case["input"]) is None:
        assert not case.get("failure")
        assert case["input"].startswith(str(case["origin"]))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_known_trick_is_registered_as_another_host(payload: str) -> None:
    for uri in (payload, "https://app.example.com" + payload):
        if redirect_uri_problem(uri) is None:
            said = "/".join(uri.split("/")[:3]).partition("?")[0]
            assert origin_as_a_browser_reads(uri) == said


@given(st.one_of(st.text(max_size=60), st.text(max_size=30).map(lambda text: "https://app.example.com" + text)))
def test_whatever_is_registered_is_one_exact_address(uri: str) -> None:
    if redirect_uri_problem(uri) is None:
        assert uri.isascii()
        assert uri.startswith(("https://", "http://"))
        assert not set("#*\\ \r\n\t") & set(uri)


async def test_of_the_database_or_of_the_settings_makes_no_difference(kit: TestKit) -> None:
    added, secret = await clients.add(kit.toll.run, client(**{**GOOD, "secret": None}), public=False)
    alice = await kit.sign_in("alice@example.com")
    assert (await App(kit, added.id, secret).tokens(alice))["access_token"]
    assert [each.id for each in await clients.list_of(kit.toll.run)] == [*(each.id for each in CLIENTS), added.id]


async def test_a_removed_client_is_forgotten_within_seconds(kit: TestKit) -> None:
    added, secret = await clients.add(kit.toll.run, client(**{**GOOD, "secret": None}), public=False)
    app = App(kit, added.id, secret)
    alice = await kit.sign_in("alice@example.com")
    token = (await app.tokens(alice, scope="openid offline_access"))["refresh_token"]
    assert await clients.remove(kit.toll.run, added.id)
    assert not await clients.remove(kit.toll.run, added.id)
    assert (await app.refresh(token)).status_code == 400, "what it was granted is gone at once"
    kit.clock.advance(5)
    assert (await app.refresh(token)).status_code == 401
    assert (await app.authorize(alice)).status_code == 400


async def test_a_session_that_ended_meanwhile_is_granted_nothing(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    session = Session(alice.session_id, alice.user_id, alice.email, 0, 1)
    known = await kit.toll.access.clients.find("web")
    assert known is not None
    wanted = grants.Wanted(known, CALLBACK, ("openid",), None, "c" * 43)
    assert await grants.create(kit.toll.run, session, wanted) is not None
    await alice.post("/auth/sign-out")
    assert await grants.create(kit.toll.run, session, wanted) is None


@given(st.binary(max_size=200))
def test_any_parameters_are_read_or_refused(text: bytes) -> None:
    try:
        found = parameters.parse(text)
    except OAuthError:
        return
    assert all(found.values.values()), "an empty one is none"


@given(st.one_of(st.text(max_size=80), st.binary(max_size=60).map(lambda raw: "Basic " + raw.hex())))
def test_any_header_is_read_or_refused(header: str) -> None:
    with pytest.raises(InvalidClient):
        parse_basic("Basic !" + header)
    with contextlib.suppress(InvalidClient):
        assert len(parse_basic(header)) == 2


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.text(st.characters(codec="utf-8"), max_size=40))
def test_id_and_secret_come_out_as_they_went_in(client_id: str, secret: str) -> None:
    assert parse_basic(basic(client_id, secret)) == (client_id, secret)
