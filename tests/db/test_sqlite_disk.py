"""SQLite on disks and systems that fail: what is refused, what is undone, and what works again."""

from __future__ import annotations

import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.db.rows import NAMES, add, file_of, open_database, settled, unavailable
from tests.support.databases import SqliteDatabases
from tollhouse.db import Database, Statement, Transaction
from tollhouse.db.sqlite import QUEUE_SIZE_MAX
from tollhouse.errors import DatabaseUnavailable
from tollhouse.testing import TestKit

DESCRIPTORS_MAX = 200


@pytest.fixture
async def url(sqlite_databases: SqliteDatabases, tmp_path: Path) -> AsyncIterator[str]:
    async with sqlite_databases.migrated(tmp_path) as url:
        yield url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = await open_database(url)
    yield db
    await db.close()


def open_descriptors() -> dict[int, os.stat_result]:
    found: dict[int, os.stat_result] = {}
    for number in range(DESCRIPTORS_MAX):
        try:
            found[number] = os.fstat(number)
        except OSError:
            continue
    return found


@contextmanager
def failing_fsync(file: Path) -> Iterator[None]:
    """Put a device that takes every write and can be synced by nobody behind what this process has open of the log."""
    log = file.with_name(file.name + "-wal").stat()
    numbers = [number for number, stat in open_descriptors().items() if os.path.samestat(stat, log)]
    assert numbers
    kept = {number: os.dup(number) for number in numbers}
    device = os.open(os.devnull, os.O_RDWR)
    try:
        for number in numbers:
            os.dup2(device, number, inheritable=False)
        yield
    finally:
        for number, original in kept.items():
            os.dup2(original, number, inheritable=False)
            os.close(original)
        os.close(device)


@contextmanager
def descriptors_left(number: int) -> Iterator[None]:
    """Let this process open so many files more."""
    free = [each for each in range(DESCRIPTORS_MAX) if each not in open_descriptors()]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[number], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_after_a_failed_fsync_nothing_is_written_until_a_restart(db: Database, url: str) -> None:
    await db.transact(add, "before")
    with failing_fsync(file_of(url)):
        outcomes = await settled(db.transact(add, "alice"), db.transact(add, "bob"))
    assert unavailable(outcomes)
    assert all("SQLITE_IOERR_FSYNC" in outcome.detail for outcome in outcomes)
    assert db.is_broken
    with pytest.raises(DatabaseUnavailable, match="restart once it is sound"):
        await db.transact(add, "carol")  # although the disk is sound now: nobody knows what it has lost
    assert await db.fetch_all(NAMES) == ["before"]
    after = await open_database(url)
    assert await after.transact(add, "dave") == "dave"
    assert await after.fetch_all(NAMES) == ["before", "dave"]
    await after.close()


async def test_what_waits_behind_a_failed_fsync_is_refused_too(db: Database, url: str) -> None:
    await db.transact(add, "before")
    with failing_fsync(file_of(url)):
        outcomes = await settled(*(db.transact(add, f"{n}") for n in range(300)))
    assert unavailable(outcomes)
    assert ["IOERR_FSYNC" in outcomes[0].detail, "restart" in outcomes[-1].detail] == [True, True], "another group"
    assert await db.fetch_all(NAMES) == ["before"]


async def test_a_process_whose_disk_failed_says_that_it_wants_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'tollhouse.sqlite'}"
    async with TestKit(database_url=url) as kit:
        browser = kit.new_browser()
        alive = await browser.get("/health/live")
        assert (alive.status_code, alive.json()["status"]) == (200, "ok")
        with failing_fsync(file_of(url)):
            assert (await browser.ask_for_link("alice@example.com")).status_code == 503
        broken = await browser.get("/health/live")
        assert (broken.status_code, broken.json()["status"]) == (503, "failed")
        assert (await browser.ask_for_link("alice@example.com")).status_code == 503
        assert kit.mails == []


async def test_a_file_system_without_a_write_ahead_log_is_refused() -> None:
    with pytest.raises(DatabaseUnavailable, match="keeps no write-ahead log"):
        await open_database("sqlite:///:memory:")  # SQLite's answer is that of a network file system: another mode


