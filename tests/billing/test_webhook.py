"""The inbox at its door: each event is kept once, with all that it brings about, before Stripe is told so."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert
from structlog.testing import capture_logs

from tests.billing.posting import OURS, at_rest, deliveries_of, inbox_of, make_event, post, posted, sign, teach
from tests.identity.rows import everything, rows_of
from tollhouse.billing import inbox
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import Outcome
from tollhouse.billing.tables import customers
from tollhouse.billing.till import Till
from tollhouse.billing.webhook_routes import BODY_BYTES_MAX
from tollhouse.db import Statement, Transaction
from tollhouse.errors import DatabaseUnavailable
from tollhouse.telemetry.metrics import registry
from tollhouse.testing import TestKit

COUNT_UP = Statement(
    upsert(customers)
    .values(user_id=bindparam("name"), livemode=0, generation=1, created_at=0)
    .on_conflict_do_update(index_elements=["user_id", "livemode"], set_={"generation": customers.c.generation + 1}),
    str,
)
MALLORY = "whsec_" + "9" * 32


async def count(tx: Transaction, _till: Till, event: StripeEvent) -> Outcome:
    await tx.execute(COUNT_UP, name=event.id)
    return Outcome("processed")


async def count_and_raise(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    await count(tx, till, event)
    raise RuntimeError(f"secret of {event.id}")


async def counted(kit: TestKit) -> dict[str, int]:
    return {row["user_id"]: row["generation"] for row in await rows_of(kit, customers)}


async def test_an_event_is_kept_sealed_with_what_came_of_it(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def name_alice(_tx: Transaction, _till: Till, _event: StripeEvent) -> Outcome:
        return Outcome("processed", user_id="usr_alice")

    teach(monkeypatch, name_alice)
    event = make_event(data={"object": {"id": "cus_1", "email": "alice@example.com"}})
    assert await posted(kit, event) == "processed"
    (row,) = await inbox_of(kit)
    assert (row["id"], row["type"], row["object_id"], row["livemode"]) == (event["id"], OURS, "cus_1", 0)
    assert (row["status"], row["reason"], row["user_id"]) == ("processed", None, "usr_alice")
    assert (row["api_version"], row["stripe_created_at"]) == (event["api_version"], event["created"] * 1_000_000)
    assert row["processed_at"] >= row["received_at"]
    assert b"alice" not in row["sealed"]
    assert json.loads(kit.toll.run.keys.open_stripe_event(row["sealed"], event_id=event["id"])) == event


async def test_a_second_delivery_changes_nothing(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    teach(monkeypatch, count)
    event = make_event()
    assert await posted(kit, event) == "processed"
    before = await at_rest(kit)
    assert [await posted(kit, event) for _ in range(3)] == ["duplicate"] * 3
    assert await everything(kit) == before


async def test_of_twenty_at_once_over_two_replicas_one_has_an_effect(
    kit: TestKit, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(monkeypatch, count)
    events = [make_event() for _ in range(3)]
    async with TestKit(database_url=migrated_database_url, stripe=kit.stripe, **same_secrets(kit)) as other:
        tasks = [posted(replica, event) for event in events for _ in range(10) for replica in (kit, other)]
        statuses = await asyncio.gather(*tasks)
    assert sorted(statuses) == ["duplicate"] * 57 + ["processed"] * 3
    assert await counted(kit) == {event["id"]: 1 for event in events}


def same_secrets(kit: TestKit) -> dict[str, Any]:
    return {
        "secret": ",".join(kit.toll.settings.secret),
        "stripe_webhook_secrets": ",".join(kit.toll.settings.stripe_webhook_secrets),
    }


async def test_what_has_no_effect_here_is_kept_as_ignored(kit: TestKit) -> None:
    assert await posted(kit, make_event("issuing_card.created")) == "ignored"
    assert await posted(kit, make_event(account="acct_other")) == "ignored"
    thin = make_event("v1.billing.meter.no_meter_found", object="v2.core.event", created="2026-11-01T10:00:00Z")
    assert await posted(kit, thin) == "ignored"
    rows = await inbox_of(kit)
    assert sorted(row["reason"] for row in rows) == [
        "It is a thin event.",
        "It is not ours: it tells of a connected account.",
        "Nothing here depends on such events.",
    ]
    assert all(row["sealed"] for row in rows)


async def test_an_event_of_the_other_mode_is_parked_and_not_tried_again(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(monkeypatch, count)
    with capture_logs() as logs:
        assert await posted(kit, make_event(livemode=True)) == "parked"
    assert [(line["event"], line["log_level"]) for line in logs] == [("stripe_event_parked", "error")]
    (row,) = await inbox_of(kit)
    assert row["reason"] == "It is of live mode, and STRIPE_API_KEY is of the other one."
    assert row["processed_at"] is None
    assert await counted(kit) == {}
    assert await deliveries_of(kit, "stripe.parked") == []


async def test_an_effect_that_fails_is_undone_and_its_event_parked(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(monkeypatch, count_and_raise)
    event = make_event()
    with capture_logs() as logs:
        assert await posted(kit, event) == "parked"
        assert await posted(kit, event) == "parked"
    assert [line["event"] for line in logs] == ["stripe_event_parked"]
    assert await counted(kit) == {}
    (row,) = await inbox_of(kit)
    assert (row["status"], row["reason"]) == ("parked", "It raised RuntimeError.")
    (delivery,) = await deliveries_of(kit, "stripe.parked")
    assert (delivery["event_id"], delivery["status"]) == (event["id"], "waiting")


async def test_an_object_that_nobody_can_read_is_parked_by_name(kit: TestKit) -> None:
    event = make_event("invoice.paid", data={"object": {"id": "in_1", "object": "invoice", "status": "paid"}})
    assert await posted(kit, event) == "parked"
    (row,) = await inbox_of(kit)
    assert row["reason"].startswith("invoice.")


async def test_an_effect_may_ask_for_a_refresh(kit: TestKit) -> None:
    event = make_event("customer.subscription.updated", data={"object": {"id": "sub_1", "object": "subscription"}})
    assert await posted(kit, event) == "accepted"
    (delivery,) = await deliveries_of(kit, "stripe.refresh")
    assert delivery["event_id"] == "subscription:sub_1:1"


async def test_without_a_database_stripe_shall_come_again(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_tx: Transaction, _till: Till, _event: StripeEvent) -> Outcome:
        raise DatabaseUnavailable

    event = make_event()
    teach(monkeypatch, fail)
    before = await at_rest(kit)
    reply = await post(kit, event)
    assert (reply.status_code, reply.json()["code"]) == (503, "database_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    assert await everything(kit) == before
    teach(monkeypatch, count)
    assert await posted(kit, event) == "processed"


async def test_what_takes_too_long_is_refused_before_the_buyer_waits(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(monkeypatch, count)
    event = make_event()
    with monkeypatch.context() as hurried:
        hurried.setattr(inbox, "RECEIVE_SECONDS_MAX", 0.0)
        assert (await post(kit, event)).status_code == 503
    assert await posted(kit, event) in {"processed", "duplicate"}
    assert await counted(kit) == {event["id"]: 1}


async def test_only_stripe_is_heard(kit: TestKit) -> None:
    body = json.dumps(make_event()).encode()
    before = await at_rest(kit)
    for signature in (
        "",
        "t=1,v1=0",
        sign(body, MALLORY),
        sign(body, kit.toll.settings.stripe_webhook_secrets[0], at=1),
    ):
        reply = await post(kit, body, **{"stripe-signature": signature})
        assert (reply.status_code, reply.json()["code"]) == (400, "signature_invalid")
    assert await everything(kit) == before


async def test_a_body_has_a_size(kit: TestKit) -> None:
    assert await posted(kit, make_event(data={"object": {"x": "y" * (BODY_BYTES_MAX - 1_000)}})) == "ignored"
    reply = await post(kit, make_event(data={"object": {"x": "y" * BODY_BYTES_MAX}}))
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")


async def test_events_are_counted(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    def counter(about: str, status: str) -> float:
        return registry.get_sample_value("tollhouse_stripe_events_total", {"about": about, "status": status}) or 0.0

    before = counter("other", "ignored"), counter("customer", "duplicate")
    event = make_event("customer.updated", data={"object": {"id": "cus_1", "object": "customer"}})
    for sent in (make_event(), event, event):
        await posted(kit, sent)
    assert (counter("other", "ignored"), counter("customer", "duplicate")) == (before[0] + 1, before[1] + 1)


async def test_of_one_event_many_times_at_once_one_has_an_effect(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    teach(monkeypatch, count)
    event = make_event(data={"object": {"id": "cus_1"}})
    replies = await asyncio.gather(*(posted(kit, event) for _ in range(8)))
    assert sorted(replies) == ["duplicate"] * 7 + ["processed"]
    assert set((await counted(kit)).values()) == {1}


async def test_an_event_that_is_parked_twice_at_once_waits_once(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    teach(monkeypatch, count_and_raise)
    event = make_event(data={"object": {"id": "cus_1"}})
    replies = await asyncio.gather(*(posted(kit, event) for _ in range(4)))
    assert set(replies) <= {"parked", "duplicate"}
    assert len(await deliveries_of(kit, inbox.PARKED_SUBSCRIBER)) == 1
