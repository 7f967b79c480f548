"""`tollhouse deliveries`: what waits, what failed, and once more."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from tests.cli.conftest import Shell
from tests.endpoints.receiver import Answer, Receiver
from tests.endpoints.rig import ALICE, emit, only_told
from tests.identity.rows import run_sql
from tollhouse.cli.main import cli
from tollhouse.events import Event
from tollhouse.testing import TestKit


async def sign_alice_in(kit: TestKit) -> None:
    """Sign Alice in, and wait until everybody is told."""
    await kit.sign_in("alice@example.com")
    await kit.settle()


async def settle(kit: TestKit) -> None:
    """Wait until everybody is told."""
    await kit.settle()


class Listener:
    """A handler that keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def __call__(self, event: Event) -> None:
        self.heard.append(event.type)


@pytest.fixture
def failed_id(shell: Shell) -> str:
    """A delivery of `user.created` that was given up."""

    async def sign_in_and_fail(kit: TestKit) -> None:
        await sign_alice_in(kit)
        await run_sql(
            kit, "UPDATE tollhouse_deliveries SET status = 'failed', reason = 'It raised.' WHERE event_id IS NOT NULL"
        )

    listener = Listener()
    shell.use(sign_in_and_fail, listener=listener.__call__)
    assert listener.heard == ["user.created"]
    (failed,) = json.loads(shell.run("deliveries", "list", "--json").out)
    return failed["id"]


def test_what_failed_is_listed_with_its_reason(shell: Shell, failed_id: str):
    header, line, reason = shell.run("deliveries", "list").out.splitlines()
    assert header.split() == ["id", "status", "attempts", "created_at", "subscriber"]
    assert line.split()[:2] == [failed_id, "failed"]
    assert reason == "  It raised."


def test_other_kinds_are_listed_on_request(shell: Shell, failed_id: str):
    delivered = json.loads(shell.run("deliveries", "list", "--status", "delivered", "--json").out)
    assert [each["subscriber"] for each in delivered] == ["mail"]
    assert shell.run("deliveries", "list", "--status", "waiting").out == "None.\n"
    assert json.loads(shell.run("deliveries", "list", "--status", "waiting", "--json").out) == []
    assert shell.run("deliveries", "list", "--status", "lost").code == 2
    assert shell.run("deliveries", "list", "--limit", "0").code == 2


def test_a_failed_one_is_delivered_once_more(shell: Shell, failed_id: str):
    assert shell.run("deliveries", "retry", failed_id).out == "It is due now.\n"
    listener = Listener()
    shell.use(settle, listener=listener.__call__)
    assert listener.heard == ["user.created"]
    assert shell.run("deliveries", "retry", failed_id).code == 1


def test_a_mail_or_what_did_not_fail_is_not_retried(shell: Shell):
    shell.use(sign_alice_in)
    (mail,) = json.loads(shell.run("deliveries", "list", "--status", "delivered", "--json").out)
    for each in (mail["id"], "dlv_019aa3d1f0c67b2e4d8c91f35a60e7d4"):
        ran = shell.run("deliveries", "retry", each)
        assert (ran.code, ran.out) == (1, "")
        assert "no such failed delivery" in ran.err


ESCAPE = b"\x1b[2J\x1b]0;owned\x07" + "nobody is \u202eereh".encode()


@pytest.fixture
def refused(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A delivery that an app has refused with words that steer a terminal."""
    monkeypatch.setattr("tollhouse.endpoints.lanes.LEARN_SECONDS", 0.02)

    async def go(kit: TestKit) -> dict[str, Any]:
        async with Receiver(usual=Answer(418, ESCAPE)) as app:
            words = ("endpoints", "add", "app", "--url", app.url)
            assert (await asyncio.to_thread(shell.run, *words)).code == 0
            await kit.toll.run.outbox.learn()
            await emit(kit, ALICE)
            await app.until(1)
            await kit.settle()
            return await only_told(kit)

    return shell.use(go)


def test_a_delivery_is_shown_with_every_try(shell: Shell, refused: dict[str, Any]):
    shown = json.loads(shell.run("deliveries", "show", refused["id"], "--json").out)
    assert (shown["status"], shown["user_id"], shown["event_id"]) == ("waiting", ALICE, refused["event_id"])
    (attempt,) = shown["tries"]
    assert (attempt["number"], attempt["status"], attempt["reason"]) == (1, 418, "It answered 418.")
    assert attempt["reply"] == ESCAPE.decode()
    assert attempt["duration_ms"] > 0
    assert re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}T[0-9:.]+Z", attempt["started_at"])


def test_what_an_app_answers_does_not_steer_the_terminal(shell: Shell, refused: dict[str, Any]):
    for words in (("deliveries", "show", refused["id"]), ("events", "show", refused["event_id"])):
        shown = shell.run(*words).out
        assert "418" in shown
        assert "owned" in shown
        assert not [each for each in shown if not each.isprintable() and each != "\n"]
        assert max(map(len, shown.splitlines())) <= 100


def test_deliveries_are_listed_by_what_is_asked(shell: Shell, refused: dict[str, Any]):
    for words, found in (
        ("--endpoint app --status waiting", 1),
        ("--subscriber endpoint:app --status all", 1),
        ("--endpoint crm --status all", 0),
        (f"--event {refused['event_id']}", 1),
        ("--event out_none", 0),
        ("--status waiting --since 2h", 1),
        ("--status waiting --since 2000-01-01T00:00:00", 1),
        ("--status waiting --since 2999-01-01T00:00:00Z", 0),
        ("--endpoint app", 0),
    ):
        listed = json.loads(shell.run("deliveries", "list", *words.split(), "--json").out)
        assert len(listed) == found, words


def test_there_is_no_such_delivery_to_show(shell: Shell):
    ran = shell.run("deliveries", "show", "dlv_none")
    assert (ran.code, ran.out, ran.err) == (1, "", "There is no such delivery.\n")


@pytest.mark.parametrize(
    "words",
    [
        ["retry"],
        ["retry", "dlv_1", "--endpoint", "app", "--since", "1d"],
        ["retry", "--endpoint", "app"],
        ["retry", "--since", "1d"],
        ["list", "--endpoint", "app", "--subscriber", "mail"],
        ["list", "--since", "yesterday"],
        ["list", "--since", "2026-13-01"],
        ["list", "--since", "999999d"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_refused(words: list[str]):
    ran = CliRunner().invoke(cli, ["deliveries", *words])
    assert ran.exit_code == 2
    assert "Error: " in ran.output


def test_a_retry_of_an_unknown_endpoint_is_refused(shell: Shell):
    ran = shell.run("deliveries", "retry", "--endpoint", "app", "--since", "1d")
    assert (ran.code, ran.out, ran.err) == (1, "", "There is no endpoint app.\n")
