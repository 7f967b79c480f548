"""`tollhouse credits`: by address or by id."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell
from tollhouse.testing import SignedInClient, TestKit


@pytest.fixture
def alice_id(shell: Shell) -> str:
    """Alice, who has signed in."""

    async def sign_in(kit: TestKit) -> SignedInClient:
        return await kit.sign_in("alice@example.com")

    return shell.use(sign_in).user_id


def test_credits_are_granted_spent_and_shown_by_address_and_id(shell: Shell, alice_id: str):
    granted = shell.run(
        "credits", "grant", "Alice@example.com", "100", "--days", "30", "--reference", "sorry", "--json"
    )
    assert json.loads(granted.out)["user_id"] == alice_id
    assert shell.run("credits", "spend", alice_id, "30").code == 0
    shown = json.loads(shell.run("credits", "show", "alice@example.com", "--json").out)
    assert shown == {"balance": 70, "held": 0, "available": 70, "debt": 0}
    (lot,) = json.loads(shell.run("credits", "lots", alice_id, "--json").out)
    assert lot["remaining"] == 70
    assert lot["expires_at"].endswith("T00:00:00Z")
    entries = json.loads(shell.run("credits", "entries", alice_id, "--json").out)
    assert [(entry["kind"], entry["credits"]) for entry in entries] == [("spend", -30), ("grant", 100)]
    assert "sorry" in shell.run("credits", "entries", alice_id).out


def test_a_key_grants_once(shell: Shell, alice_id: str):
    for _ in range(2):
        ran = shell.run("credits", "grant", alice_id, "5", "--key", "monday", "--days", "3")
        assert (ran.code, "balance    5" in ran.out) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "bob@example.com"), "no such user"),
        (("show", "usr_1"), "no such user"),
        (("entries", "https://clerk.example.com#user_1"), "no such user"),
        (("spend", "alice@example.com", "1"), "not enough credits"),
        (("grant", "alice@example.com", "0"), "whole number"),
        (("show", "alice"), "e-mail address"),
    ],
)
def test_what_cannot_be_done_says_why(shell: Shell, alice_id: str, arguments: tuple[str, ...], says: str):
    ran = shell.run("credits", *arguments)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err
