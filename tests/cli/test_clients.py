"""`tollhouse clients`: registered, listed, removed; the secret is seen once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.access.oidc.relying_party import App
from tests.cli.conftest import Shell
from tests.identity.rows import rows_of
from tollhouse.access import tables
from tollhouse.testing import TestKit

CALLBACK = "https://app.example.com/callback"
ADD = ("clients", "add", "Harbour Notes", "--redirect-uri", CALLBACK, "--json")


def added(shell: Shell, *words: str) -> dict[str, Any]:
    ran = shell.run(*ADD, *words)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_a_client_signs_people_in_once_it_is_added(shell: Shell) -> None:
    client = added(shell)
    assert client["client_id"].startswith("cli_")
    assert client["client_secret"].startswith("th_cs_")

    async def use(kit: TestKit) -> tuple[int, int]:
        alice = await kit.sign_in("alice@example.com")
        app = App(kit, client["client_id"], client["client_secret"])
        wrong = App(kit, client["client_id"], client["client_secret"] + "x")
        code = await app.code(alice)
        wrong.verifier = app.verifier
        return (await wrong.redeem(code)).status_code, (await app.redeem(code)).status_code

    assert shell.use(use) == (401, 200)


def test_the_secret_is_nowhere_in_the_database(shell: Shell) -> None:
    secret = added(shell)["client_secret"]

    async def rows(kit: TestKit) -> str:
        return repr(await rows_of(kit, tables.clients))

    stored = shell.use(rows)
    assert "cli_" in stored
    assert secret not in stored
    assert secret.removeprefix("th_cs_") not in stored


def test_clients_are_listed_without_their_secrets(shell: Shell) -> None:
    first = added(shell, "--scope", "notes:read", "--sign-out-uri", "https://app.example.com/bye")
    second = added(shell, "--public", "--third-party")
    assert second["client_secret"] is None
    ran = shell.run("clients", "list", "--json")
    listed = json.loads(ran.out)
    assert [each["client_id"] for each in listed] == [first["client_id"], second["client_id"]]
    assert [each["kind"] for each in listed] == ["confidential", "public"]
    assert [each["first_party"] for each in listed] == [True, False]
    assert listed[0]["scopes"] == ["notes:read"]
    assert first["client_secret"] not in ran.out
    assert "Harbour Notes" in shell.run("clients", "list").out


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example.com/callback",
        "https://app.example.com/callback#here",
        "https://*.example.com/callback",
        "https://user:hush@app.example.com/callback",
        "https://app.example.com/a/../callback",
        "https://APP.example.com/callback",
        "javascript:alert(1)",
        "com.example.notes:/callback",
        CALLBACK + "?state=x",
        "app.example.com/callback",
        "https:app.example.com",
        "//app.example.com/callback",
        "https://app.example.com\\@evil.example/",
        "https://app.example.com/" + "a" * 500,
    ],
)
def test_an_address_that_is_not_safe_to_return_to_is_refused(shell: Shell, uri: str) -> None:
    ran = shell.run("clients", "add", "Notes", "--redirect-uri", uri)
    assert (ran.code, ran.out) == (1, "")
    assert "hush" not in ran.err
    assert json.loads(shell.run("clients", "list", "--json").out) == []


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1/back", "http://127.0.0.1:7777/back", "http://localhost/back", "http://[::1]:1/back", CALLBACK],
)
def test_https_and_loopback_are_fine(shell: Shell, uri: str) -> None:
    assert shell.run("clients", "add", "Notes", "--redirect-uri", uri).code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--public", "--refresh-grace", "5"), "public client"),
        (("--scope", "openid"), "scope"),
        (("--scope", "two words"), "scope"),
        (("--scope", "notes:read", "--third-party"), "somebody else's"),
        (("--sign-out-uri", "http://app.example.com/"), "plain http"),
    ],
)
def test_what_does_not_go_together_is_refused(shell: Shell, words: tuple[str, ...], says: str) -> None:
    ran = shell.run(*ADD, *words)
    assert ran.code == 1
    assert says in ran.err


def test_a_removed_client_s_tokens_end_with_it(shell: Shell) -> None:
    client = added(shell)

    async def get_tokens(kit: TestKit) -> str:
        alice = await kit.sign_in("alice@example.com")
        app = App(kit, client["client_id"], client["client_secret"])
        return (await app.tokens(alice, scope="openid offline_access"))["access_token"]

    token = shell.use(get_tokens)
    assert shell.run("clients", "remove", client["client_id"], "--yes").out == "Removed.\n"
    assert shell.run("clients", "remove", client["client_id"], "--yes").code == 1

    async def use_it(kit: TestKit) -> int:
        assert await rows_of(kit, tables.grants) == []
        return (await App(kit).userinfo(token)).status_code

    assert shell.use(use_it) == 401
