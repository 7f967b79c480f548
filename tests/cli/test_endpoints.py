"""`tollhouse endpoints`, beside the running product and the app that it tells."""

from __future__ import annotations

import io
import json
import shlex

import pytest

from tests.cli.conftest import Shell
from tests.cli.house import URL, House, add_app, is_signed, use_house
from tests.endpoints.receiver import OK, Answer
from tests.endpoints.rig import ALICE, BOB, declare, emit, told
from tests.identity.rows import run_sql
from tollhouse.testing import TestKit


@pytest.fixture
def app(shell: Shell) -> str:
    """The secret of an endpoint that was added by command."""
    return add_app(shell)


def test_what_was_missed_is_counted_and_sent_by_the_command_that_enabling_prints(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
):
    async def work(house: House) -> None:
        await house.add()
        house.app.usual = Answer(500)
        await emit(house.kit, BOB)  # given up before the endpoint is disabled
        await house.app.until(1)
        await house.kit.settle()
        await run_sql(
            house.kit,
            "UPDATE tollhouse_deliveries SET status = 'failed', finished_at = created_at WHERE event_id IS NOT NULL",
        )
        await emit(house.kit, ALICE)  # waits when it is disabled
        await house.app.until(2)
        await house.kit.settle()
        assert (await house.run("endpoints", "disable", "app")).code == 0
        await house.kit.toll.run.outbox.learn()
        await emit(house.kit, ALICE)  # gets no delivery at all
        refused = await house.run("deliveries", "retry", "--endpoint", "app", "--since", "1d")
        assert (refused.code, refused.out) == (1, "")
        assert "is disabled" in refused.err
        (of_bob, _) = await told(house.kit)
        again = await house.run("deliveries", "retry", of_bob["id"])
        assert (again.code, again.err) == (1, refused.err)
        house.app.usual = OK
        enabled = await house.run("endpoints", "enable", "app")
        assert "3 events" in enabled.out
        command = shlex.split(enabled.out.splitlines()[-1])
        assert (await house.run(*command[1:])).out == "Due now: 3.\n"
        arrivals = await house.app.until(5)
        assert sorted(each.user for each in arrivals[2:]) == [ALICE, ALICE, BOB]
        assert [each.event["sequence"] for each in arrivals[2:] if each.user == ALICE] == [1, 2]
        await house.kit.settle()
        assert (await house.run(*command[1:])).out == "Everything has reached it.\n"

    use_house(shell, monkeypatch, work)


def test_health_is_shown(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    async def work(house: House) -> None:
        await house.add()
        shown = json.loads((await house.run("endpoints", "show", "app", "--json")).out)
        assert (shown["last_success_at"], shown["failing_since_at"]) == (None, None)
        assert (shown["waiting"], shown["failed"]) == (0, 0)
        await emit(house.kit, ALICE)
        await house.app.until(1)
        await house.kit.settle()
        house.app.usual = Answer(500)
        await emit(house.kit, BOB)
        await house.app.until(2)
        await house.kit.settle()
        await run_sql(
            house.kit, f"UPDATE tollhouse_deliveries SET status = 'failed' WHERE user_id = '{ALICE}' AND attempts = 1"
        )
        shown = json.loads((await house.run("endpoints", "show", "app", "--json")).out)
        assert shown["last_success_at"].endswith("Z")
        assert shown["failing_since_at"].endswith("Z")
        assert (shown["waiting"], shown["failed"]) == (1, 1)

    use_house(shell, monkeypatch, work)


def test_what_is_so_already_or_not_there_is_said_to_be_so(shell: Shell, app: str):
    assert shell.run("endpoints", "enable", "app").err == "It is enabled already.\n"
    assert shell.run("endpoints", "disable", "app").code == 0
    assert shell.run("endpoints", "disable", "app").err == "It is disabled already.\n"
    listed = shell.run("endpoints", "list").out.splitlines()
    assert listed[-1] == "  Somebody disabled it by command."
    for words in (["show"], ["roll"], ["enable"], ["disable"], ["remove", "--yes"], ["test"]):
        ran = shell.run("endpoints", words[0], "nobody", *words[1:])
        assert (ran.code, ran.out, ran.err) == (1, "", "There is no endpoint nobody.\n")


def test_an_endpoint_is_removed_once_somebody_says_yes(shell: Shell, app: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert shell.run("endpoints", "remove", "app").code == 1
    assert shell.run("endpoints", "show", "app").code == 0
    assert shell.run("endpoints", "remove", "app", "--yes").out == "Removed.\n"
    assert shell.run("endpoints", "show", "app").code == 1


def test_endpoints_of_the_settings_are_changed_there(shell: Shell):
    async def nothing(_: TestKit) -> None:
        return

    shell.use(nothing, endpoints=[declare(URL), declare(URL, name="off", enabled=False)])
    for words in (["roll", "app"], ["remove", "app", "--yes"], ["enable", "off"]):
        ran = shell.run("endpoints", *words)
        assert (ran.code, ran.out) == (1, "")
        assert "is in the settings" in ran.err
    before = shell.run("endpoints", "list", "--json").out
    assert [each["added_by"] for each in json.loads(before)] == ["settings", "settings"]
    shell.use(nothing)  # a start without them
    refused = shell.run("endpoints", "enable", "app")
    assert (refused.code, "was in the settings" in refused.err) == (1, True)
    assert shell.run("endpoints", "remove", "app", "--yes").code == 0


def test_a_test_tells_what_the_app_answers(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    async def work(house: House) -> None:
        secret = await house.add()
        house.app.usual = Answer(200, b"welcome")
        ran = await house.run("endpoints", "test", "app")
        assert ran.code == 0
        assert "welcome" in ran.out
        (arrival,) = house.app.arrivals
        assert (arrival.event["type"], is_signed(arrival, secret)) == ("test", True)
        house.app.usual = Answer(500, b"\x1b]0;owned\x07\x1b[2Jno")
        failed = await house.run("endpoints", "test", "app")
        assert failed.code == 1
        assert "It answered 500." in failed.out
        assert "\x1b" not in failed.out
        as_json = await house.run("endpoints", "test", "app", "--json")
        record = json.loads(as_json.out)
        assert (as_json.code, record["succeeded"], record["status"]) == (1, False, 500)
        assert record["duration_ms"] >= 0
        await house.app.stop()
        nobody = await house.run("endpoints", "test", "app", "--json")
        assert (nobody.code, json.loads(nobody.out)["status"]) == (1, None)
        assert json.loads(nobody.out)["reason"].startswith("host: ")

    use_house(shell, monkeypatch, work)


def test_what_is_printed_fits_a_terminal(shell: Shell, app: str):
    assert shell.run("endpoints", "disable", "app").code == 0
    for words in (("list",), ("show", "app")):
        assert max(map(len, shell.run("endpoints", *words).out.splitlines())) <= 100
