"""A fresh database per test, on both kinds, faster than migrating each."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import asyncpg

from tests.support.postgres import PostgresEndpoint

TABLES = """SELECT quote_ident(relname) FROM pg_class WHERE relkind = 'r' AND relname <> 'tollhouse_schema'
AND relnamespace = 'public'::regnamespace ORDER BY relname DESC"""
OTHERS_OUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()"""
# Everything but rows that a test may have changed: columns and indexes, what is granted and to whom, triggers,
# constraints, functions, the revision, and settings of the database.
FINGERPRINT = """SELECT md5(concat_ws('|',
  (SELECT string_agg(concat(relname, relkind, relpersistence, relacl, relowner, attname, atttypid, attnotnull), ','
    ORDER BY relname, attnum) FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace AND attnum > 0),
  (SELECT string_agg(conname, ',' ORDER BY conname) FROM pg_constraint WHERE connamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
  (SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_rewrite JOIN pg_class ON ev_class = pg_class.oid
    WHERE relnamespace = 'public'::regnamespace),
  (SELECT string_agg(version_num, ',') FROM tollhouse_schema),
  (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting JOIN pg_database ON setdatabase = pg_database.oid
    WHERE datname = current_database())))"""

Backend = Literal["sqlite", "postgres"]
BACKENDS: tuple[Backend, ...] = ("sqlite", "postgres")


class SqliteDatabases:
    """Databases that are files in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        """Keep the migrated pattern in `folder`."""
        self._folder = folder
        self._template: Path | None = None

    @asynccontextmanager
    async def fresh(self, folder: Path) -> AsyncIterator[str]:
        """The address of a database that does not exist yet."""
        yield f"sqlite:///{folder / 'tollhouse.sqlite'}"

    @asynccontextmanager
    async def migrated(self, folder: Path) -> AsyncIterator[str]:
        """The address of a database at the newest migration, without a row."""
        if self._template is None:
            template = self._folder / "template.sqlite"
            await migrate(f"sqlite:///{template}")
            self._template = template
        target = folder / "tollhouse.sqlite"
        for suffix in ("", "-wal"):
            source = self._template.with_name(self._template.name + suffix)
            if source.exists():
                shutil.copyfile(source, target.with_name(target.name + suffix))
        yield f"sqlite:///{target}"


class PostgresDatabases:
    """Databases on the server of the test run, named after the worker so that workers do not meet."""

    def __init__(self, server: PostgresEndpoint, *, worker: str) -> None:
        """Make databases on `server`."""
        self._server = server
        self._worker = worker
        self._numbers = itertools.count(1)
        self._template: str | None = None
        self._fingerprint = ""
        self._emptied: list[str] = []

    @asynccontextmanager
    async def fresh(self, _folder: Path) -> AsyncIterator[str]:
        """The address of an empty database."""
        name = await self._copy(None)
        try:
            yield self._server.url(name)
        finally:
            await self._server.drop_database(name)

    @asynccontextmanager
    async def migrated(self, _folder: Path) -> AsyncIterator[str]:
        """The address of a database at the newest migration, without a row.

        It is used again, emptied, unless the test has changed more than rows: to make one takes 60 ms.
        """
        if self._template is None:
            template = f"template_{self._worker}"
            url = await self._server.create_database(template)
            await migrate(url)
            self._fingerprint = await empty(url) or ""
            self._template = template
        name = self._emptied.pop() if self._emptied else await self._copy(self._template)
        try:
            yield self._server.url(name)
        finally:
            if await empty(self._server.url(name)) == self._fingerprint:
                self._emptied.append(name)
            else:
                await self._server.drop_database(name)

    async def _copy(self, template: str | None) -> str:
        name = f"test_{self._worker}_{next(self._numbers)}"
        await self._server.create_database(name, template=template)
        return name


async def empty(url: str) -> str | None:
    """What the database is made of, all rows deleted and everybody else disconnected; None where that fails."""
    try:
        connection = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError):  # the test has closed it to everybody
        return None
    try:
        await connection.execute(OTHERS_OUT)
        fingerprint: str = await connection.fetchval(FINGERPRINT)
        await connection.execute(";".join(f"DELETE FROM {row[0]}" for row in await connection.fetch(TABLES)))
        return fingerprint
    except asyncpg.PostgresError:  # it may only be read, say
        return None
    finally:
        await connection.close()


async def migrate(url: str) -> None:
    """Bring a database to the newest migration, the way the product does."""
    from tollhouse.db.migrations import migrate as to_head

    await to_head(url)
