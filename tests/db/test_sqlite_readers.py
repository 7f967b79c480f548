"""Readers of SQLite wait for nobody, but for a process that recovers the write-ahead log."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.db.rows import NAMES, add, file_of, measured_lag, open_database
from tests.support.databases import SqliteDatabases
from tests.support.testdata import TESTS
from tollhouse.db import Database
from tollhouse.errors import DatabaseUnavailable


@pytest.fixture
async def url(sqlite_databases: SqliteDatabases, tmp_path: Path) -> AsyncIterator[str]:
    async with sqlite_databases.migrated(tmp_path) as url:
        yield url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = await open_database(url)
    yield db
    await db.close()


@asynccontextmanager
async def recovering(file: Path) -> AsyncIterator[asyncio.Event]:
    """Have another process recover the log, until the event is set or the block ends."""
    index = file.with_name(file.name + "-shm")
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.db.recovery_process", str(index), cwd=TESTS.parent, stdin=pipe, stdout=pipe
    )
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 20) == b"locked\n"
    enough = asyncio.Event()

    async def end() -> None:
        await enough.wait()
        await child.communicate(b"\n")

    ending = asyncio.create_task(end())
    try:
        yield enough
    finally:
        enough.set()
        await ending


async def test_a_short_recovery_is_waited_for_without_holding_up_the_loop(db: Database, url: str) -> None:
    await db.transact(add, "alice")
    async with recovering(file_of(url)) as enough, measured_lag() as worst:
        reading = asyncio.create_task(db.fetch_all(NAMES))
        await asyncio.sleep(0.03)
        assert not reading.done()
        enough.set()
        assert await asyncio.wait_for(reading, 2) == ["alice"]
    assert worst[0] < 0.15


async def test_a_long_recovery_is_said_to_be_unavailable_and_then_it_works_again(db: Database, url: str) -> None:
    await db.transact(add, "alice")
    async with recovering(file_of(url)):
        started = asyncio.get_running_loop().time()
        with pytest.raises(DatabaseUnavailable, match="SQLITE_BUSY"):
            await db.fetch_all(NAMES)
        assert 0.2 < asyncio.get_running_loop().time() - started < 2
    assert await db.fetch_all(NAMES) == ["alice"]
    assert await db.transact(add, "bob") == "bob"
