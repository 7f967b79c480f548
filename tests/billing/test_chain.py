"""What came of an event, from Stripe's to each try to tell the app, and back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.billing.facts import NOW, Desk, open_desk, session
from tests.billing.posting import make_event, posted
from tests.billing.shop import arrived, begun, bought, open_shop, pay, session_of
from tests.endpoints.receiver import Answer, Receiver
from tests.endpoints.rig import declare
from tests.identity.rows import rows_of, run_sql
from tollhouse.billing import chain, chain_events, purchases
from tollhouse.billing.tables import stripe_events
from tollhouse.events.tables import events
from tollhouse.ledger.spends import spend
from tollhouse.sandbox.sandbox import ControlRefused
from tollhouse.testing import TestKit

DECLINED = "4000000000000002"


@pytest.fixture
async def kit(migrated_database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestKit]:
    """A shop that tells an app, which answers at once that it cannot."""
    monkeypatch.setattr("tollhouse.events.worker.POLL_SECONDS", 0.02)  # what an event holds back is put off by the poll
    async with (
        Receiver(usual=Answer(500, b"no room")) as receiver,
        open_shop(migrated_database_url, endpoints=[declare(receiver)]) as running,
    ):
        yield running


@pytest.fixture
async def desk(migrated_database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(migrated_database_url) as opened:
        yield opened


async def stripes(kit: TestKit, event_type: str) -> str:
    """The id of Stripe's one event of a type."""
    (row,) = [row for row in await rows_of(kit, stripe_events) if row["type"] == event_type]
    return row["id"]


async def ours(kit: TestKit, event_type: str) -> str:
    (row,) = [row for row in await rows_of(kit, events) if row["type"] == event_type]
    return row["id"]


async def told(kit: TestKit, event_id: str) -> dict[str, Any]:
    found = await chain.explain(kit.toll.run, event_id)
    assert found is not None
    return found


