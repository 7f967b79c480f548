"""Parked events: tried again by the worker until somebody must look, and replayed by hand."""

from __future__ import annotations

import pytest

from tests.billing.posting import OURS, at_rest, deliveries_of, inbox_of, make_event, posted, teach
from tests.billing.test_webhook import count, count_and_raise, counted
from tests.identity.rows import everything, rows_of, run_sql
from tollhouse.billing import parked
from tollhouse.billing.errors import EventPruned, EventUnknown
from tollhouse.billing.tables import stripe_events
from tollhouse.clock import DAY, SECOND
from tollhouse.events import records
from tollhouse.events.retries import RETRY_SECONDS
from tollhouse.telemetry.metrics import registry
from tollhouse.testing import TestKit


async def park(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of an event whose effect has failed."""
    teach(monkeypatch, count_and_raise)
    event = make_event()
    assert await posted(kit, event) == "parked"
    return event["id"]


async def pass_time(kit: TestKit, seconds: float) -> None:
    """Turn the clock, and let the worker do what is due by then."""
    kit.clock.advance(seconds)
    await kit.settle()


async def test_the_worker_tries_a_parked_event_again(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    event_id = await park(kit, monkeypatch)
    await pass_time(kit, RETRY_SECONDS[0] + 1)
    assert await counted(kit) == {}
    teach(monkeypatch, count)
    await pass_time(kit, RETRY_SECONDS[0] * 2)
    assert await counted(kit) == {event_id: 1}
    (row,) = await inbox_of(kit)
    assert (row["status"], row["reason"]) == ("processed", None)
    assert row["processed_at"] > row["received_at"]
    (delivery,) = await deliveries_of(kit, "stripe.parked")
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 2)
    assert await posted(kit, make_event(id=event_id)) == "duplicate"


async def test_an_event_that_stays_parked_is_listed_as_failed_until_it_is_replayed(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = await park(kit, monkeypatch)
    for seconds in (*RETRY_SECONDS, RETRY_SECONDS[-1]):
        await pass_time(kit, seconds * 1.3)
    (delivery,) = await deliveries_of(kit, "stripe.parked")
    assert (delivery["status"], delivery["reason"]) == ("failed", "It raised RuntimeError.")
    assert [record.id for record in await parked.find_all(kit.toll.run, status="parked", limit=9)] == [event_id]
    assert (await parked.replay(kit.toll.till, event_id)).status == "parked"
    teach(monkeypatch, count)
    assert (await parked.replay(kit.toll.till, event_id)).status == "processed"
    assert (await parked.replay(kit.toll.till, event_id)).status == "duplicate"
    assert await counted(kit) == {event_id: 1}
    (delivery,) = await deliveries_of(kit, "stripe.parked")
    assert delivery["status"] == "delivered"


async def test_a_failed_delivery_of_a_parked_event_can_be_retried(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = await park(kit, monkeypatch)
    await run_sql(kit, "UPDATE tollhouse_deliveries SET status = 'failed' WHERE subscriber = 'stripe.parked'")
    teach(monkeypatch, count)
    (delivery,) = await deliveries_of(kit, "stripe.parked")
    assert await kit.toll.run.db.write(records.RETRY, delivery_id=delivery["id"], now=kit.toll.run.now_us)
    await kit.settle()
    assert await counted(kit) == {event_id: 1}


async def test_the_worker_leaves_alone_what_was_replayed_meanwhile(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = await park(kit, monkeypatch)
    teach(monkeypatch, count)
    assert (await parked.replay(kit.toll.till, event_id)).status == "processed"
    await pass_time(kit, RETRY_SECONDS[0] * 2)
    assert await counted(kit) == {event_id: 1}
    (delivery,) = await deliveries_of(kit, "stripe.parked")
    assert delivery["status"] == "delivered"


async def test_an_ignored_event_can_be_replayed_once_it_means_something(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = make_event()
    assert await posted(kit, event) == "ignored"
    assert (await parked.replay(kit.toll.till, event["id"])).status == "ignored"
    teach(monkeypatch, count)
    assert (await parked.replay(kit.toll.till, event["id"])).status == "processed"
    assert await counted(kit) == {event["id"]: 1}


async def test_an_event_of_the_other_mode_stays_parked_when_replayed(kit: TestKit) -> None:
    event = make_event(livemode=True)
    await posted(kit, event)
    before = await at_rest(kit)
    assert (await parked.replay(kit.toll.till, event["id"])).status == "parked"
    assert await everything(kit) == before


async def test_bodies_are_let_go_of_but_not_the_parked_ones_nor_what_came_of_any(
    kit: TestKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = await park(kit, monkeypatch)
    other = make_event("issuing_card.created")
    await posted(kit, other)
    await parked.prune(kit.toll.run)
    assert all(row["sealed"] for row in await rows_of(kit, stripe_events))
    kit.clock.advance(parked.BODY_KEPT_US / SECOND + 1)
    new = make_event("issuing_card.created")
    await posted(kit, new)
    await parked.prune(kit.toll.run)
    kept = {row["id"]: row["sealed"] is not None for row in await inbox_of(kit)}
    assert kept == {event_id: True, other["id"]: False, new["id"]: True}
    assert await posted(kit, other) == "duplicate"
    with pytest.raises(EventPruned):
        await parked.replay(kit.toll.till, other["id"])
    assert parked.BODY_KEPT_US > 30 * DAY  # Stripe may send an event again for so long


async def test_nobody_replays_what_never_came(kit: TestKit) -> None:
    with pytest.raises(EventUnknown):
        await parked.replay(kit.toll.till, "evt_none")


async def test_a_parked_event_that_is_gone_is_not_tried_for_ever(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    await park(kit, monkeypatch)
    await run_sql(kit, f"UPDATE tollhouse_stripe_events SET sealed = NULL WHERE type = '{OURS}'")
    await pass_time(kit, RETRY_SECONDS[0] * 2)
    (delivery,) = await deliveries_of(kit, "stripe.parked")
    assert (delivery["status"], delivery["reason"]) == ("failed", EventPruned().detail)


async def test_parked_events_are_counted_for_the_alarm(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    await park(kit, monkeypatch)
    await posted(kit, make_event("issuing_card.created"))
    assert await parked.count(kit.toll.run) == 1
    await parked.measure(kit.toll.run)
    assert registry.get_sample_value("tollhouse_stripe_parked") == 1


async def test_events_are_listed_the_newest_first(kit: TestKit, monkeypatch: pytest.MonkeyPatch) -> None:
    teach(monkeypatch, count)
    sent = [make_event(), make_event("issuing_card.created"), make_event()]
    for event in sent:
        await posted(kit, event)
    run = kit.toll.run
    ours = [row for row in await parked.find_all(run, status=None, limit=99) if row.id in {e["id"] for e in sent}]
    assert [record.id for record in ours] == [event["id"] for event in reversed(sent)]
    assert [record.id for record in await parked.find_all(run, status="ignored", limit=9)] == [sent[1]["id"]]
    assert len(await parked.find_all(run, status=None, limit=1)) == 1
