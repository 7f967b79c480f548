from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.db.rows import open_database
from tollhouse.db import Database


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    """An open database at the newest schema, once for each kind."""
    db = await open_database(migrated_database_url)
    yield db
    await db.close()


@pytest.fixture
async def open_another(migrated_database_url: str) -> AsyncIterator[Callable[[], Awaitable[Database]]]:
    """Opens the test's database once more, as another replica would."""
    opened: list[Database] = []

    async def open_one() -> Database:
        opened.append(await open_database(migrated_database_url))
        return opened[-1]

    yield open_one
    for db in opened:
        await db.close()
