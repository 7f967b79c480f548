"""Many at once, through two connections to one database as two processes have them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any

import pytest

from tests.ledger.rig import Ledger, StillClock, open_ledger
from tollhouse.db.postgres import PostgresDatabase
from tollhouse.errors import DatabaseUnavailable, TollhouseError
from tollhouse.ledger import accounts, holds
from tollhouse.ledger.api import Credits


@pytest.fixture
async def other(ledger: Ledger, migrated_database_url: str) -> AsyncIterator[Ledger]:
    """A second process, so to say, with the same clock."""
    async with open_ledger(migrated_database_url) as opened:
        assert isinstance(opened.run.clock, StillClock)
        opened.run.clock.time = ledger.run.now_us
        yield opened


async def outcome(work: Awaitable[Any]) -> str:
    try:
        await work
    except TollhouseError as error:
        return error.code
    return "done"


def credits_of(ledger: Ledger) -> Credits:
    return Credits(lambda: ledger.run)


async def test_twenty_spenders_of_ten_credits_spend_ten(ledger: Ledger, other: Ledger, alice_id: str):
    await ledger.give(alice_id, 7)
    await ledger.give(alice_id, 3)
    spends = (credits_of((ledger, other)[n % 2]).spend(alice_id, 1) for n in range(20))
    outcomes = Counter(await asyncio.gather(*map(outcome, spends)))
    assert outcomes == {"done": 10, "credits_insufficient": 10}
    assert await ledger.balance(alice_id) == (0, 0, 0)
    await ledger.check(alice_id)


async def test_spends_and_holds_of_different_sizes_never_overspend(ledger: Ledger, other: Ledger, alice_id: str):
    await ledger.give(alice_id, 5)
    await ledger.give(alice_id, 5)

    async def use(number: int) -> int:
        count, credits = number % 3 + 1, credits_of((ledger, other)[number % 2])
        with suppress(TollhouseError):
            if number % 4 == 0:
                placed = await credits.hold(alice_id, count)
                return (await credits.capture(placed["hold_id"]))["captured"]
            return (await credits.spend(alice_id, count))["credits"]
        return 0

    used = sum(await asyncio.gather(*map(use, range(20))))
    available, held, debt = await ledger.balance(alice_id)
    assert (available + used, held, debt) == (10, 0, 0)
    await ledger.check(alice_id)


async def test_of_captures_and_releases_of_one_hold_one_counts(ledger: Ledger, other: Ledger, alice_id: str):
    await ledger.give(alice_id, 10)
    hold = await ledger.run.db.transact(holds.place, ledger.run, alice_id, 4)
    both = [credits_of(ledger), credits_of(other)]
    ends = [both[n % 2].capture(hold.id) if n < 6 else both[n % 2].release(hold.id) for n in range(12)]
    assert Counter(await asyncio.gather(*map(outcome, ends))) == {"done": 1, "hold_ended": 11}
    available, held, _ = await ledger.balance(alice_id)
    assert (held, available in (6, 10)) == (0, True)
    await ledger.check(alice_id)


async def test_one_key_many_times_at_once_spends_once(ledger: Ledger, other: Ledger, alice_id: str):
    await ledger.give(alice_id, 10)
    asked = [credits_of((ledger, other)[n % 2]).spend(alice_id, 3, key="image-42") for n in range(12)]
    replies = await asyncio.gather(*asked)
    assert all(reply == replies[0] for reply in replies)
    assert await ledger.balance(alice_id) == (7, 0, 0)
    assert (await ledger.events(alice_id)).count("credits.spent") == 1


async def test_first_grants_at_once_make_one_account(ledger: Ledger, other: Ledger, alice_id: str):
    await asyncio.gather(*(credits_of((ledger, other)[n % 2]).grant(alice_id, 1) for n in range(8)))
    assert await ledger.balance(alice_id) == (8, 0, 0)
    await ledger.check(alice_id)


async def test_first_words_of_a_foreign_user_at_once_make_one_user(ledger: Ledger, other: Ledger):
    reference = "https://clerk.example.com#user_1"
    replies = await asyncio.gather(*(credits_of((ledger, other)[n % 2]).grant(reference, 1) for n in range(8)))
    (user_id,) = {reply["user_id"] for reply in replies}
    assert await ledger.balance(user_id) == (8, 0, 0)
    assert (await ledger.events(user_id)).count("user.created") == 1


@pytest.mark.slow
async def test_a_locked_account_answers_that_it_is_not_now(ledger: Ledger, other: Ledger, alice_id: str):
    if not isinstance(ledger.run.db, PostgresDatabase):
        return  # there all writes wait in one queue, whose own limit is tested with the database
    await ledger.give(alice_id, 10)
    locked, done = asyncio.Event(), asyncio.Event()

    async def keep(tx: Any) -> None:
        await tx.fetch_one(accounts.LOCK, user_id=alice_id, now=0)
        locked.set()
        await done.wait()

    keeping = asyncio.create_task(other.run.db.transact(keep))
    await locked.wait()
    with pytest.raises(DatabaseUnavailable):
        await ledger.spend(alice_id, 1)
    done.set()
    await keeping
    await ledger.spend(alice_id, 1)
