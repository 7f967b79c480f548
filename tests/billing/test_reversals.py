"""Refunds and disputes: any order, the same end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.billing.facts import ALICE, Desk, dispute, invoice, open_desk, refund, session
from tollhouse.billing import entitlements, invoices, purchases, reversals
from tollhouse.billing.clawbacks import target_of
from tollhouse.billing.tables import payments, stripe_objects
from tollhouse.billing.tables import reversals as table
from tollhouse.clock import DAY
from tollhouse.db import Transaction
from tollhouse.ledger import accounts
from tollhouse.ledger.spends import spend


@pytest.fixture
async def desk(migrated_database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(migrated_database_url) as opened:
        yield opened


async def paid(desk: Desk) -> None:
    await desk.begin()
    await desk.do(purchases.settle, session())


async def test_a_refund_takes_its_share_back_once(desk: Desk) -> None:
    await paid(desk)
    for _ in range(3):
        assert (await desk.do(reversals.note, refund(250))).user_id == ALICE
    assert await desk.balance() == 50
    row = await desk.row(payments)
    assert (row["reversed_minor"], row["reversed_credits"]) == (250, 50)
    assert (await desk.told())[3:] == ["payment.refunded"]


async def test_partial_refunds_do_not_add_up_their_rounding(desk: Desk) -> None:
    await paid(desk)
    for number, amount in enumerate((167, 167, 166)):
        await desk.do(reversals.note, refund(amount, id=f"re_{number}"))
    assert await desk.balance() == 0


async def test_a_refund_that_is_pending_takes_nothing_and_one_that_fails_gives_back(desk: Desk) -> None:
    await paid(desk)
    await desk.do(reversals.note, refund(stage=0))
    assert await desk.balance() == 100
    await desk.do(reversals.note, refund(stage=1))
    assert await desk.balance() == 0
    for stage in (2, 1, 0):
        await desk.do(reversals.note, refund(stage=stage))
    assert await desk.balance() == 100
    assert (await desk.told())[3:] == ["payment.refunded", "payment.refunded", "credits.granted"]


async def test_what_expired_unspent_is_not_counted_as_taken_back(desk: Desk) -> None:
    await desk.begin("kept-once")
    await desk.do(purchases.settle, session(amount_total_minor=1000, currency="eur"))
    desk.clock.at += 11 * DAY
    await desk.do(reversals.note, refund(1000, currency="eur"))
    row = await desk.row(payments)
    assert (row["reversed_minor"], row["reversed_credits"]) == (1000, 0)


async def test_a_refund_waits_for_a_payment_that_is_being_written(desk: Desk) -> None:
    await desk.begin()
    written, may_commit = asyncio.Event(), asyncio.Event()

    async def pay(tx: Transaction, till: Any) -> None:
        await purchases.settle(tx, till, session())
        written.set()
        if desk.db.dialect == "postgresql":  # SQLite runs one transaction after another by itself
            await may_commit.wait()

    async def give_back() -> None:
        await written.wait()
        for is_current in (False, True):  # told by an event, and read again at once
            await desk.do(reversals.note, refund(), is_current=is_current)

    paying, refunding = asyncio.create_task(desk.do(pay)), asyncio.create_task(give_back())
    await asyncio.wait({refunding}, timeout=0.3)
    may_commit.set()
    await asyncio.gather(paying, refunding)
    assert await desk.balance() == 0


async def test_what_is_spent_is_owed(desk: Desk) -> None:
    await paid(desk)
    await desk.db.transact(spend, desk.till.run, ALICE, 70)
    await desk.do(reversals.note, refund())
    balance = await accounts.find(desk.db, ALICE)
    assert (balance.balance, balance.debt, balance.available) == (-70, 70, 0)


async def test_a_dispute_and_a_refund_take_no_more_than_there_was(desk: Desk) -> None:
    await paid(desk)
    await desk.do(reversals.note, refund(400))
    await desk.do(reversals.note, dispute())
    assert await desk.balance() == 0
    assert (await desk.row(payments))["reversed_minor"] == 500
    await desk.do(reversals.note, dispute(stage=2))
    assert await desk.balance() == 20


async def test_a_refund_may_come_before_its_payment(desk: Desk) -> None:
    await desk.begin()
    outcome = await desk.do(reversals.note, refund(250))
    assert outcome.status == "accepted"
    assert (await desk.row(stripe_objects))["id"] == "pi_1"
    assert (await desk.do(reversals.note, refund(250))).reason == "It is about no payment that is known here."
    await desk.do(purchases.settle, session())
    assert await desk.balance() == 50
    assert (await desk.row(table))["payment_id"] == "pur_1"
    assert (await desk.told())[-1] == "payment.refunded"


@pytest.mark.parametrize("is_first", [False, True])
async def test_the_refund_of_an_invoice_is_joined_by_its_payment_intent(desk: Desk, *, is_first: bool) -> None:
    if not is_first:
        await desk.do(invoices.settle, invoice())
    await desk.do(reversals.note, refund(450, currency="eur"))
    await desk.do(reversals.attach, "pi_1", "in_1")
    if is_first:
        assert {row["id"] for row in await desk.rows(stripe_objects)} == {"pi_1", "in_1"}
        await desk.do(invoices.settle, invoice(payment_intent_id="pi_1"))
    assert await desk.balance() == 50
    await desk.do(reversals.attach, "pi_1", "in_1")
    await desk.do(invoices.settle, invoice(payment_intent_id="pi_1"))
    assert await desk.balance() == 50


async def test_an_invoice_of_nobody_is_not_asked_for(desk: Desk) -> None:
    assert (await desk.do(reversals.attach, "pi_1", "in_1")).status == "accepted"
    assert [row["wanted"] for row in await desk.rows(stripe_objects)] == [0]


async def test_a_refund_without_a_payment_intent_is_kept(desk: Desk) -> None:
    assert (await desk.do(reversals.note, refund(payment_intent_id=None))).status == "processed"
    assert (await desk.row(table))["payment_id"] is None


async def test_an_amount_is_corrected_by_what_is_read_and_never_by_an_event(desk: Desk) -> None:
    await paid(desk)
    await desk.do(reversals.note, dispute(500))
    assert (await desk.do(reversals.note, dispute(250), is_current=False)).status == "accepted"
    assert await desk.balance() == 0
    await desk.do(reversals.note, dispute(250))
    assert await desk.balance() == 50


async def test_the_last_word_of_a_stage_stays(desk: Desk) -> None:
    await paid(desk)
    for status in ("needs_response", "lost", "under_review"):
        await desk.do(reversals.note, dispute(status=status))
    assert (await desk.row(table))["status"] == "lost"


async def test_what_was_refunded_as_a_whole_entitles_no_more(desk: Desk) -> None:
    await desk.begin("kept-once")
    await desk.do(purchases.settle, session(amount_total_minor=1000))
    assert await entitlements.features_of(desk.till, ALICE) == {"lasting"}
    await desk.do(reversals.note, refund(999))
    assert await entitlements.features_of(desk.till, ALICE) == {"lasting"}
    await desk.do(reversals.note, refund(1, id="re_2"))
    assert await entitlements.features_of(desk.till, ALICE) == frozenset()


@given(st.integers(0, 10**9), st.integers(0, 10**8), st.integers(0, 2 * 10**8))
def test_the_share_is_rounded_down_and_never_more_than_all(credits: int, amount: int, gone: int) -> None:
    target = target_of(credits, amount, gone)
    assert 0 <= target <= credits
    if amount and gone >= amount:
        assert target == credits
    if amount:
        assert target * amount <= credits * min(gone, amount) < (target + 1) * amount
        assert target_of(credits, amount, gone + 1) >= target
