"""`tollhouse deliveries`: what waits, what failed, and once more."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shell
from tests.identity.rows import run_sql
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
    ran = shell.run("deliveries", "list")
    header, line = ran.out.splitlines()
    assert header.split()[:2] == ["id", "subscriber"]
    assert failed_id in line
    assert "It raised." in line


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
