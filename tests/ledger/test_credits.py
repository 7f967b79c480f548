"""What happens to credits: granted, spent, held, expired, taken back and given again."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from tests.ledger.rig import LOTS, Ledger
from tollhouse.clock import DAY
from tollhouse.ledger import expiry, holds, overview
from tollhouse.ledger.api import Credits
from tollhouse.ledger.entries import told
from tollhouse.ledger.errors import CreditsInsufficient, CreditsInvalid, HoldEnded, HoldUnknown, UserUnknown
from tollhouse.ledger.grants import Source


async def test_a_spend_of_all_leaves_nothing_and_one_more_is_refused(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 10)
    (entry,) = await ledger.spend(alice_id, 10, reference="image-42")
    assert (entry.credits, entry.balance_after, entry.reference) == (-10, 0, "image-42")
    with pytest.raises(CreditsInsufficient) as refused:
        await ledger.spend(alice_id, 1)
    assert refused.value.evidence == {"available": 0, "requested": 1}
    await ledger.check(alice_id)


async def test_who_never_had_credits_can_spend_none_and_gets_no_account(ledger: Ledger, alice_id: str):
    with pytest.raises(CreditsInsufficient):
        await ledger.spend(alice_id, 1)
    assert (await overview.show(ledger.run, alice_id))["lots"] == []
    assert await ledger.balance(alice_id) == (0, 0, 0)


async def test_what_is_no_number_of_credits_is_refused(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 10)
    credits: Any
    for credits in (0, -1, True, 1.0, "1", None, 1_000_000_000_001):
        for change in (ledger.give, ledger.spend):
            with pytest.raises(CreditsInvalid):
                await change(alice_id, credits)
    assert await ledger.balance(alice_id) == (10, 0, 0)


async def test_what_expires_soonest_is_spent_first_then_what_is_oldest(ledger: Ledger, alice_id: str):
    now = ledger.run.now_us
    for name, expires_at in (("old", None), ("late", now + 2 * DAY), ("soon", now + DAY), ("young", None)):
        await ledger.give(alice_id, 10, source=Source("grant", name), expires_at=expires_at)
        ledger.run.clock.advance(1)
    left: list[dict[str, int]] = []
    for credits in (5, 10, 10, 10):  # within one lot, over two, and so on
        await ledger.spend(alice_id, credits)
        left.append({row["source_id"]: row["remaining"] for row in await ledger.rows(LOTS, alice_id)})
        await ledger.check(alice_id)
    assert left == [
        {"old": 10, "late": 10, "soon": 5, "young": 10},
        {"old": 10, "late": 5, "soon": 0, "young": 10},
        {"old": 5, "late": 0, "soon": 0, "young": 10},
        {"old": 0, "late": 0, "soon": 0, "young": 5},
    ]


async def test_expired_credits_cannot_be_spent_even_before_the_schedule_comes_by(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 10, expires_at=ledger.run.now_us + DAY)
    await ledger.give(alice_id, 3)
    ledger.run.clock.advance(86_400)
    assert (await overview.show(ledger.run, alice_id))["available"] == 3
    with pytest.raises(CreditsInsufficient):
        await ledger.spend(alice_id, 4)
    written = await ledger.spend(alice_id, 3)
    assert [(entry.kind, entry.credits) for entry in written] == [("expiry", -10), ("spend", -3)]
    await ledger.check(alice_id)


async def test_the_schedule_ends_lots_and_holds_of_everybody(ledger: Ledger):
    people = [await ledger.new_user() for _ in range(3)]
    for user_id in people:
        await ledger.give(user_id, 10, expires_at=ledger.run.now_us + DAY)
        await ledger.give(user_id, 10)
        await ledger.run.db.transact(holds.place, ledger.run, user_id, 15, lifetime_seconds=60)
    ledger.run.clock.advance(86_400)
    await expiry.expire_due(ledger.run)
    for user_id in people:
        assert await ledger.balance(user_id) == (10, 0, 0)
        await ledger.check(user_id)


async def test_a_refund_takes_the_rest_and_makes_debt_of_what_is_spent(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 100, source=Source("purchase", "pur_1"))
    await ledger.spend(alice_id, 30)
    await ledger.reverse(alice_id, "pur_1", 100)
    assert await ledger.balance(alice_id) == (0, 0, 30)
    assert await ledger.reverse(alice_id, "pur_1", 100) == []
    written = await ledger.give(alice_id, 50)
    assert [entry.kind for entry in written] == ["grant", "repay"]
    assert await ledger.balance(alice_id) == (20, 0, 0)
    await ledger.check(alice_id)


async def test_a_refund_that_failed_gives_everything_back(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 100, source=Source("purchase", "pur_1"), expires_at=ledger.run.now_us + DAY)
    await ledger.spend(alice_id, 30)
    for target, expected in ((50, (20, 0, 0)), (100, (0, 0, 30)), (20, (50, 0, 0)), (0, (70, 0, 0))):
        await ledger.reverse(alice_id, "pur_1", target)
        assert await ledger.balance(alice_id) == expected
        await ledger.check(alice_id)


async def test_what_is_restored_lives_as_long_as_the_lot_it_comes_from(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 100, source=Source("purchase", "pur_1"), expires_at=ledger.run.now_us + DAY)
    await ledger.reverse(alice_id, "pur_1", 100)
    ledger.run.clock.advance(3 * 86_400)
    await ledger.reverse(alice_id, "pur_1", 0)
    restored = next(row for row in await ledger.rows(LOTS, alice_id) if row["kind"] == "restored")
    assert restored["expires_at"] == ledger.run.now_us + DAY
    assert await ledger.balance(alice_id) == (100, 0, 0)


async def test_credits_that_expired_unused_are_not_owed_after_a_refund(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 100, source=Source("purchase", "pur_1"), expires_at=ledger.run.now_us + DAY)
    await ledger.spend(alice_id, 40)
    ledger.run.clock.advance(86_400)
    await ledger.reverse(alice_id, "pur_1", 100)
    assert await ledger.balance(alice_id) == (0, 0, 40)


async def test_held_credits_of_a_refunded_purchase_repay_the_debt_once_they_are_released(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 10, source=Source("purchase", "pur_1"))
    hold = await ledger.run.db.transact(holds.place, ledger.run, alice_id, 10)
    await ledger.reverse(alice_id, "pur_1", 10)
    assert await ledger.balance(alice_id) == (0, 10, 10)
    await ledger.run.db.transact(holds.release, ledger.run, hold.id)
    assert await ledger.balance(alice_id) == (0, 0, 0)
    await ledger.check(alice_id)


def period(place: int, *, renews: bool = True) -> Source:
    return Source("subscription", f"in_{place}", "sub_1", place, renews)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_invoices_in_any_order_leave_the_credits_of_the_newest_period(
    ledger: Ledger, alice_id: str, order: tuple[int, ...]
):
    for place in order:
        await ledger.give(alice_id, 10 * place, source=period(place))
        await ledger.check(alice_id)
    living = [(row["source_id"], row["remaining"]) for row in await ledger.rows(LOTS, alice_id) if row["remaining"]]
    assert living == [("in_3", 30)]


async def test_credits_that_roll_over_stay(ledger: Ledger, alice_id: str):
    for place in (2, 1, 3):
        await ledger.give(alice_id, 10, source=period(place, renews=False))
    assert await ledger.balance(alice_id) == (30, 0, 0)


async def test_what_is_held_survives_a_renewal_and_can_be_captured(ledger: Ledger, alice_id: str):
    await ledger.give(alice_id, 10, source=period(1))
    hold = await ledger.run.db.transact(holds.place, ledger.run, alice_id, 4)
    await ledger.give(alice_id, 10, source=period(2))
    assert await ledger.balance(alice_id) == (10, 4, 0)
    captured, _ = await ledger.run.db.transact(holds.capture, ledger.run, hold.id, 3)
    assert (captured.status, captured.captured) == ("captured", 3)
    assert await ledger.balance(alice_id) == (10, 0, 0), "the one that came back has expired"
    await ledger.check(alice_id)


async def test_a_hold_ends_once(ledger: Ledger, alice_id: str):
    db, run = ledger.run.db, ledger.run
    await ledger.give(alice_id, 10)
    captured, released, overdue = [await db.transact(holds.place, run, alice_id, 3) for _ in range(3)]
    await db.transact(holds.capture, run, captured.id)
    await db.transact(holds.release, run, released.id)
    run.clock.advance(holds.LIFETIME_SECONDS)
    for hold in (captured, released, overdue):
        for end in (holds.capture, holds.release):
            with pytest.raises(HoldEnded):
                await db.transact(end, run, hold.id)
    with pytest.raises(HoldUnknown):
        await db.transact(holds.capture, run, "hld_none")
    await ledger.spend(alice_id, 7)  # what was overdue is free again
    await ledger.check(alice_id)


async def test_more_than_is_held_cannot_be_captured_nor_more_than_there_is_be_held(ledger: Ledger, alice_id: str):
    db, run = ledger.run.db, ledger.run
    await ledger.give(alice_id, 10)
    hold = await db.transact(holds.place, run, alice_id, 8)
    with pytest.raises(CreditsInvalid):
        await db.transact(holds.capture, run, hold.id, 9)
    with pytest.raises(CreditsInsufficient):
        await db.transact(holds.place, run, alice_id, 3)
    with pytest.raises(CreditsInsufficient):
        await ledger.spend(alice_id, 3)
    for lifetime in (0, True, holds.LIFETIME_SECONDS_MAX + 1):
        with pytest.raises(CreditsInvalid):
            await db.transact(holds.place, run, alice_id, 1, lifetime_seconds=lifetime)
    assert await ledger.balance(alice_id) == (2, 8, 0)


async def test_the_app_is_told_once_when_credits_run_low(ledger: Ledger, alice_id: str):
    types: list[str] = []
    for written in (
        await ledger.give(alice_id, 10),
        await ledger.spend(alice_id, 5),
        await ledger.spend(alice_id, 1),
        await ledger.spend(alice_id, 1),
    ):
        types += [kind for kind, _ in told(ledger.run, *written)]
    assert types == ["credits.granted", "credits.spent", "credits.spent", "credits.low", "credits.spent"]


async def test_python_asks_for_a_balance_by_any_id(ledger: Ledger, alice_id: str):
    credits = Credits(lambda: ledger.run)
    await credits.grant("https://clerk.example.com#user_1", 5)
    await credits.grant(alice_id, 3, expires_at=datetime(2199, 1, 1, tzinfo=UTC))
    assert (await credits.balance(alice_id)).available == 3
    assert (await credits.balance("https://clerk.example.com#user_1")).available == 5
    assert (await credits.balance("https://clerk.example.com#user_2")).available == 0
    for nobody in ("alice", "usr_none"):
        with pytest.raises(UserUnknown):
            await credits.balance(nobody)
    with pytest.raises(CreditsInvalid):
        await credits.grant(alice_id, 3, expires_at=datetime(2199, 1, 1))  # noqa: DTZ001 (that is what is refused)
