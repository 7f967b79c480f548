"""SQLite shared with other processes: locks are waited for off the event loop, and end."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.db.rows import NAMES, VALUE, add, file_of, locked, measured_lag, open_database, raise_value, settled
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


async def raise_elsewhere(url: str, times: int) -> int:
    """Raise the counter in a process of its own; return its exit code."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.db.writer_process", url, "counter", str(times), cwd=TESTS.parent
    )
    return await child.wait()


async def test_a_short_lock_is_waited_for_without_holding_up_the_loop(db: Database, url: str) -> None:
    await db.transact(add, "before")
    with locked(file_of(url)):
        async with measured_lag() as worst:
            writing = asyncio.create_task(db.transact(add, "alice"))
            for _ in range(40):
                await asyncio.sleep(0.01)
                assert await db.fetch_all(NAMES) == ["before"], "readers wait for nobody"
        assert not writing.done()
    assert await asyncio.wait_for(writing, 2) == "alice"
    assert worst[0] < 0.15


@pytest.mark.slow
async def test_a_long_lock_is_said_to_be_unavailable_and_then_it_works_again(db: Database, url: str) -> None:
    with locked(file_of(url)):
        started = asyncio.get_running_loop().time()
        outcomes = await settled(*(db.transact(add, f"{n}") for n in range(20)))
        assert 4 < asyncio.get_running_loop().time() - started < 7
    assert all(isinstance(outcome, DatabaseUnavailable) for outcome in outcomes)
    assert all("SQLITE_BUSY" in outcome.detail and outcome.status == 503 for outcome in outcomes)
    assert await db.transact(add, "alice") == "alice"
    assert await db.fetch_all(NAMES) == ["alice"]


@pytest.mark.slow
async def test_processes_that_write_at_once_lose_no_update(db: Database, url: str) -> None:
    await db.transact(add, "counter")
    own = [db.transact(raise_value, "counter") for _ in range(200)]
    codes = await asyncio.gather(raise_elsewhere(url, 200), raise_elsewhere(url, 200), *own)
    assert codes[:2] == [0, 0]
    assert await db.fetch_one(VALUE, wanted="counter") == 600


@pytest.mark.slow
async def test_opening_and_closing_side_by_side_never_fails(url: str) -> None:
    """The last to close folds the log into the file under an exclusive lock, which whoever opens then waits out."""

    async def come_and_go(name: str) -> None:
        for n in range(10):
            db = await open_database(url)
            await db.transact(add, f"{name} {n}")
            assert f"{name} {n}" in await db.fetch_all(NAMES)
            await db.close()

    await asyncio.gather(*(come_and_go(name) for name in "abcd"))


async def test_a_file_that_another_process_is_just_switching_is_waited_for(tmp_path: Path) -> None:
    """SQLite does not wait here by itself: who holds a read lock and is asked to give way is told so at once."""
    path = tmp_path / "tollhouse.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("CREATE TABLE notes (text)")  # in a rollback journal yet
        other.execute("BEGIN EXCLUSIVE")
        opened = asyncio.create_task(open_database(f"sqlite:///{path}"))
        await asyncio.sleep(0.2)
        assert not opened.done()
        other.execute("COMMIT")
        db = await opened
    assert await db.now_us() > 0
    await db.close()
