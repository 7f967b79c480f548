"""A fresh database per test, on both kinds, faster than migrating each."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from tests.support.postgres import PostgresEndpoint

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

    @asynccontextmanager
    async def fresh(self, _folder: Path) -> AsyncIterator[str]:
        """The address of an empty database."""
        async with self._copy(None) as url:
            yield url

    @asynccontextmanager
    async def migrated(self, _folder: Path) -> AsyncIterator[str]:
        """The address of a database at the newest migration, without a row."""
        if self._template is None:
            template = f"template_{self._worker}"
            await migrate(await self._server.create_database(template))
            self._template = template
        async with self._copy(self._template) as url:
            yield url

    @asynccontextmanager
    async def _copy(self, template: str | None) -> AsyncIterator[str]:
        name = f"test_{self._worker}_{next(self._numbers)}"
        url = await self._server.create_database(name, template=template)
        try:
            yield url
        finally:
            await self._server.drop_database(name)


async def migrate(url: str) -> None:
    """Bring a database to the newest migration, the way the product does."""
    from tollhouse.db.migrations import migrate as to_head

    await to_head(url)
