"""`tollhouse users`: found by address, known by id."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Ran, Shell
from tests.cli.shop import Shop, use_shop
from tests.identity.rows import rows_of
from tollhouse.events.tables import events
from tollhouse.identity import foreign_users, suppressions
from tollhouse.identity.tables import sessions, users
from tollhouse.testing import SignedInClient, TestKit

NOBODY = "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"


@pytest.fixture
def alice_id(shell: Shell) -> str:
    """Alice, who has signed in."""

    async def sign_in(kit: TestKit) -> SignedInClient:
        return await kit.sign_in("alice@example.com")

    return shell.use(sign_in).user_id


def test_a_user_is_found_by_any_spelling_of_the_address(shell: Shell, alice_id: str):
    for address in ("alice@example.com", "Alice@EXAMPLE.com"):
        ran = shell.run("users", "find", address)
        assert ran.code == 0
        assert alice_id in ran.out
        assert "alice" not in ran.out.lower()


def test_a_user_is_found_as_json(shell: Shell, alice_id: str):
    found = json.loads(shell.run("users", "find", "alice@example.com", "--json").out)
    assert found["id"] == alice_id
    assert found["blocked_at"] is found["no_mail_until"] is None
    assert found["created_at"].endswith("Z")


@pytest.mark.parametrize(
    ("address", "says"), [("bob@example.com", "Nobody has this address."), ("bob", "e-mail address")]
)
def test_nobody_is_found_elsewhere(shell: Shell, alice_id: str, address: str, says: str):
    ran = shell.run("users", "find", address)
    assert (ran.code, ran.out) == (1, "")
    assert says in ran.err


def test_everything_about_a_user_is_exported(shell: Shell, alice_id: str):
    exported = json.loads(shell.run("users", "export", alice_id).out)
    assert exported["user"]["id"] == alice_id
    assert len(exported["sessions"]) == 1
    assert exported["grants"] == []
    assert set(exported["sessions"][0]) >= {"id", "device", "created_at", "seen_at", "expires_at"}


def test_a_blocked_user_is_out_until_unblocked(shell: Shell, alice_id: str):
    async def living(kit: TestKit):
        return await rows_of(kit, sessions)

    assert len(shell.use(living)) == 1
    assert shell.run("users", "block", alice_id).out == "Blocked.\n"
    assert shell.use(living) == []
    assert json.loads(shell.run("users", "find", "alice@example.com", "--json").out)["blocked_at"] is not None
    assert shell.run("users", "block", alice_id).code == 1
    assert shell.run("users", "unblock", alice_id).out == "Unblocked.\n"
    assert shell.run("users", "unblock", alice_id).code == 1


def test_an_erased_user_is_gone_and_the_app_is_told(shell: Shell, alice_id: str):
    async def left(kit: TestKit):
        return await rows_of(kit, users), [row["type"] for row in await rows_of(kit, events)]

    assert shell.run("users", "erase", alice_id, "--yes").out == "Erased.\n"
    rows, types = shell.use(left)
    assert rows == []
    assert types.count("user.erased") == 1
    assert shell.run("users", "erase", alice_id, "--yes").code == 1
    assert shell.run("users", "find", "alice@example.com").code == 1


def test_nobody_is_erased_without_a_yes(shell: Shell, alice_id: str, monkeypatch: pytest.MonkeyPatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert shell.run("users", "erase", alice_id).code == 1
    assert shell.run("users", "find", "alice@example.com").code == 0


@pytest.mark.parametrize("words", [["show"], ["export"], ["block"], ["unblock"], ["erase", "--yes"]], ids=" ".join)
def test_an_unknown_id_is_said_to_be_none(shell: Shell, words: list[str]):
    ran = shell.run("users", words[0], NOBODY, *words[1:])
    assert (ran.code, ran.out) == (1, "")
    assert "no such" in ran.err


def test_the_invited_may_sign_up_while_it_is_closed(shell: Shell):
    assert "Invited" in shell.run("users", "invite", "Bob@example.com").out
    assert "already" in shell.run("users", "invite", "bob@example.com").out

    async def come_in(kit: TestKit) -> list[str]:
        await kit.new_browser().ask_for_link("charlie@example.com")
        await kit.sign_in("bob@example.com")
        await kit.settle()
        return [mail.to for mail in kit.mails]

    assert shell.use(come_in, sign_up="closed") == ["bob@example.com"]


def test_mail_goes_again_to_whom_it_was_held_back_from(shell: Shell):
    async def hold_back(kit: TestKit) -> None:
        digest = kit.toll.run.keys.digest_address("bob@example.com")
        await suppressions.add(kit.toll.run, digest, reason="550 no such user", for_us=3_600_000_000)

    shell.use(hold_back)
    found = json.loads(shell.run("users", "find", "bob@example.com", "--json").out)
    assert (found["id"], found["no_mail_because"]) == (None, "550 no such user")
    assert "again" in shell.run("users", "allow-mail", "bob@example.com").out
    assert "not held back" in shell.run("users", "allow-mail", "bob@example.com").out

    async def come_in(kit: TestKit) -> SignedInClient:
        return await kit.sign_in("bob@example.com")

    assert shell.use(come_in).user_id


def test_users_are_listed_without_an_address(shell: Shell, alice_id: str):
    async def sign_in(kit: TestKit) -> SignedInClient:
        return await kit.sign_in("bob@example.com")

    bob = shell.use(sign_in).user_id
    assert shell.run("users", "block", bob).code == 0
    listed = json.loads(shell.run("users", "list", "--json").out)
    assert [each["id"] for each in listed] == [bob, alice_id]
    assert set(listed[0]) == {"id", "created_at", "signed_in_at", "blocked_at"}
    (blocked,) = json.loads(shell.run("users", "list", "--blocked", "--json").out)
    assert (blocked["id"], blocked["blocked_at"][-1]) == (bob, "Z")
    assert len(json.loads(shell.run("users", "list", "--limit", "1", "--json").out)) == 1
    header, first, noted, second = shell.run("users", "list").out.splitlines()
    assert (header.split()[0], first.split()[0], second.split()[0]) == ("id", bob, alice_id)
    assert noted == f"  blocked since {blocked['blocked_at']}"


def test_a_user_is_shown_with_credits_and_events(shell: Shell, alice_id: str):
    assert shell.run("credits", "grant", alice_id, "7").code == 0
    shown = json.loads(shell.run("users", "show", alice_id, "--json").out)
    assert (shown["id"], shown["credits"]["available"]) == (alice_id, 7)
    assert "features" not in shown, "there is no till"
    assert [each["type"] for each in shown["events"]] == ["credits.granted", "user.signed_in", "user.created"]
    printed = shell.run("users", "show", alice_id).out
    assert max(map(len, printed.splitlines())) <= 100
    assert "available     7" in printed


def test_a_user_of_another_issuer_is_shown_by_their_own_name(shell: Shell):
    async def resolve(kit: TestKit) -> str:
        return await kit.toll.run.db.transact(foreign_users.resolve, kit.toll.run, "https://issuer.example#42")

    user_id = shell.use(resolve)
    shown = json.loads(shell.run("users", "show", "https://issuer.example#42", "--json").out)
    assert shown["id"] == user_id


def test_a_user_of_a_shop_is_shown_with_what_they_pay_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    async def work(shop: Shop) -> tuple[Ran, Ran]:
        await shop.buy("pro-monthly")
        await shop.run("reconcile", "--repair")
        return (
            await shop.run("users", "show", shop.alice.user_id, "--json"),
            await shop.run("users", "show", shop.alice.user_id),
        )

    as_json, printed = use_shop(shell, monkeypatch, tmp_path, work)
    shown = json.loads(as_json.out)
    (subscription,) = shown["subscriptions"]
    assert (shown["features"], subscription["product_id"], subscription["status"]) == (["exports"], "pro", "active")
    assert subscription["current_period_end"].endswith("Z")
    assert "subscriptions:" in printed.out
    assert subscription["id"] in printed.out
