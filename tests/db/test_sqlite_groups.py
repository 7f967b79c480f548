"""Group commit: many transactions, one COMMIT, and everybody told the truth about their own."""

from __future__ import annotations

import asyncio
import contextvars
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.db.rows import (
    ADD,
    NAMES,
    VALUE,
    add,
    count_commits,
    file_of,
    open_database,
    raise_value,
    settled,
    unavailable,
)
from tests.support.databases import SqliteDatabases
from tollhouse.db import Database, Statement, Transaction
from tollhouse.errors import DatabaseUnavailable, Forbidden

ENDLESS = Statement(text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"), int)
ENDLESS_WRITE = Statement(
    text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " INSERT INTO tollhouse_leases SELECT 'mallory', i FROM n WHERE i < 0"
    ),
    str,
)


@pytest.fixture
async def url(sqlite_databases: SqliteDatabases, tmp_path: Path) -> AsyncIterator[str]:
    async with sqlite_databases.migrated(tmp_path) as url:
        yield url


@pytest.fixture
async def db(url: str) -> AsyncIterator[Database]:
    db = await open_database(url)
    yield db
    await db.close()


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """Let no file of this process grow beyond what the write-ahead log has now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.with_name(file.name + "-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def refuse(tx: Transaction, seen: list[str]) -> None:
    """Refuse because of what another member of the same group has just written."""
    seen += await tx.fetch_all(NAMES)
    await add(tx, "refused")
    raise Forbidden


async def test_concurrent_transactions_share_a_commit(db: Database, url: str) -> None:
    await db.transact(add, "counter")
    before = count_commits(file_of(url))
    await asyncio.gather(*(db.transact(raise_value, "counter") for _ in range(100)))
    assert count_commits(file_of(url)) - before <= 2
    for _ in range(3):
        await db.transact(raise_value, "counter")
    assert 4 <= count_commits(file_of(url)) - before <= 5
    assert await db.fetch_one(VALUE, wanted="counter") == 103


async def test_a_failing_job_undoes_only_itself(db: Database) -> None:
    seen: list[str] = []
    outcomes = await settled(db.transact(add, "alice"), db.transact(refuse, seen), db.transact(add, "bob"))
    assert outcomes[::2] == ["alice", "bob"]
    assert isinstance(outcomes[1], Forbidden)
    assert seen == ["alice"], "they were one group"
    assert await db.fetch_all(NAMES) == ["alice", "bob"]


async def test_a_refusal_is_told_after_the_commit_that_it_rests_on(db: Database) -> None:
    told: list[list[str]] = []

    async def ask() -> None:
        with pytest.raises(Forbidden):
            await db.transact(refuse, [])
        told.append(await db.fetch_all(NAMES))  # what a reader sees at the moment of the refusal

    await asyncio.gather(db.transact(add, "alice"), ask())
    assert told == [["alice"]]


async def test_a_failed_commit_is_everybodys_and_undoes_even_the_refusals(db: Database, url: str) -> None:
    await db.transact(add, "before")
    with full_disk(file_of(url)):
        outcomes = await settled(db.transact(add, "alice"), db.transact(refuse, []), db.transact(add, "bob"))
    assert unavailable(outcomes)
    assert len({id(outcome) for outcome in outcomes}) == 3, "each has an error of its own"
    assert await db.fetch_all(NAMES) == ["before"]
    assert await db.transact(add, "after") == "after"
    assert not db.is_broken
    assert await db.fetch_all(NAMES) == ["after", "before"]


async def test_awaiting_anything_else_is_refused_and_undone(db: Database) -> None:
    async def work(tx: Transaction) -> None:
        await add(tx, "mallory")
        await asyncio.sleep(0)

    async def stubborn(tx: Transaction) -> None:
        await add(tx, "mallory")
        try:
            await asyncio.get_running_loop().create_future()
        except GeneratorExit:
            await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="awaited something other"):
        await db.transact(work)
    with pytest.raises(RuntimeError, match="GeneratorExit"):
        await db.transact(stubborn)
    assert await db.fetch_all(NAMES) == []
    await db.transact(add, "alice")


async def test_a_work_sees_the_context_of_its_caller(db: Database) -> None:
    request_id = contextvars.ContextVar("request_id", default="none")

    async def ask(name: str) -> tuple[str, str]:
        request_id.set(name)

        async def work(_: Transaction) -> str:
            return request_id.get()

        return name, await db.transact(work)

    for mine, seen in await asyncio.gather(*(asyncio.create_task(ask(name)) for name in "abc")):
        assert mine == seen


@pytest.mark.parametrize("passes", [1, 2, 3, 5, 20])
async def test_nobody_waits_for_ever_when_every_task_is_cancelled(db: Database, passes: int) -> None:
    """A host may cancel all tasks it finds, ours among them, at any moment of a group."""
    ours = {asyncio.current_task(), *(writers := [asyncio.create_task(db.transact(add, f"{n}")) for n in range(300)])}
    for _ in range(passes):
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - ours:
        task.cancel()
    outcomes = await settled(*writers)
    assert all(isinstance(outcome, str | DatabaseUnavailable) for outcome in outcomes)
    await db.transact(add, "after")
    kept = await db.fetch_all(NAMES)
    assert {outcome for outcome in outcomes if isinstance(outcome, str)} <= set(kept)


@pytest.mark.slow
async def test_an_endless_query_is_ended_and_the_next_one_works(db: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match="INTERRUPT"):
        await db.fetch_one(ENDLESS)
    assert await db.fetch_all(NAMES) == []
    outcomes = await settled(db.transact(add, "alice"), db.write(ENDLESS_WRITE))
    assert unavailable(outcomes), "SQLite undoes the whole transaction, so its innocent members are told to come back"
    assert await db.fetch_all(NAMES) == []
    assert await db.write(ADD, name="alice", value=1) == 1


@pytest.mark.parametrize("damage", [b"this is no database, but a text" * 40, b"SQLite format 3\0" + b"\xff" * 4080])
async def test_a_file_that_is_no_database_is_said_to_be_unavailable(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "tollhouse.sqlite"
    file.write_bytes(damage)
    with pytest.raises(DatabaseUnavailable, match=r"SQLite: SQLITE_(NOTADB|CORRUPT)"):
        await open_database(f"sqlite:///{file}")


async def test_a_folder_that_is_not_there_is_said_to_be_unavailable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="SQLITE_CANTOPEN"):
        await open_database(f"sqlite:///{tmp_path / 'nowhere' / 'tollhouse.sqlite'}")
