"""What is in the database behind a kit, whichever kind it is."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Table, select

from tollhouse.db import Statement, metadata
from tollhouse.events.tables import leases, subscribers
from tollhouse.identity.tables import magic_links
from tollhouse.testing import TestKit

KEPT_BY_THE_CLOCK = (subscribers, leases)  # written in the background, whoever asks for what


async def rows_of(kit: TestKit, table: Table) -> list[dict[str, Any]]:
    """Every row of a table."""
    names = table.c.keys()
    statement = Statement(select(table), lambda *values: dict(zip(names, values, strict=True)))
    return await kit.toll.run.db.fetch_all(statement)


async def only_link(kit: TestKit) -> dict[str, Any]:
    """The one link there is."""
    (link,) = await rows_of(kit, magic_links)
    return link


async def everything(kit: TestKit) -> dict[str, list[Any]]:
    """Every row of every table, for comparing."""
    tables = [table for table in metadata.sorted_tables if table not in KEPT_BY_THE_CLOCK]
    return {table.name: sorted(map(repr, await rows_of(kit, table))) for table in tables}


async def run_sql(kit: TestKit, sql: str) -> None:
    """Run a statement beside the product, on a connection of its own."""
    url = kit.toll.settings.database_url
    if url.startswith("sqlite"):
        await asyncio.to_thread(run_on_sqlite, kit.toll.settings.database_path, sql)  # in the loop it would lock it out
        return
    connection = await asyncpg.connect(url)
    await connection.execute(sql)
    await connection.close()


def run_on_sqlite(path: Path, sql: str) -> None:
    """Run a statement on a connection of its own."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=5)) as connection:
        connection.execute(sql)
