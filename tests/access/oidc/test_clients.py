"""Which clients there may be, and where they may send people."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.access.oidc.relying_party import CALLBACK, CLIENTS, App, answer_of, basic, client
from tests.hostile.test_redirects import origin_as_a_browser_reads
from tests.identity.rows import rows_of
from tests.support.databases import PostgresDatabases
from tests.support.testdata import require_testdata
from tollhouse.access import clients, grants, tables
from tollhouse.access.oidc import parameters
from tollhouse.access.oidc.client_authentication import parse_basic
from tollhouse.access.oidc.errors import InvalidClient, OAuthError
from tollhouse.access.redirect_uris import redirect_uri_problem
from tollhouse.errors import SettingsError
from tollhouse.identity.sessions import Session
from tollhouse.testing import TestKit, make_settings

DATA = require_testdata("security", "redirect")
WHATWG: list[dict[str, Any]] = json.loads((DATA / "whatwg_urltestdata.json").read_text(encoding="utf-8"))["cases"]
PAYLOADS: list[str] = json.loads((DATA / "open_redirect_payloads.json").read_text(encoding="utf-8"))["cases"]
SECRET = "h7Kq2xVb9Lm4Rt6Zp1Ws8Yd3Nf5Gj0Ac"
GOOD = {"id": "web", "name": "Web", "secret": SECRET, "redirect_uris": (CALLBACK,)}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
FROM_THE_GUIDES = (
    "put-32-or-more-random-characters-here",
    "at least 32 random characters, such as of openssl rand -base64 32",
    "for-development-on-this-machine-only",
)


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
        ({"redirect_uris": ("com.example.notes:/callback",)}, "scheme of its own"),
        ({"redirect_uris": ("notes://callback",)}, "scheme of its own"),
        ({"redirect_uris": (CALLBACK + "?code=x",)}, "`code`"),
        ({"redirect_uris": (CALLBACK + "?a=b&%73tate=",)}, "`state`"),
        ({"redirect_uris": (CALLBACK + "?iss",)}, "`iss`"),
        ({"redirect_uris": (CALLBACK + "?error_description=x",)}, "`error_description`"),
        ({"sign_out_uris": ("https://app.example.com/?state=x",)}, "`state`"),
        ({"secret": "s" * 40}, "guessable"),
        ({"secret": "Change-Me-0123456789-abcdefghijklmnop"}, "guessable"),
        *(({"secret": secret}, "guessable") for secret in FROM_THE_GUIDES),
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
    assert str(wrong.get("secret")) not in problem


def test_on_one_s_own_machine_the_secret_of_an_example_will_do() -> None:
    given = tuple(client(**{**GOOD, "id": f"c{number}", "secret": each}) for number, each in enumerate(FROM_THE_GUIDES))
    assert make_settings(clients=given, mode="dev").clients == given
    with pytest.raises(SettingsError):
        make_settings(clients=given)


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


async def test_a_removed_client_is_granted_nothing_by_those_who_still_know_it(kit: TestKit) -> None:
    """Another replica remembers it for some seconds; what it is given in them would last as long as the session."""
    added, secret = await clients.add(kit.toll.run, client(**{**GOOD, "secret": None}), public=False)
    app = App(kit, added.id, secret)
    alice = await kit.sign_in("alice@example.com")
    tokens = await app.tokens(alice, scope="openid offline_access")
    code = await app.code(alice)
    assert await clients.remove(kit.toll.run, added.id)
    assert not await clients.remove(kit.toll.run, added.id)
    assert (await app.refresh(tokens["refresh_token"])).status_code == 400, "what it was granted is gone at once"
    assert (await app.userinfo(tokens["access_token"])).status_code == 401
    assert (await app.redeem(code)).status_code == 400
    refused = await app.authorize(alice)
    assert (refused.status_code, "location" in refused.headers) == (400, False)
    assert "not known here" in refused.text
    assert await rows_of(kit, tables.grants) == []
    kit.clock.advance(5)
    assert (await app.refresh(tokens["refresh_token"])).status_code == 401
    assert (await app.authorize(alice)).status_code == 400


@pytest.fixture
async def postgres_kit(postgres_databases: PostgresDatabases, tmp_path: Path) -> AsyncIterator[TestKit]:
    """A provider on PostgreSQL, where two transactions can be under way at once."""
    async with postgres_databases.migrated(tmp_path) as url, TestKit(database_url=url, clients=CLIENTS) as kit:
        yield kit


@asynccontextmanager
async def deleting(kit: TestKit, table: str, row_id: str) -> AsyncIterator[None]:
    """Another transaction that deletes a row, and commits once somebody waits for it."""
    other = await asyncpg.connect(kit.toll.settings.database_url)
    transaction = other.transaction()
    await transaction.start()
    await other.execute(f"DELETE FROM {table} WHERE id = $1", row_id)
    yield
    async with asyncio.timeout(10):
        while not await other.fetchval(WAITING):  # noqa: ASYNC110 (what is awaited is the database's doing)
            await asyncio.sleep(0.02)
    await transaction.commit()
    await other.close()


async def test_a_session_that_ends_at_the_same_moment_is_granted_nothing(postgres_kit: TestKit) -> None:
    app = App(postgres_kit)
    alice = await postgres_kit.sign_in("alice@example.com")
    async with deleting(postgres_kit, "tollhouse_sessions", alice.session_id):
        asking = asyncio.create_task(app.authorize(alice))
    assert answer_of(await asking)["error"] == "login_required"


async def test_a_client_that_is_removed_at_the_same_moment_is_granted_nothing(postgres_kit: TestKit) -> None:
    added, secret = await clients.add(postgres_kit.toll.run, client(**{**GOOD, "secret": None}), public=False)
    app = App(postgres_kit, added.id, secret)
    alice = await postgres_kit.sign_in("alice@example.com")
    async with deleting(postgres_kit, "tollhouse_clients", added.id):
        asking = asyncio.create_task(app.authorize(alice))
    assert (await asking).status_code == 400
    assert await rows_of(postgres_kit, tables.grants) == []


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
