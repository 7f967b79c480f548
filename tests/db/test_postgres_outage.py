"""The server goes away and comes back; our process stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.db.rows import NAMES, add, open_database, settled, unavailable
from tests.support.postgres import PostgresServer
from tollhouse.db.migrations import migrate
from tollhouse.errors import DatabaseUnavailable


@pytest.mark.slow
async def test_a_crashed_server_is_unavailable_at_once_and_heals_without_us(
    private_postgres: Callable[..., PostgresServer],
) -> None:
    server = private_postgres()
    await migrate(server.url())
    db = await open_database(server.url())
    told = await settled(*(db.transact(add, f"{n:02}") for n in range(20)))
    assert sorted(told) == [f"{n:02}" for n in range(20)]
    loop = asyncio.get_running_loop()
    under_way = [asyncio.create_task(db.transact(add, f"late {n}")) for n in range(10)]
    await asyncio.sleep(0.005)
    await asyncio.to_thread(server.stop, "immediate")
    late = await settled(*under_way)
    assert all(isinstance(outcome, str | DatabaseUnavailable) for outcome in late)
    started = loop.time()
    assert unavailable(await settled(*(db.transact(add, f"lost {n}") for n in range(20)), db.fetch_all(NAMES)))
    assert loop.time() - started < 5
    await asyncio.to_thread(server.start)
    outcomes = await settled(*(db.transact(add, f"new {n}") for n in range(20)))
    assert [outcome for outcome in outcomes if isinstance(outcome, BaseException)] == []
    kept = await db.fetch_all(NAMES)
    assert {*told, *outcomes, *(outcome for outcome in late if isinstance(outcome, str))} <= set(kept)
    assert not [name for name in kept if name.startswith("lost")]
    await db.close()


async def test_a_server_that_was_never_there_is_unavailable(unused_tcp_port: int) -> None:
    db = await open_database(f"postgresql://postgres@127.0.0.1:{unused_tcp_port}/postgres")
    assert unavailable(await settled(db.now_us(), db.transact(add, "alice")))
    await db.close()


async def test_a_database_that_is_being_restored_is_unavailable(postgres_server: PostgresServer) -> None:
    db = await open_database(postgres_server.url("not_there_yet"))
    assert unavailable(await settled(db.now_us()))
    await db.close()
