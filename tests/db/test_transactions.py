"""What both databases promise about a transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable

import asyncpg
import pytest
from sqlalchemy import bindparam, update

from tests.db.rows import ADD, NAMES, RAISE, VALUE, add, open_database, raise_value, settled, unavailable
from tollhouse.db import Database, Statement, Together, Transaction, connect
from tollhouse.errors import Forbidden
from tollhouse.events.tables import leases
from tollhouse.testing import make_settings

SET = Statement(update(leases).where(leases.c.name == bindparam("wanted")).values(held_until=bindparam("value")), str)
ADD_AND_RAISE = Together(ADD, RAISE)
SET_AND_ADD = Together(SET, ADD)
TAKEN = (sqlite3.IntegrityError, asyncpg.UniqueViolationError)

OpenAnother = Callable[[], Awaitable[Database]]


class Unusual(BaseException):
    """What no `except Exception` catches."""


async def test_what_was_acknowledged_is_read_by_another_replica(database: Database, open_another: OpenAnother) -> None:
    assert await database.transact(add, "alice", value=7) == "alice"
    assert await (await open_another()).fetch_one(VALUE, wanted="alice") == 7


@pytest.mark.parametrize(
    "error", [Forbidden(), ValueError(), KeyError(), StopIteration(), Unusual(), asyncio.CancelledError()]
)
async def test_whatever_a_work_raises_undoes_it_and_comes_out(database: Database, error: BaseException) -> None:
    async def work(tx: Transaction) -> None:
        await add(tx, "mallory")
        raise error

    # Python itself turns a StopIteration that leaves a coroutine into a RuntimeError.
    with pytest.raises(RuntimeError if isinstance(error, StopIteration) else type(error)):
        await database.transact(work)
    await database.transact(add, "alice")
    assert await database.fetch_all(NAMES) == ["alice"]


async def test_a_failed_statement_that_a_work_hides_is_never_acknowledged(database: Database) -> None:
    await database.transact(add, "alice")

    async def work(tx: Transaction) -> None:
        await add(tx, "bob")
        try:
            await add(tx, "alice")
        except TAKEN:
            return

    if database.dialect == "sqlite":  # undoes the one statement
        await database.transact(work)
        assert await database.fetch_all(NAMES) == ["alice", "bob"]
        return
    with pytest.raises(AssertionError, match="failed"):  # undoes everything, at a COMMIT that complains of nothing
        await database.transact(work)
    assert await database.fetch_all(NAMES) == ["alice"]


async def test_our_own_mistakes_are_not_called_an_outage(database: Database) -> None:
    await database.transact(add, "alice")
    with pytest.raises(TAKEN):
        await database.write(ADD, name="alice", value=0)
    with pytest.raises((sqlite3.ProgrammingError, asyncpg.DataError)):
        await database.write(ADD, name=object(), value=0)
    with pytest.raises((OverflowError, asyncpg.DataError)):
        await database.write(ADD, name="bob", value=2**80)
    with pytest.raises(TypeError):
        await database.write(ADD, name="bob")
    assert await database.fetch_all(NAMES) == ["alice"]


async def test_concurrent_transactions_lose_no_update(database: Database, open_another: OpenAnother) -> None:
    await database.transact(add, "counter")
    other = await open_another()
    seen = await asyncio.gather(*(db.transact(raise_value, "counter") for db in [database, other] * 50))
    assert sorted(value or 0 for value in seen) == list(range(1, 101))


async def test_a_reader_sees_only_what_is_committed(database: Database) -> None:
    async def work(tx: Transaction) -> tuple[list[str], list[str]]:
        await add(tx, "alice")
        return await tx.fetch_all(NAMES), await database.fetch_all(NAMES)

    assert await database.transact(work) == (["alice"], [])
    assert await database.fetch_all(NAMES) == ["alice"]


async def test_a_cancelled_waiter_disturbs_nobody(database: Database) -> None:
    await database.transact(add, "counter")
    tasks = [asyncio.create_task(database.transact(raise_value, "counter")) for _ in range(60)]
    for step in range(3):
        await asyncio.sleep(0.001 * step)
        for task in tasks[step::4]:
            task.cancel()
    outcomes = await settled(*tasks)
    told = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert len(told) >= 15, "whoever was not cancelled is told"
    assert len(set(told)) == len(told)
    value = await database.fetch_one(VALUE, wanted="counter")
    assert value is not None
    assert max(told) <= value <= 60
    assert await database.transact(raise_value, "counter") == value + 1


async def test_single_statements_return_counts_and_rows(database: Database) -> None:
    assert await database.write(RAISE, wanted="nobody") == 0
    assert await database.write(ADD, name="alice", value=1) == 1
    assert await database.write(RAISE, wanted="alice") == 1
    assert await database.fetch_one(VALUE, wanted="nobody") is None


async def test_a_statement_runs_once_for_each_set_of_parameters_or_not_at_all(database: Database) -> None:
    async def work(tx: Transaction, *names: str) -> None:
        await tx.execute_many(ADD, [{"name": name, "value": 1} for name in names])

    await database.transact(work)
    assert await database.fetch_all(NAMES) == []
    await database.transact(work, "alice", "bob")
    with pytest.raises(TAKEN):
        await database.transact(work, "carol", "alice")
    assert await database.fetch_all(NAMES) == ["alice", "bob"]


async def test_changes_together_are_all_made_or_none(database: Database) -> None:
    await database.write(ADD, name="alice", value=1)
    await database.write_together(ADD_AND_RAISE, name="bob", value=7, wanted="alice")
    assert [await database.fetch_one(VALUE, wanted=name) for name in ("alice", "bob")] == [2, 7]
    with pytest.raises(TAKEN):
        await database.write_together(SET_AND_ADD, wanted="alice", name="bob", value=9)
    assert await database.fetch_one(VALUE, wanted="alice") == 2
    await database.write_together(SET_AND_ADD, wanted="alice", name="carol", value=9)
    assert [await database.fetch_one(VALUE, wanted=name) for name in ("alice", "carol")] == [9, 9], (
        "one name, one value"
    )


async def test_the_address_says_which_database(migrated_database_url: str) -> None:
    db = connect(make_settings(database_url=migrated_database_url))
    assert migrated_database_url.startswith(db.dialect)
    await db.open()
    assert await db.transact(add, "alice") == "alice"
    await db.close()


async def test_a_closed_database_refuses_instead_of_waiting_for_ever(migrated_database_url: str) -> None:
    db = await open_database(migrated_database_url)
    await db.transact(add, "alice")
    await db.close()
    outcomes = await settled(db.transact(add, "bob"), db.write(RAISE, wanted="alice"), db.fetch_all(NAMES))
    assert unavailable(outcomes)


async def test_closing_finishes_what_is_under_way(migrated_database_url: str) -> None:
    db = await open_database(migrated_database_url)
    await asyncio.gather(*(db.now_us() for _ in range(9)))  # connections are there
    writes = [asyncio.create_task(db.transact(add, f"row {n:03}")) for n in range(200 if db.dialect == "sqlite" else 9)]
    await asyncio.sleep(0)
    await db.close()
    assert not [outcome for outcome in await settled(*writes) if isinstance(outcome, BaseException)]
