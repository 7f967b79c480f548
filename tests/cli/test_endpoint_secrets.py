"""Secrets of endpoints by command: with a new one, rolled, and printed once."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.cli.conftest import Shell
from tests.cli.house import URL, House, add_app, is_signed, use_house
from tests.endpoints.rig import ALICE, declare, emit
from tollhouse.endpoints import endpoints, rolling
from tollhouse.endpoints.secrets import open_secrets, problem_of
from tollhouse.testing import TestKit


@pytest.fixture
def app(shell: Shell) -> str:
    """The secret of an endpoint that was added by command."""
    return add_app(shell)


def test_an_added_endpoint_is_told_and_signed_by_the_secret_that_was_printed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
):
    async def work(house: House) -> None:
        ran = await house.run("endpoints", "add", "app", "--url", house.app.url, "--type", "credits.low")
        assert "store it now" in ran.err
        secret = dict(line.split() for line in ran.out.splitlines())["secret"]
        await house.kit.toll.run.outbox.learn()
        await emit(house.kit, ALICE, kind="credits.spent")
        await emit(house.kit, ALICE, kind="credits.low")
        (first,) = await house.app.until(1)
        assert first.event["type"] == "credits.low"
        assert is_signed(first, secret)
        for words in (("list",), ("list", "--json"), ("show", "app"), ("show", "app", "--json")):
            shown = await house.run("endpoints", *words)
            assert house.app.url in shown.out
            assert "whsec_" not in shown.out
            assert secret[6:20] not in shown.out

    use_house(shell, monkeypatch, work)


def test_a_rolled_endpoint_is_signed_for_by_both_secrets_until_the_old_one_ends(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
):
    async def work(house: House) -> None:
        old = await house.add()
        new = json.loads((await house.run("endpoints", "roll", "app", "--json")).out)["secret"]
        shown = json.loads((await house.run("endpoints", "show", "app", "--json")).out)
        assert (shown["secrets"], shown["old_secrets_sign_until"] is None) == (2, False)
        assert "app" in (await house.run("endpoints", "roll", "app", "--overlap-hours", "0")).out
        shown = json.loads((await house.run("endpoints", "show", "app", "--json")).out)
        assert (shown["secrets"], shown["old_secrets_sign_until"]) == (1, None)
        newest = json.loads((await house.run("endpoints", "roll", "app", "--json")).out)["secret"]
        assert (await house.run("endpoints", "test", "app")).code == 0
        (arrival,) = house.app.arrivals
        assert [is_signed(arrival, secret) for secret in (old, new, newest)] == [False, False, True]
        assert len(arrival.headers["webhook-signature"].split()) == 2

    use_house(shell, monkeypatch, work)


def test_only_so_many_secrets_sign_and_the_oldest_goes_with_a_word(shell: Shell, app: str):
    said = [shell.run("endpoints", "roll", "app").err for _ in range(4)]
    assert ["signs no more" in each for each in said] == [False, False, False, True]
    assert json.loads(shell.run("endpoints", "show", "app", "--json").out)["secrets"] == 4


def test_all_who_roll_at_once_have_a_secret_that_signs(shell: Shell, app: str):
    async def work(kit: TestKit) -> None:
        run = kit.toll.run
        rolled = await asyncio.gather(*(rolling.roll(run, "app", overlap_us=1_000_000_000) for _ in range(3)))
        row = await endpoints.find(run, "app")
        living = {each.text for each in open_secrets(run.keys, "app", row.secrets, now_us=run.now_us)}
        assert living == {app, *(secret for secret, _ in rolled)}

    shell.use(work)


def test_what_cannot_be_an_endpoint_is_refused_in_a_line(shell: Shell):
    for words, says in (
        (["App", "--url", URL], "NAME"),
        (["app", "--url", "http://app.example.com"], "Only https is called."),
        (["app", "--url", "https://10.0.0.1/events"], "address that is not called"),
        (["app", "--url", "app.example.com"], "A URL to call is https"),
        (["app", "--url", URL, "--type", "user.born"], "there is no event user.born"),
    ):
        ran = shell.run("endpoints", "add", *words)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert says in ran.err
    assert shell.run("endpoints", "list").out == "None.\n"


def test_a_private_address_is_taken_where_that_is_meant(shell: Shell):
    words = ("add", "app", "--url", "https://10.0.0.1/events", "--private-network", "--with-address")
    assert shell.run("endpoints", *words).code == 0
    (shown,) = json.loads(shell.run("endpoints", "list", "--json").out)
    assert (shown["private_network"], shown["with_address"], shown["added_by"]) == (True, True, "command")


def test_a_name_is_given_once(shell: Shell, app: str, monkeypatch: pytest.MonkeyPatch):
    again = shell.run("endpoints", "add", "app", "--url", URL)
    assert (again.code, again.out, again.err) == (1, "", "There is an endpoint app already.\n")
    monkeypatch.setenv("TOLLHOUSE_ENDPOINTS", json.dumps([declare(URL, name="crm")]))
    of_settings = shell.run("endpoints", "add", "crm", "--url", URL)
    assert (of_settings.code, of_settings.out) == (1, "")
    assert "crm is in the settings" in of_settings.err


def test_a_new_secret_is_one_and_needs_no_settings(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TOLLHOUSE_SECRET")
    ran = shell.run("endpoints", "new-secret")
    assert (ran.code, problem_of(ran.out.strip()), ran.err) == (0, None, "")
