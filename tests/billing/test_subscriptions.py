"""Subscriptions as they were read at Stripe, and what they entitle to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.billing.facts import ALICE, MONTH, NOW, Desk, invoice, open_desk, subscription
from tollhouse.billing import entitlements, subscriptions
from tollhouse.billing.tables import subscriptions as table
from tollhouse.clock import DAY
from tollhouse.identity.tables import users

PRO = {"exports", "long-history"}


@pytest.fixture
async def desk(migrated_database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(migrated_database_url) as opened:
        yield opened


async def write(desk: Desk, **changes: Any) -> Any:
    return await desk.do(subscriptions.write, subscription(**changes))


@pytest.mark.parametrize(
    ("status", "entitles"),
    [
        *(("trialing", True), ("active", True), ("past_due", True)),
        *(("incomplete", False), ("incomplete_expired", False), ("unpaid", False)),
        *(("paused", False), ("canceled", False)),
    ],
)
async def test_each_of_the_eight_statuses_entitles_or_not(desk: Desk, status: str, *, entitles: bool) -> None:
    await write(desk, status=status)
    assert bool(await entitlements.features_of(desk.till, ALICE)) is entitles


async def test_grace_counts_from_the_first_day_past_due(desk: Desk) -> None:
    await write(desk, status="past_due")
    desk.clock.at += 6 * DAY
    await write(desk, status="past_due", current_period_end=NOW + MONTH + 1)
    assert await entitlements.features_of(desk.till, ALICE) == PRO
    desk.clock.at += DAY
    assert await entitlements.features_of(desk.till, ALICE) == frozenset()
    await write(desk)
    assert (await desk.row(table))["past_due_since"] is None
    assert await entitlements.features_of(desk.till, ALICE) == PRO


async def test_what_has_not_changed_is_not_told(desk: Desk) -> None:
    for _ in range(2):
        await write(desk)
    assert await desk.told() == ["subscription.updated"]
    await write(desk, cancel_at=NOW + MONTH)
    await write(desk, cancel_at=NOW + MONTH)
    assert await desk.told() == ["subscription.updated"] * 2


async def test_its_end_is_told_once(desk: Desk) -> None:
    await write(desk)
    for _ in range(2):
        await write(desk, status="canceled", ended_at=NOW)
    assert await desk.told() == ["subscription.updated", "subscription.ended"]
    assert await subscriptions.living(desk.till.run, ALICE, 0) == []


async def test_another_plan_is_another_price(desk: Desk) -> None:
    await write(desk)
    await write(desk, stripe_price_id="price_pro-yearly")
    (living,) = await subscriptions.living(desk.till.run, ALICE, 0)
    assert living.price_id == "pro-yearly"


async def test_its_newest_invoice_is_settled_with_it(desk: Desk) -> None:
    for _ in range(2):
        await write(desk, latest_invoice=invoice())
    assert await desk.balance() == 100
    assert await desk.told() == ["subscription.updated", "payment.succeeded", "credits.granted"]


async def test_two_of_one_product_raise_an_alarm(desk: Desk) -> None:
    await write(desk)
    with capture_logs() as logs:
        await write(desk, id="sub_2")
    assert [(each["event"], each["subscription_id"]) for each in logs] == [("subscription_doubled", "sub_2")]


async def test_whose_it_is(desk: Desk) -> None:
    await desk.begin("pro-monthly")
    stranger = {"customer_id": "cus_other"}
    assert (await write(desk, **stranger, id="sub_a", user_id=None)).status == "ignored"
    assert (await write(desk, **stranger, id="sub_b")).status == "ignored"  # nobody of that name
    assert (await write(desk, stripe_price_id="price_other", id="sub_c")).status == "ignored"
    assert (await write(desk, **stranger, id="sub_d", purchase_id="pur_1", user_id=None)).user_id == ALICE
    await desk.add(users, id="usr_bob", address_digest=b"b" * 32, created_at=NOW)
    assert (await write(desk, **stranger, id="sub_e", user_id="usr_bob")).user_id == "usr_bob"


async def test_the_other_mode_is_left_alone(desk: Desk) -> None:
    await write(desk)
    live = Desk(desk.db, livemode=True)
    assert (await live.do(subscriptions.write, subscription(status="canceled"))).status == "ignored"
    assert (await desk.row(table))["status"] == "active"


async def test_stripes_own_features_are_replaced_as_read(desk: Desk) -> None:
    await write(desk)
    for features in ({"a", "b"}, {"b", "c"}, {"b", "c"}):
        await desk.do(entitlements.replace, ALICE, frozenset(features))
    assert await entitlements.features_of(desk.till, ALICE) == PRO | {"b", "c"}
