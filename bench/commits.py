"""The machine's own limit for writes: the driver alone, two statements a transaction, the disk waited for."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import asyncpg
import uvloop

AT_ONCE = 16
TABLES = (
    "CREATE TABLE facts (id BIGINT PRIMARY KEY, fact BYTEA NOT NULL)",
    "CREATE TABLE sums (id BIGINT PRIMARY KEY, total BIGINT NOT NULL)",
)
FACT = b"x" * 100


def sqlite_commits(folder: Path, *, seconds: float, group: int) -> float:
    """Transactions a second on a new file, each in a savepoint of its own, so many to one COMMIT."""
    path = folder / f"commits-{time.monotonic_ns()}.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")
    for statement in TABLES:
        connection.execute(statement)
    connection.execute("INSERT INTO sums VALUES (1, 0)")
    done = 0
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        connection.execute("BEGIN IMMEDIATE")
        for _ in range(group):
            done += 1
            connection.execute("SAVEPOINT one")
            connection.execute("INSERT INTO facts VALUES (?, ?)", (done, FACT))
            connection.execute("UPDATE sums SET total = total + 1 WHERE id = ?", (1,))
            connection.execute("RELEASE one")
        connection.execute("COMMIT")
    elapsed = time.monotonic() - began
    connection.close()
    path.unlink()
    return done / elapsed


def postgres_commits(url: str, *, seconds: float, at_once: int = AT_ONCE) -> float:
    """Transactions a second over so many connections at once."""
    return uvloop.run(_postgres_commits(url, seconds, at_once))


async def _postgres_commits(url: str, seconds: float, at_once: int) -> float:
    connections = [await asyncpg.connect(url) for _ in range(at_once)]
    for statement in TABLES:
        await connections[0].execute(statement)
    await connections[0].executemany("INSERT INTO sums VALUES ($1, 0)", [(number,) for number in range(at_once)])
    began = time.monotonic()

    async def commit(number: int) -> int:
        insert = await connections[number].prepare("INSERT INTO facts VALUES ($1, $2)")
        update = await connections[number].prepare("UPDATE sums SET total = total + 1 WHERE id = $1")
        done = 0
        while time.monotonic() - began < seconds:
            done += 1
            await connections[number].execute("BEGIN")
            await insert.fetch(done * AT_ONCE + number, FACT)
            await update.fetch(number)
            await connections[number].execute("COMMIT")
        return done

    done = await asyncio.gather(*map(commit, range(at_once)))
    elapsed = time.monotonic() - began
    for connection in connections:
        await connection.close()
    return sum(done) / elapsed
