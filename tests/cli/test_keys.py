"""`tollhouse keys` and `tollhouse api-keys`."""

from __future__ import annotations

import json
import re

import pytest

from tests.cli.conftest import Shell
from tollhouse.access.api_keys import authenticate
from tollhouse.access.errors import ApiKeyInvalid
from tollhouse.testing import TestKit


def create(shell: Shell, *words: str) -> dict[str, str]:
    return json.loads(shell.run("api-keys", "create", "worker", "--scope", "credits:spend", "--json", *words).out)


def scopes_of(shell: Shell, secret: str) -> list[str]:
    async def ask(kit: TestKit) -> list[str]:
        return sorted((await authenticate(kit.toll.run, secret)).scopes)

    return shell.use(ask)


def test_new_keys_sign_in_an_hour(shell: Shell):
    first = json.loads(shell.run("keys", "rotate", "--json").out)
    assert [key["algorithm"] for key in first] == ["ES256", "RS256"]
    assert json.loads(shell.run("keys", "rotate", "--json").out) == first, "they wait for their hour already"
    compromised = json.loads(shell.run("keys", "rotate", "--compromised", "--json").out)
    assert not {key["kid"] for key in first} & {key["kid"] for key in compromised}
    assert compromised[0]["signs_from"] < first[0]["signs_from"]


def test_rotating_prints_a_line_for_each_key(shell: Shell):
    lines = shell.run("keys", "rotate").out.splitlines()
    assert lines[0].split() == ["kid", "algorithm", "signs_from"]
    assert re.fullmatch(r"[0-9a-f]{16}  ES256 +\S+Z", lines[1])


def test_an_api_key_is_shown_once(shell: Shell):
    made = shell.run("api-keys", "create", "worker", "--scope", "credits:spend", "--scope", "users:read")
    secret = re.search(r"th_sk_live_\S{43}", made.out)
    assert secret is not None
    assert "store it now" in made.err
    listed = shell.run("api-keys", "list").out
    assert "worker" in listed
    assert secret[0][11:] not in listed
    assert scopes_of(shell, secret[0]) == ["credits:spend", "users:read"]


def test_an_api_key_is_listed_with_when_it_was_used_and_ends(shell: Shell):
    made = create(shell, "--days", "30")
    (before,) = json.loads(shell.run("api-keys", "list", "--json").out)
    scopes_of(shell, made["secret"])
    (after,) = json.loads(shell.run("api-keys", "list", "--json").out)
    assert (before["id"], before["seen_at"], before["revoked_at"]) == (made["id"], None, None)
    assert before["scopes"] == ["credits:spend"]
    assert after["seen_at"] is not None
    assert after["expires_at"] > after["created_at"]


def test_a_revoked_api_key_is_refused(shell: Shell):
    made = create(shell)
    assert shell.run("api-keys", "revoke", made["id"]).out == "Revoked.\n"
    with pytest.raises(ApiKeyInvalid):
        scopes_of(shell, made["secret"])
    again = shell.run("api-keys", "revoke", made["id"])
    assert (again.code, again.out) == (1, "")
    assert "no such API key" in again.err


@pytest.mark.parametrize(
    ("name", "scope"), [("", "a"), ("x" * 61, "a"), ("a\nb", "a"), ("worker", ""), ("worker", "A B"), ("worker", "é")]
)
def test_an_unfit_api_key_is_not_made(shell: Shell, name: str, scope: str):
    ran = shell.run("api-keys", "create", name, "--scope", scope)
    assert (ran.code, ran.out) == (1, "")
    assert "An API key needs a name" in ran.err
    assert shell.run("api-keys", "list").out == "None.\n"