async def test_running_out_of_open_files_while_opening_leaves_none_behind(url: str) -> None:
    """Each number of files that are left stops it at another step, the second connection's among them."""
    opened: list[bool] = []
    before = open_descriptors().keys()
    for number in range(10):
        db: Database | None = None
        with descriptors_left(number), suppress(DatabaseUnavailable):
            db = await open_database(url)
        opened.append(db is not None)
        if db is not None:
            assert await db.transact(add, f"{number}") == f"{number}"
            await db.close()
        assert open_descriptors().keys() <= before
    assert opened == sorted(opened), "refused first, opened from some number on"
    assert opened[0] is False
    assert opened[-1] is True


class Unfinished:
    """A statement on the writer that was begun and not read to its end, as a bug would leave it.

    SQLite answers with SQLITE_BUSY to whatever would nest the transaction, and leaves it open.
    """

    def __init__(self, db: Any) -> None:
        self._writer = db._writer

    async def work(self, tx: Transaction) -> None:
        await add(tx, "alice")
        sql = "INSERT INTO tollhouse_leases VALUES ('mallory', 0), ('mallet', 0) RETURNING name"
        self.cursor: sqlite3.Cursor = self._writer.run(sql)
        self.cursor.fetchone()


@contextmanager
def refused_commit(db: Any) -> Iterator[None]:
    """Let the driver refuse COMMIT with an error after which the transaction is still open."""

    def judge(action: int, argument: str | None, *_: str | None) -> int:
        return (
            sqlite3.SQLITE_DENY if (action, argument) == (sqlite3.SQLITE_TRANSACTION, "COMMIT") else sqlite3.SQLITE_OK
        )

    driver: sqlite3.Connection = db._writer._connection
    driver.set_authorizer(judge)
    try:
        yield
    finally:
        driver.set_authorizer(None)


def write_elsewhere(url: str) -> None:
    """Write on a connection of somebody else's, who does not wait for the lock."""
    with closing(sqlite3.connect(file_of(url), timeout=0, isolation_level=None)) as connection:
        connection.execute("DELETE FROM tollhouse_leases WHERE name = 'nobody'")


async def test_a_failed_commit_that_leaves_the_transaction_open_is_undone_at_once(db: Database, url: str) -> None:
    await db.transact(add, "before")
    with refused_commit(db):
        outcomes = await settled(db.transact(add, "alice"), db.transact(add, "bob"))
    assert unavailable(outcomes)
    assert not db.is_broken
    write_elsewhere(url)  # the lock was given back
    assert await db.transact(add, "carol") == "carol"
    assert await db.fetch_all(NAMES) == ["before", "carol"]


async def test_a_group_that_fails_halfway_is_undone_and_lets_go_of_the_lock(db: Database, url: str) -> None:
    await db.transact(add, "before")
    unfinished = Unfinished(db)
    outcomes = await settled(db.transact(add, "eve"), db.transact(unfinished.work), db.transact(add, "bob"))
    assert unavailable(outcomes)
    write_elsewhere(url)  # the lock was given back at once
    unfinished.cursor.close()
    assert await db.transact(add, "carol") == "carol"
    assert await db.fetch_all(NAMES) == ["before", "carol"]


async def test_a_commit_that_a_constraint_refuses_is_undone_before_the_next_group(db: Database) -> None:
    """A constraint that is checked at COMMIT leaves the transaction open, which a BEGIN would stumble over."""

    async def work(tx: Transaction) -> None:
        await add(tx, "mallory")
        for sql in (
            "CREATE TABLE parents (id INTEGER PRIMARY KEY)",
            "CREATE TABLE children (id INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)",
            "INSERT INTO children VALUES (1)",
        ):
            await tx.execute(Statement(text(sql), str))

    with pytest.raises(DatabaseUnavailable, match="IntegrityError"):
        await db.transact(work)
    assert await db.transact(add, "alice") == "alice"
    assert await db.fetch_all(NAMES) == ["alice"]


async def test_a_queue_that_is_too_long_refuses_the_newest_and_keeps_the_rest(db: Database) -> None:
    async def work(_: Transaction) -> bool:
        return True

    outcomes = await settled(*(db.transact(work) for _ in range(QUEUE_SIZE_MAX + 5)), within_seconds=30)
    assert outcomes[:QUEUE_SIZE_MAX] == [True] * QUEUE_SIZE_MAX
    assert unavailable(outcomes[QUEUE_SIZE_MAX:])
    assert outcomes[-1].retry_after_seconds == 1
    assert await db.transact(work)