def kinds(found: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """The tree without ids: each line is what it is, as deep as it lies."""
    first, _, last = found["what"].partition(":")
    yield " " * depth + (first.split()[0] + last if first.startswith("event") else first.split()[0])
    for each in found.get("became", ()):
        yield from kinds(each, depth + 1)


async def test_a_payment_leads_to_credits_and_to_each_try_to_tell_the_app(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    await bought(kit, alice)
    await kit.toll.run.db.transact(spend, kit.toll.run, alice.user_id, 30, reference="report 7")
    found = await told(kit, await stripes(kit, "checkout.session.completed"))
    assert list(kinds(found)) == [
        "event checkout.session.completed",
        " purchase",
        "  payment",
        "   grant",
        "   lot",
        "    spend",
        "   event checkout.completed",
        "    delivery",
        "   event payment.succeeded",
        "    delivery",
        "   event credits.granted",
        "    delivery",
    ]
    assert (found["status"], found["user_id"]) == ("processed", alice.user_id)
    of_us = await chain_events.explain(kit.toll.run, await ours(kit, "user.created"))
    assert of_us is not None
    (delivery,) = of_us["became"]
    assert delivery["what"].endswith("to endpoint:app: waiting")
    (attempt,) = delivery["became"]
    assert (attempt["what"], attempt["status"], attempt["reply"]) == ("attempt 1: failed", 500, "no room")
    assert of_us["because"] == []


async def test_a_refund_leads_to_what_it_took_back_and_its_event_to_all_of_stripes(kit: TestKit) -> None:
    alice = await kit.sign_in("alice@example.com")
    reply = await bought(kit, alice)
    intent = (await session_of(kit, reply["checkout_session_id"]))["payment_intent"]
    await kit.stripe.control("/refunds", payment_intent=intent, amount=100)
    await arrived(kit)
    found = await told(kit, await stripes(kit, "refund.created"))
    (back,) = found["became"]
    assert back["what"].startswith("refund re_")
    (payment,) = back["became"]
    assert [each["what"] for each in payment["reversals"]] == [back["what"]]
    (lot,) = [each for each in payment["became"] if each["what"].startswith("lot ")]
    assert [each["what"] for each in lot["became"]] == ["clawback of 20"]
    assert [each["what"] for each in (await told(kit, await stripes(kit, "charge.refunded")))["became"]] == [
        back["what"]
    ]
    of_us = await chain_events.explain(kit.toll.run, await ours(kit, "payment.refunded"))
    assert of_us is not None
    types = {each["what"].rpartition(" ")[2] for each in of_us["because"]}
    assert types >= {"checkout.session.completed", "refund.created", "charge.refunded"}


async def test_an_invoice_leads_to_its_own_period_and_the_subscription_to_all(kit: TestKit) -> None:
    await bought(kit, await kit.sign_in("alice@example.com"), "pro-monthly")
    of_invoice = list(kinds(await told(kit, await stripes(kit, "invoice.paid"))))
    assert [line for line in of_invoice if line.startswith(" ") and line[1] != " "] == [" payment", " subscription"]
    assert of_invoice.count("  event subscription.updated") == 1
    of_plan = list(kinds(await told(kit, await stripes(kit, "customer.subscription.created"))))
    assert of_plan[:5] == ["event customer.subscription.created", " subscription", "  payment", "   grant", "   lot"]
    of_session = list(kinds(await told(kit, await stripes(kit, "checkout.session.completed"))))
    assert of_session[1] == " purchase"
    assert sum(line.strip() == "payment" for line in of_session) == 1


async def test_a_declined_card_leads_to_its_purchase_while_the_body_is_kept(kit: TestKit) -> None:
    reply = await begun(await kit.sign_in("alice@example.com"))
    with pytest.raises(ControlRefused):
        await pay(kit, reply["checkout_session_id"], card=DECLINED)
    await arrived(kit)
    event_id = await stripes(kit, "payment_intent.payment_failed")
    assert list(kinds(await told(kit, event_id)))[:3] == [
        "event payment_intent.payment_failed",
        " purchase",
        "  event payment.failed",
    ]
    await run_sql(kit, "UPDATE tollhouse_stripe_events SET sealed = NULL")
    assert (await told(kit, event_id))["became"] == []


async def test_what_an_ignored_or_broken_event_names_is_not_believed(kit: TestKit) -> None:
    reply = await begun(await kit.sign_in("alice@example.com"), "pro-monthly")
    named = {"object": {"id": "pi_other", "metadata": {"tollhouse_purchase": reply["purchase_id"]}}}
    mallorys = make_event("payment_intent.payment_failed", data=named)
    assert await posted(kit, mallorys) == "ignored"
    assert (await told(kit, mallorys["id"]))["became"] == []
    broken = make_event("invoice.paid", data={"object": {"id": "in_broken"}})
    assert await posted(kit, broken) == "parked"
    (waiting,) = (await told(kit, broken["id"]))["became"]
    assert waiting["what"].endswith("to stripe.parked: waiting")


async def test_a_thing_of_the_other_mode_is_not_what_an_event_is_about(desk: Desk) -> None:
    await desk.begin()
    await desk.do(purchases.settle, session())
    for event_id, livemode in (("evt_test", 0), ("evt_live", 1)):
        row = {"id": event_id, "type": "checkout.session.completed", "livemode": livemode, "object_id": "cs_1"}
        await desk.add(stripe_events, **row, status="processed", received_at=NOW)
    test, live = [await chain.explain(desk.till.run, event_id) for event_id in ("evt_test", "evt_live")]
    assert test is not None
    assert live is not None
    assert ([len(each["became"]) for each in (test, live)]) == [1, 0]


async def test_of_no_event_there_is_nothing_to_tell(desk: Desk) -> None:
    assert await chain.explain(desk.till.run, "evt_none") is None
    assert await chain_events.explain(desk.till.run, "out_none") is None
