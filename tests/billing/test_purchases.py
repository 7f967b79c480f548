"""Purchases: from the page to the money, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.billing.facts import NOW, Desk, invoice, open_desk, refund, session
from tollhouse.billing import clawbacks, invoices, payments, purchases, reversals
from tollhouse.billing.tables import payments as paid
from tollhouse.billing.tables import purchases as table
from tollhouse.billing.tables import stripe_objects
from tollhouse.clock import DAY
from tollhouse.ledger.tables import lots


@pytest.fixture
async def desk(migrated_database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(migrated_database_url) as opened:
        yield opened


async def test_a_paid_session_grants_and_tells(desk: Desk) -> None:
    await desk.begin(claim="pro")
    outcome = await desk.do(purchases.settle, session())
    assert (outcome.status, outcome.user_id) == ("processed", "usr_alice")
    row = await desk.row(table)
    assert (row["status"], row["claim"], row["amount_minor"], row["payment_intent_id"]) == ("paid", None, 500, "pi_1")
    assert await desk.balance() == 100
    assert await desk.told() == ["checkout.completed", "payment.succeeded", "credits.granted"]


async def test_a_second_telling_changes_nothing(desk: Desk) -> None:
    await desk.begin()
    for _ in range(3):
        await desk.do(purchases.settle, session())
    assert await desk.balance() == 100
    assert len(await desk.told()) == 3
    assert len(await desk.rows(paid)) == 1


async def test_many_at_once_over_two_connections_grant_once(desk: Desk, migrated_database_url: str) -> None:
    await desk.begin()
    await desk.begin("pro-monthly", id="pur_2", checkout_session_id="cs_2")
    async with open_other(migrated_database_url) as other:
        sub = session(id="cs_2", purchase_id="pur_2", subscription_id="sub_1", payment_intent_id=None)
        works: list[Any] = []
        for each in (desk, other):
            works += [each.do(purchases.settle, session()) for _ in range(5)]
            works += [each.do(purchases.settle, sub) for _ in range(5)]
            works += [each.do(invoices.settle, invoice()) for _ in range(5)]
        await asyncio.gather(*works)
    assert await desk.balance() == 200
    assert sorted(row["id"] for row in await desk.rows(paid)) == ["in_1", "pur_1"]
    assert sorted(await desk.told()) == sorted(
        ["checkout.completed"] * 2 + ["payment.succeeded"] * 2 + ["credits.granted"] * 2
    )


def open_other(url: str) -> Any:
    from contextlib import asynccontextmanager

    from tests.db.rows import open_database

    @asynccontextmanager
    async def opened() -> AsyncIterator[Desk]:
        db = await open_database(url)
        try:
            other = Desk(db)
            await other.till.catalogue.learn(db)
            yield other
        finally:
            await db.close()

    return opened()


async def test_a_bank_debit_is_on_its_way_and_then_there(desk: Desk) -> None:
    await desk.begin()
    await desk.do(purchases.settle, session(payment_status="unpaid"))
    assert (await desk.row(table))["status"] == "processing"
    assert await desk.balance() == 0
    await desk.do(purchases.settle, session())
    await desk.do(purchases.settle, session(payment_status="unpaid"))
    assert (await desk.row(table))["status"] == "paid"
    assert await desk.told() == ["checkout.completed", "payment.succeeded", "credits.granted"]


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_bank_debit_that_fails_ends_the_same_in_any_order(desk: Desk, *, is_late: bool) -> None:
    await desk.begin()
    unpaid = session(payment_status="unpaid")
    for work in [purchases.fail, purchases.settle] if is_late else [purchases.settle, purchases.fail, purchases.fail]:
        await desk.do(work, unpaid)
    assert (await desk.row(table))["status"] == "failed"
    assert await desk.told() == ["checkout.completed", "payment.failed"]


async def test_money_counts_whatever_was_thought_before(desk: Desk) -> None:
    for number, status in enumerate(("creating", "open", "processing", "failed", "expired")):
        name = f"pur_{number}"
        begun = NOW if status == "processing" else None
        await desk.begin(id=name, checkout_session_id=None, status=status, completed_at=begun)
        facts = session(id=f"cs_{number}", purchase_id=name, payment_intent_id=f"pi_{number}")
        await desk.do(purchases.fail if status == "failed" else purchases.settle, facts)
    assert {row["status"] for row in await desk.rows(table)} == {"paid"}
    assert {row["checkout_session_id"] for row in await desk.rows(table)} == {f"cs_{number}" for number in range(5)}
    assert await desk.balance() == 500


async def test_an_expired_page_frees_its_claim_but_never_what_is_paid(desk: Desk) -> None:
    await desk.begin(claim="pro")
    expired = session(status="expired", payment_status="unpaid")
    await desk.do(purchases.settle, session(status="open", payment_status="unpaid"))
    assert (await desk.row(table))["claim"] == "pro"
    for _ in range(2):
        await desk.do(purchases.settle, expired)
    row = await desk.row(table)
    assert (row["status"], row["claim"]) == ("expired", None)
    assert await desk.told() == ["checkout.expired"]
    await desk.do(purchases.settle, session())
    await desk.do(purchases.settle, expired)
    assert (await desk.row(table))["status"] == "paid"


async def test_what_is_not_ours_is_left_alone(desk: Desk) -> None:
    await desk.begin(livemode=1)
    for facts in (session(), session(purchase_id=None), session(purchase_id="pur_other")):
        for work in (purchases.settle, purchases.fail):
            assert (await desk.do(work, facts)).status == "ignored"
    assert (await desk.row(table))["status"] == "open"
    assert await desk.rows(paid) == []


async def test_money_on_a_second_page_is_shown_to_a_person(desk: Desk) -> None:
    await desk.begin()
    outcome = await desk.do(purchases.settle, session(id="cs_2"))
    assert outcome.status == "parked"
    assert "second page" in outcome.reason
    unpaid = await desk.do(purchases.settle, session(id="cs_2", status="expired", payment_status="unpaid"))
    assert unpaid.status == "processed"
    assert await desk.rows(paid) == []


async def test_a_subscription_waits_for_its_invoice(desk: Desk) -> None:
    await desk.begin("pro-monthly")
    facts = session(mode="subscription", subscription_id="sub_1", payment_intent_id=None)
    assert (await desk.do(purchases.settle, facts)).status == "accepted"
    assert (await desk.do(purchases.settle, facts)).status == "processed"
    assert (await desk.row(table))["subscription_id"] == "sub_1"
    assert (await desk.row(stripe_objects))["id"] == "sub_1"
    assert await desk.balance() == 0
    assert await desk.rows(paid) == []


async def test_nothing_to_pay_is_paid(desk: Desk) -> None:
    await desk.begin()
    facts = session(payment_status="no_payment_required", amount_total_minor=0, payment_intent_id=None)
    await desk.do(purchases.settle, facts)
    assert await desk.balance() == 100
    assert (await desk.row(paid))["amount_minor"] == 0


async def test_what_stripe_says_was_paid_is_written_down_and_credits_may_expire(desk: Desk) -> None:
    await desk.begin("kept-once")
    await desk.do(purchases.settle, session(amount_total_minor=750))
    row = await desk.row(paid)
    assert (row["amount_minor"], row["credits"]) == (750, 30)
    assert (await desk.row(lots))["expires_at"] == NOW + 10 * DAY


async def test_a_payment_that_somebody_has_lost_is_made_good(desk: Desk) -> None:
    await desk.begin(status="paid", completed_at=NOW)
    await desk.do(purchases.settle, session())
    assert await desk.balance() == 100
    payment = await desk.db.fetch_one(payments.FIND, payment_id="pur_1")
    assert payment is not None
    assert payment.credits == 100


async def test_what_brings_no_credits_is_paid_and_refunded_all_the_same(desk: Desk) -> None:
    await desk.begin(credits=0)
    await desk.do(purchases.settle, session())
    await desk.do(reversals.note, refund(500))
    assert await desk.told() == ["checkout.completed", "payment.succeeded", "payment.refunded"]
    assert (await desk.row(paid))["reversed_minor"] == 500
    assert await desk.balance() == 0


async def test_a_subscription_s_session_told_again_changes_nothing(desk: Desk) -> None:
    await desk.begin("pro-monthly")
    facts = session(mode="subscription", payment_intent_id=None, subscription_id="sub_1")
    assert (await desk.do(purchases.settle, facts)).status == "accepted"
    assert (await desk.do(purchases.settle, facts)).status == "processed"
    assert await desk.told() == ["checkout.completed"]


async def test_a_clawback_of_no_payment_is_nothing(desk: Desk) -> None:
    assert await desk.do(clawbacks.converge, "pur_none", []) == []


async def test_a_subscription_whose_session_names_none_yet_is_paid_and_waits_for_its_events(desk: Desk) -> None:
    await desk.begin("pro-monthly")
    facts = session(mode="subscription", payment_intent_id=None, subscription_id=None)
    assert (await desk.do(purchases.settle, facts)).status == "accepted"
    assert (await desk.row(table))["status"] == "paid"
    assert await desk.rows(stripe_objects) == []
