"""`tollhouse events`, beside the running product."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.billing.posting import make_event, posted, teach
from tests.billing.test_webhook import count, count_and_raise
from tests.cli.conftest import Shell
from tests.cli.shop import Shop, use_shop
from tests.identity.rows import run_sql


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
        header, line = listed.out.splitlines()
        assert header.split()[:4] == ["id", "type", "status", "reason"]
        assert event["id"] in line
        assert "It raised RuntimeError." in line
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

    use_shop(shell, monkeypatch, tmp_path, work)
