"""Tasks cancelled inside a transaction on PostgreSQL, at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select

from tests.db.rows import NAMES, RAISE, VALUE, add, open_database, raise_value, settled
from tests.support.databases import PostgresDatabases
from tollhouse.db import Database, Statement, Transaction

SLEEP = Statement(select(func.pg_sleep(bindparam("seconds"))), lambda _: None)
OWN_PID = Statement(select(func.pg_backend_pid()), int)


@pytest.fixture
async def url(postgres_databases: PostgresDatabases, tmp_path: Path) -> AsyncIterator[str]:
    async with postgres_databases.migrated(tmp_path) as url:
        yield url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = await open_database(url)
    yield db
    await db.close()


@pytest.fixture
async def direct(url: str) -> AsyncIterator[Any]:
    """A connection past the code under test."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def open_transactions(direct: Any) -> Callable[[], Any]:
    """How many connections to this database are inside a transaction."""
    return lambda: direct.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
    )


@pytest.mark.parametrize("behind_pooler", [False, True])
async def test_tasks_cancelled_at_any_moment_leave_no_transaction_open(
    url: str, direct: Any, behind_pooler: bool
) -> None:
    """A connection that went back with a transaction open would swallow the next task's writes."""
    db = await open_database(url, behind_pooler=behind_pooler)
    await db.transact(add, "counter")

    async def work(tx: Transaction) -> None:
        await raise_value(tx, "counter")
        await tx.fetch_one(SLEEP, seconds=0.005)
        await raise_value(tx, "counter")

    loop = asyncio.get_running_loop()
    for step in range(60):
        task = asyncio.create_task(db.transact(work))
        loop.call_later(0.0002 * step, task.cancel)
        if step % 3 == 0:
            loop.call_later(0.0002 * step + 0.0003, task.cancel)  # once more, while it rolls back
        (outcome,) = await settled(task)
        assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
        before = await db.fetch_one(VALUE, wanted="counter")
        assert before is not None
        assert before % 2 == 0, "both or neither"
        assert await direct.fetchval("SELECT held_until FROM tollhouse_leases") == before
    assert await open_transactions(direct)() == 0
    assert await db.write(RAISE, wanted="counter") == 1
    assert await direct.fetchval("SELECT held_until % 2 FROM tollhouse_leases") == 1, "what was told is committed"
    await db.close()


async def test_a_lost_connection_does_not_hide_that_the_task_was_cancelled(db: Database, direct: Any) -> None:
    async def work(tx: Transaction) -> None:
        await add(tx, "mallory")
        await direct.execute("SELECT pg_terminate_backend($1)", await tx.fetch_one(OWN_PID))
        await asyncio.sleep(10)

    task = asyncio.create_task(db.transact(work))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await db.fetch_all(NAMES) == []
