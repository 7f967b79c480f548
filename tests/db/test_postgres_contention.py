"""PostgreSQL that refuses again and again: what is tried, how often, and what the caller is told then."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.db.rows import NAMES, add, open_database
from tests.support.databases import PostgresDatabases
from tollhouse.db import Database, Statement, Transaction
from tollhouse.db.postgres import TRIES_MAX
from tollhouse.errors import DatabaseUnavailable

ALWAYS = {
    "serialisation": Statement(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$"), str),
    "deadlock": Statement(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"), str),
}


@pytest.fixture(params=[False, True], ids=["own", "pooler"])
async def db(
    request: pytest.FixtureRequest, postgres_databases: PostgresDatabases, tmp_path: Path
) -> AsyncIterator[Database]:
    async with postgres_databases.migrated(tmp_path) as url:
        db = await open_database(url, behind_pooler=request.param)
        yield db
        await db.close()


@pytest.mark.parametrize("reason", ALWAYS)
async def test_contention_without_end_is_said_to_be_unavailable_for_now(db: Database, reason: str) -> None:
    runs = 0

    async def work(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await add(tx, "mallory")
        await tx.execute(ALWAYS[reason])

    with pytest.raises(DatabaseUnavailable, match="contention") as refusal:
        await db.transact(work)
    assert refusal.value.retry_after_seconds == 1
    assert runs == TRIES_MAX
    with pytest.raises(DatabaseUnavailable, match="contention"):
        await db.write(ALWAYS[reason])
    assert await db.fetch_all(NAMES) == [], "no try has left anything"
    assert await db.transact(add, "alice") == "alice"


async def test_the_last_try_counts_as_much_as_the_first(db: Database) -> None:
    runs = 0

    async def work(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await add(tx, "alice")
        if runs < TRIES_MAX:
            await tx.execute(ALWAYS["serialisation"])

    await db.transact(work)
    assert runs == TRIES_MAX
    assert await db.fetch_all(NAMES) == ["alice"]
