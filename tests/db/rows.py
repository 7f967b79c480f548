"""Rows to play with: the leases, which are a name and a number."""

from __future__ import annotations

import asyncio
import sqlite3
import struct
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from tollhouse.db import Database, Statement, Transaction
from tollhouse.db.postgres import PostgresDatabase
from tollhouse.db.sqlite import SqliteDatabase
from tollhouse.errors import DatabaseUnavailable
from tollhouse.events.tables import leases

ADD = Statement(insert(leases).values(name=bindparam("name"), held_until=bindparam("value")), str)
NAMES = Statement(select(leases.c.name).order_by(leases.c.name), str)
VALUE = Statement(select(leases.c.held_until).where(leases.c.name == bindparam("wanted")), int)
RAISE = Statement(
    update(leases).where(leases.c.name == bindparam("wanted")).values(held_until=leases.c.held_until + 1), str
)


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


async def open_database(url: str, *, behind_pooler: bool = False) -> Database:
    if url.startswith("sqlite:"):
        db: Database = SqliteDatabase(file_of(url))
    else:
        db = PostgresDatabase(url, behind_pooler=behind_pooler)
    await db.open()
    return db


async def add(tx: Transaction, name: str, value: int = 0) -> str:
    """Add a row and return its name."""
    await tx.execute(ADD, name=name, value=value)
    return name


async def raise_value(tx: Transaction, name: str) -> int | None:
    await tx.execute(RAISE, wanted=name)
    return await tx.fetch_one(VALUE, wanted=name)


async def settled(*waiting: Awaitable[Any], within_seconds: float = 10) -> list[Any]:
    """What each came to, an error included; a test whose waiters wait for ever fails here."""
    async with asyncio.timeout(within_seconds):
        return await asyncio.gather(*waiting, return_exceptions=True)


def unavailable(outcomes: list[object]) -> bool:
    return all(isinstance(outcome, DatabaseUnavailable) for outcome in outcomes)


@asynccontextmanager
async def measured_lag() -> AsyncIterator[list[float]]:
    """How late the event loop came back to a sleeper, at worst, in seconds: the one item of the list, at the end."""
    worst = [0.0]

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.005)
            worst[0] = max(worst[0], loop.time() - before - 0.005)

    task = asyncio.create_task(watch())
    try:
        yield worst
    finally:
        task.cancel()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the one write lock of an SQLite file on a connection of somebody else's."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


def count_commits(file: Path) -> int:
    """How many COMMITs the write-ahead log holds: frames that carry the size of the database after them."""
    log = file.with_name(file.name + "-wal").read_bytes()
    page_bytes, _, salt = struct.unpack(">II8s", log[8:24])
    commits = 0
    for at in range(32, len(log), 24 + page_bytes):
        _, pages_after, frame_salt = struct.unpack(">II8s", log[at : at + 16])
        commits += frame_salt == salt and pages_after > 0
    return commits
