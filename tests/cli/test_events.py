"""`tollhouse events`, beside the running product."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.billing.posting import make_event, posted, teach
from tests.billing.test_webhook import count, count_and_raise
from tests.cli.conftest import Shell
from tests.cli.shop import Shop, use_shop
from tests.endpoints.receiver import Receiver
from tests.identity.rows import run_sql
from tollhouse.cli.main import cli
from tollhouse.testing import TestKit


def test_a_parked_event_is_found_shown_and_replayed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    event = make_event(data={"object": {"id": "cus_1", "email": "alice@example.com"}})

    async def work(shop: Shop) -> None:
        teach(monkeypatch, count_and_raise)
        assert await posted(shop.kit, event) == "parked"
        assert await posted(shop.kit, make_event("issuing_card.created")) == "ignored"
        assert (await shop.run("events", "replay", event["id"])).err == "It is still parked: It raised RuntimeError.\n"
        listed = await shop.run("events", "list", "--status", "parked")
        header, line, reason = listed.out.splitlines()
        assert header.split() == ["id", "status", "received_at", "type"]
        assert line.split()[:2] == [event["id"], "parked"]
        assert reason == "  It raised RuntimeError."
        teach(monkeypatch, count)
        assert (await shop.run("events", "replay", event["id"])).out == "It is processed.\n"
        again = await shop.run("events", "replay", event["id"])
        assert (again.code, again.out) == (0, "It is duplicate: It was processed already.\n")
        shown = await shop.run("events", "show", event["id"])
        assert "alice" not in shown.out
        assert "processed" in shown.out
        with_payload = json.loads((await shop.run("events", "show", event["id"], "--payload", "--json")).out)
        assert (with_payload["status"], with_payload["payload"]) == ("processed", event)

    use_shop(shell, monkeypatch, tmp_path, work)


def test_what_is_not_there_is_said_to_be_so(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        for command in ("show", "replay"):
            ran = await shop.run("events", command, "evt_none")
            assert (ran.code, ran.err) == (1, "There is no such event of Stripe's here.\n")
        ran = await shop.run("events", "show", "out_none")
        assert (ran.code, ran.err) == (1, "There is no such event of ours here.\n")
        event = make_event("issuing_card.created")
        await posted(shop.kit, event)
        await run_sql(shop.kit, "UPDATE tollhouse_stripe_events SET sealed = NULL")
        for words in (("show", "--payload"), ("replay",)):
            ran = await shop.run("events", *words, event["id"])
            assert ran.code == 1
            assert "not kept any more" in ran.err
        assert (await shop.run("events", "show", event["id"])).code == 0

    use_shop(shell, monkeypatch, tmp_path, work)


def test_a_parked_event_that_somebody_has_seen_to_is_set_aside(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def work(shop: Shop) -> None:
        event = make_event(livemode=True)
        assert await posted(shop.kit, event) == "parked"
        assert (await shop.run("events", "set-aside", event["id"])).out == "It is not parked any more.\n"
        assert (await shop.run("events", "set-aside", event["id"])).code == 1
        (shown,) = json.loads((await shop.run("events", "list", "--status", "ignored", "--json")).out)
        assert shown["reason"].startswith("Set aside by hand. It is of live mode")
        assert (await shop.run("events", "replay", event["id"])).code == 1

    use_shop(shell, monkeypatch, tmp_path, work)


def test_events_are_listed_as_json(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async def work(shop: Shop) -> None:
        sent = [make_event("issuing_card.created") for _ in range(3)]
        for event in sent:
            await posted(shop.kit, event)
        listed = json.loads((await shop.run("events", "list", "--limit", "2", "--json")).out)
        assert [record["id"] for record in listed] == [sent[2]["id"], sent[1]["id"]]
        assert "sealed" not in listed[0]
        assert listed[0]["received_at"].endswith("Z")

    use_shop(shell, monkeypatch, tmp_path, work)


def test_the_whole_chain_is_told_as_a_tree_and_as_json(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def work(shop: Shop) -> None:
        session_id = await shop.buy()
        await shop.run("reconcile", "--repair")
        data = {"object": {"id": session_id, "object": "checkout.session"}}
        event = make_event(data=data)
        teach(monkeypatch, count)
        assert await posted(shop.kit, event) == "processed"
        shown = await shop.run("events", "show", event["id"], "--payload")
        tree, _, payload = shown.out.partition("\n{\n")
        assert json.loads("{" + payload) == event
        lines = tree.splitlines()
        assert lines[0].startswith(f"event {event['id']}: test.happened  (status processed")
        assert max(map(len, lines)) <= 100
        for each in ("  > purchase pur_", "    > payment pur_", "      > grant of 100", "      > lot lot_"):
            assert sum(line.startswith(each) for line in lines) == 1, each
        assert sum("payment.succeeded" in line for line in lines) == 1
        (purchase,) = json.loads((await shop.run("events", "show", event["id"], "--json")).out)["became"]
        (payment,) = purchase["became"]
        (of_us,) = [each for each in payment["became"] if each["what"].endswith(": payment.succeeded")]
        back = json.loads((await shop.run("events", "show", of_us["what"].split()[1][:-1], "--json")).out)
        assert (back["type"], back["data"]["credits"]) == ("payment.succeeded", 100)
        assert [each["what"] for each in back["because"]] == [f"event {event['id']}: test.happened"]

    use_shop(shell, monkeypatch, tmp_path, work)


def test_events_of_ours_are_listed_shown_and_sent_again_without_a_till(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollhouse.endpoints.lanes.LEARN_SECONDS", 0.02)
    monkeypatch.setattr("tollhouse.events.worker.POLL_SECONDS", 0.02)

    async def go(kit: TestKit) -> tuple[str, str]:
        async with Receiver() as app:
            added = await asyncio.to_thread(shell.run, "endpoints", "add", "app", "--url", app.url)
            assert added.code == 0
            await kit.toll.run.outbox.learn()
            alice = (await kit.sign_in("alice@example.com")).user_id
            bob = (await kit.sign_in("bob@example.com")).user_id
            (wanted,) = json.loads(
                (await asyncio.to_thread(shell.run, *ours, "--type", "user.created", "--user", alice)).out
            )
            assert (wanted["type"], wanted["user_id"]) == ("user.created", alice)
            await app.until(4)
            await kit.settle()
            sent = await asyncio.to_thread(shell.run, "events", "resend", wanted["id"], "--endpoint", "app")
            assert sent.out.startswith("Due now: dlv_")
            assert (await app.until(5))[-1].event["id"] == wanted["id"]
            await kit.settle()
            shown = await asyncio.to_thread(shell.run, "events", "show", wanted["id"])
            assert sum("> delivery" in line for line in shown.out.splitlines()) == 2
            return alice, bob

    ours = ("events", "list", "--ours", "--json")
    alice, bob = shell.use(go)
    listed = json.loads(shell.run(*ours).out)
    assert [each["user_id"] for each in listed] == [bob, bob, alice, alice]
    assert len(json.loads(shell.run(*ours, "--user", alice).out)) == 2
    assert len(json.loads(shell.run(*ours, "--type", "user.signed_in", "--limit", "1").out)) == 1
    assert f"  of {alice}" in shell.run("events", "list", "--ours").out.splitlines()
    assert shell.run("events", "list", "--ours", "--user", "bob").err == "There is no such user.\n"


def test_what_cannot_be_sent_again_is_said_to_be_so(shell: Shell) -> None:
    for words, says in (
        (("evt_1",), "Only events of ours"),
        (("out_none",), "There is no event out_none here."),
    ):
        ran = shell.run("events", "resend", *words)
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert says in ran.err


@pytest.mark.parametrize("words", [["--ours", "--status", "parked"], ["--type", "user.created"], ["--user", "usr_1"]])
def test_what_does_not_go_together_is_refused(words: list[str]) -> None:
    assert CliRunner().invoke(cli, ["events", "list", *words]).exit_code == 2
