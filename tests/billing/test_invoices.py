"""Invoices: credits come with what was paid for a period."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from itertools import permutations

import pytest

from tests.billing.facts import ALICE, MONTH, NOW, Desk, invoice, line, open_desk, subscription
from tollhouse.billing import invoices, subscriptions
from tollhouse.billing.catalogue import Catalogue
from tollhouse.billing.tables import payments, stripe_objects
from tollhouse.billing.tables import subscriptions as subscriptions_table
from tollhouse.billing.till import Till
from tollhouse.clock import DAY
from tollhouse.events.tables import events
from tollhouse.ledger.tables import lots


@pytest.fixture
async def desk(migrated_database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(migrated_database_url) as opened:
        yield opened


async def test_a_paid_invoice_grants_once(desk: Desk) -> None:
    for _ in range(3):
        await desk.do(invoices.settle, invoice())
    assert await desk.balance() == 100
    lot = await desk.row(lots)
    assert (lot["series"], lot["series_at"], lot["renews"]) == ("sub_1", NOW, 1)
    assert lot["expires_at"] == NOW + MONTH + 7 * DAY
    row = await desk.row(payments)
    assert (row["id"], row["product_id"], row["amount_minor"], row["credits"]) == ("in_1", "pro", 900, 100)
    assert await desk.told() == ["payment.succeeded", "credits.granted"]


async def test_a_renewal_ends_what_is_left_in_any_order(desk: Desk) -> None:
    for number, order in enumerate(permutations(range(3))):
        for index in order:
            start = NOW + index * MONTH
            each = line(period_start=start, period_end=start + MONTH)
            await desk.do(invoices.settle, invoice(each, id=f"in_{number}_{index}", subscription_id=f"sub_{number}"))
        assert await desk.balance() == 100 * (number + 1)


async def test_what_rolls_over_stays(desk: Desk) -> None:
    for index in range(2):
        each = line("roll-monthly", period_start=NOW + index * MONTH, amount_minor=1000)
        await desk.do(invoices.settle, invoice(each, id=f"in_{index}"))
    assert await desk.balance() == 100
    assert {lot["expires_at"] for lot in await desk.rows(lots)} == {None}


@pytest.mark.parametrize(("reason", "credits"), [("subscription_create", 10), ("subscription_update", 0)])
async def test_a_trial_brings_its_own_credits(desk: Desk, reason: str, credits: int) -> None:
    trial = line("roll-monthly", amount_minor=0, quantity=2)
    await desk.do(invoices.settle, invoice(trial, amount_paid_minor=0, billing_reason=reason))
    assert await desk.balance() == credits


async def test_a_month_for_nothing_by_coupon_brings_what_a_paid_one_does(desk: Desk) -> None:
    await desk.do(invoices.settle, invoice(amount_paid_minor=0))
    assert await desk.balance() == 100


async def test_an_upgrade_in_the_period_brings_what_it_costs(desk: Desk) -> None:
    lines = [
        line(amount_minor=-450, is_proration=True),
        line("pro-yearly", amount_minor=4500, is_proration=True, period_start=NOW + 1),
    ]
    await desk.do(invoices.settle, invoice())
    await desk.do(invoices.settle, invoice(*lines, id="in_2", billing_reason="subscription_update"))
    assert await desk.balance() == 100 + 600 - 50


@pytest.mark.parametrize(
    ("paid", "total", "credits"), [(3600, 3600, 400), (1800, 3600, 200), (0, 3600, 0), (0, 0, 0), (0, -3600, 0)]
)
async def test_a_change_paid_from_what_an_earlier_one_gave_back_brings_nothing(
    desk: Desk, paid: int, total: int, credits: int
) -> None:
    lines = [line(amount_minor=-900, is_proration=True), line(amount_minor=4500, is_proration=True, quantity=5)]
    change = invoice(*lines, amount_paid_minor=paid, total_minor=total, billing_reason="subscription_update")
    await desk.do(invoices.settle, change)
    assert await desk.balance() == credits


async def test_a_price_pushed_elsewhere_just_now_brings_its_credits(desk: Desk) -> None:
    unlearnt = Catalogue(desk.till.run.settings, livemode=False)
    desk.till = Till(desk.till.run, desk.till.stripe, unlearnt)
    await desk.do(subscriptions.write, subscription())
    await desk.do(invoices.settle, invoice())
    assert await desk.balance() == 100
    assert (await desk.row(subscriptions_table))["price_id"] == "pro-monthly"


@pytest.mark.parametrize(
    ("reason", "amount"), [("subscription_cycle", 450), ("subscription_update", -450), ("subscription_update", 8)]
)
async def test_a_change_that_is_not_paid_at_once_brings_nothing(desk: Desk, reason: str, amount: int) -> None:
    change = line(amount_minor=amount, is_proration=True)
    await desk.do(invoices.settle, invoice(change, line("nobody", is_proration=True), billing_reason=reason))
    assert await desk.balance() == 0


async def test_an_unpaid_one_and_one_that_is_not_whole_grant_nothing_yet(desk: Desk) -> None:
    assert (await desk.do(invoices.settle, invoice(status="open"))).status == "processed"
    assert (await desk.do(invoices.settle, invoice(has_more_lines=True))).status == "accepted"
    assert (await desk.row(stripe_objects))["id"] == "in_1"
    assert await desk.rows(payments) == []


async def test_whose_it_is_may_be_told_by_the_purchase(desk: Desk) -> None:
    await desk.begin("pro-monthly")
    for changes in ({"customer_id": "cus_other"}, {"subscription_id": None}):
        assert (await desk.do(invoices.settle, invoice(**changes))).status == "ignored"
    outcome = await desk.do(invoices.settle, invoice(customer_id="cus_other", purchase_id="pur_1"))
    assert outcome.user_id == ALICE
    assert await desk.balance() == 100


async def test_only_a_purchase_of_this_user_is_named(desk: Desk) -> None:
    await desk.begin("pro-monthly")
    await desk.begin("pro-monthly", id="pur_bobs", user_id="usr_bob", checkout_session_id="cs_bob")
    await desk.begin("pro-monthly", id="pur_live", livemode=1, checkout_session_id="cs_live")
    for number, (said, named) in enumerate({"pur_1": "pur_1", "pur_bobs": None, "pur_live": None, "x": None}.items()):
        facts = invoice(id=f"in_{number}", purchase_id=said)
        await desk.do(invoices.settle, facts)
        _, failure = await desk.do(invoices.failed, facts, ALICE)
        rows = {row["id"]: row["purchase_id"] for row in await desk.rows(payments)}
        paid = [row for row in await desk.rows(events) if row["type"] == "payment.succeeded"]
        told = {row["subject"]: json.loads(row["data"]) for row in paid}
        assert (rows[facts.id], told[facts.id]["purchase_id"], failure["purchase_id"]) == (named, named, named), said


async def test_a_price_that_nobody_knows_brings_no_credits(desk: Desk) -> None:
    await desk.do(invoices.settle, invoice(line("nobody")))
    assert (await desk.row(payments))["product_id"] is None
    assert await desk.balance() == 0
