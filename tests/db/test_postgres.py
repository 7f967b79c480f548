"""PostgreSQL: contention, time limits, lost connections, cancelled tasks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import bindparam, func, make_url, select, text

from tests.db.rows import NAMES, RAISE, VALUE, add, open_database, raise_value, settled, unavailable
from tests.support.databases import PostgresDatabases
from tollhouse.db import Database, Statement, Transaction
from tollhouse.db.postgres import LOOK_SECONDS
from tollhouse.errors import DatabaseUnavailable

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


async def test_a_deadlock_is_tried_again_without_a_double_effect(db: Database) -> None:
    for name in ("alice", "bob"):
        await db.transact(add, name)
    barrier, runs = asyncio.Barrier(2), 0

    async def work(tx: Transaction, first: str, second: str) -> None:
        nonlocal runs
        runs += 1
        await tx.execute(RAISE, wanted=first)
        if runs <= 2:
            await barrier.wait()  # each holds what the other wants next
        await tx.execute(RAISE, wanted=second)

    await asyncio.gather(db.transact(work, "alice", "bob"), db.transact(work, "bob", "alice"))
    assert runs == 3
    assert [await db.fetch_one(VALUE, wanted=name) for name in ("alice", "bob")] == [2, 2]


async def test_a_single_statement_is_tried_again_after_a_deadlock(db: Database, direct: Any) -> None:
    """A sweep or a claim touches many rows outside any transaction of ours; its deadlock must not come out as a bug."""
    await db.transact(add, "alice")
    await db.transact(add, "bob")
    async with asyncio.timeout(10):
        await direct.execute("SET deadlock_timeout = '10s'")  # so that the other side is the one that notices
        transaction = direct.transaction()
        await transaction.start()
        await direct.execute("UPDATE tollhouse_leases SET held_until = 5 WHERE name = 'bob'")
        both = Statement(
            text(
                "UPDATE tollhouse_leases SET held_until = held_until + 1 WHERE name IN ("
                "SELECT name FROM tollhouse_leases ORDER BY name FOR UPDATE)"
            ),
            str,
        )
        writing = asyncio.create_task(db.write(both))
        await asyncio.sleep(0.2)
        theirs = asyncio.create_task(direct.execute("UPDATE tollhouse_leases SET held_until = 5 WHERE name = 'alice'"))
        await theirs
        await transaction.commit()
        assert await writing == 2
    assert [await db.fetch_one(VALUE, wanted=name) for name in ("alice", "bob")] == [6, 6]


async def test_a_serialisation_failure_is_tried_again(db: Database, direct: Any) -> None:
    await db.transact(add, "alice")
    runs = 0

    async def work(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        await tx.fetch_all(Statement(text("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), str))
        await tx.fetch_one(VALUE, wanted="alice")
        if runs == 1:
            await direct.execute("UPDATE tollhouse_leases SET held_until = 10 WHERE name = 'alice'")
        await tx.execute(RAISE, wanted="alice")

    await db.transact(work)
    assert runs == 2
    assert await db.fetch_one(VALUE, wanted="alice") == 11


@pytest.mark.slow
async def test_a_lock_that_is_not_given_back_is_said_to_be_unavailable(db: Database, direct: Any) -> None:
    await db.transact(add, "alice")
    async with direct.transaction():
        await direct.execute("UPDATE tollhouse_leases SET held_until = 5")
        started = asyncio.get_running_loop().time()
        with pytest.raises(DatabaseUnavailable, match="LockNotAvailable"):
            await db.transact(raise_value, "alice")
        assert asyncio.get_running_loop().time() - started < 3
    assert await db.transact(raise_value, "alice") == 6


@pytest.mark.slow
async def test_a_full_pool_is_said_to_be_unavailable_soon_and_a_slow_statement_later(db: Database) -> None:
    started = asyncio.get_running_loop().time()
    sleepers = [asyncio.create_task(db.fetch_one(SLEEP, seconds=30)) for _ in range(10)]
    await asyncio.sleep(0.3)
    with pytest.raises(DatabaseUnavailable):
        await db.fetch_all(NAMES)
    assert asyncio.get_running_loop().time() - started < 3
    outcomes = await settled(*sleepers)
    assert unavailable(outcomes)
    assert "QueryCanceled" in outcomes[0].detail
    assert asyncio.get_running_loop().time() - started < 6
    assert await db.fetch_all(NAMES) == []


@pytest.mark.parametrize("behind_pooler", [False, True])
async def test_a_connection_killed_inside_a_transaction_undoes_it(url: str, direct: Any, behind_pooler: bool) -> None:
    db = await open_database(url, behind_pooler=behind_pooler)

    async def work(tx: Transaction) -> None:
        await add(tx, "mallory")
        await direct.execute("SELECT pg_terminate_backend($1)", await tx.fetch_one(OWN_PID))
        await asyncio.sleep(0.05)

    with pytest.raises(DatabaseUnavailable):  # at COMMIT
        await db.transact(work)
    with pytest.raises(DatabaseUnavailable):  # at a statement
        await db.transact(lambda tx: _then(tx, work))
    assert await db.fetch_all(NAMES) == []
    await db.transact(add, "alice")
    await db.close()


async def _then(tx: Transaction, work: Callable[[Transaction], Any]) -> None:
    await work(tx)
    await add(tx, "bob")


async def test_idle_connections_that_the_server_dropped_are_replaced_unnoticed(db: Database, direct: Any) -> None:
    await asyncio.gather(*(db.transact(add, f"{n}") for n in range(10)))
    await direct.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await asyncio.sleep(0.05)
    outcomes = await settled(*(db.transact(add, f"again {n}") for n in range(20)))
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []


class Lingering:
    """A way to the server on which its goodbye arrives, but not the end of the connection."""

    def __init__(self, url: str) -> None:
        self._address = make_url(url)

    async def __aenter__(self) -> Lingering:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return self._address.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = await asyncio.open_connection(self._address.host, self._address.port)
        there = asyncio.create_task(self._pump(reader, server[1]))
        await self._pump(server[0], writer)
        await there  # only the client closes
        writer.close()
        server[1].close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()


async def test_a_goodbye_whose_connection_is_not_closed_yet_goes_unnoticed_too(url: str, direct: Any) -> None:
    async with Lingering(url) as way:
        db = await open_database(way.url)
        await asyncio.gather(*(db.transact(add, f"{n}") for n in range(10)))
        await direct.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.1)
        outcomes = await settled(
            *(db.transact(add, f"again {n}") for n in range(10)), *(db.fetch_all(NAMES) for _ in range(10))
        )
        assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
        assert len(await db.fetch_all(NAMES)) == 20
        await db.close()


async def test_nothing_of_a_session_is_left_behind_a_pooler(url: str, direct: Any) -> None:
    db = await open_database(url, behind_pooler=True)
    await db.transact(add, "alice")
    for _ in range(3):
        assert await db.fetch_one(VALUE, wanted="alice") is not None
        await db.write(RAISE, wanted="alice")
        assert await db.now_us() > 1_700_000_000_000_000
    prepared = Statement(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"), int)
    inside = Statement(text("SELECT current_setting('statement_timeout')"), str)
    assert await db.fetch_one(prepared) == 0
    assert await db.fetch_one(inside) == "5s", "inside a transaction the limits hold"
    [connection] = await direct.fetch(
        "SELECT query, state FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    assert (connection["query"], connection["state"]) == ("COMMIT", "idle"), "no reset, and no single statement"
    pool: Any = db
    async with pool._pool.acquire() as session:
        for name, default in (("statement_timeout", "0"), ("lock_timeout", "0"), ("search_path", '"$user", public')):
            assert await session.fetchval(f"SHOW {name}") == default
    await db.close()


async def test_with_a_server_of_our_own_statements_are_prepared_and_limits_set(db: Database) -> None:
    limits = Statement(text("SELECT current_setting('statement_timeout') || current_setting('lock_timeout')"), str)
    assert await db.fetch_one(limits) == "5s2s"
    prepared = Statement(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"), int)
    assert (await db.fetch_one(prepared) or 0) > 0


async def test_a_read_only_server_still_reads_and_heals(url: str, direct: Any) -> None:
    name = url.rpartition("/")[2]
    first = await open_database(url)
    await first.transact(add, "alice")
    await first.close()
    await direct.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    db = await open_database(url)
    with pytest.raises(DatabaseUnavailable, match="ReadOnlySQLTransaction"):
        await db.transact(add, "bob")
    with pytest.raises(DatabaseUnavailable, match="ReadOnlySQLTransaction"):
        await db.write(RAISE, wanted="alice")
    assert await db.fetch_all(NAMES) == ["alice"]
    await direct.execute(f"SET default_transaction_read_only = off; ALTER DATABASE {name} RESET ALL")
    await asyncio.sleep(LOOK_SECONDS)
    with pytest.raises(DatabaseUnavailable):  # the connections of before; the error makes the pool drop them
        await db.transact(add, "bob")
    await db.transact(add, "carol")
    assert await db.fetch_all(NAMES) == ["alice", "carol"]
    await db.close()
