"""A running Tollhouse on SQLite: what stands before the routes is the same on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import SqliteDatabases
from tollhouse.testing import TestKit

APP = "https://app.example.com"


@pytest.fixture
async def kit(sqlite_databases: SqliteDatabases, tmp_path: Path) -> AsyncIterator[TestKit]:
    """Tollhouse beside an app on an origin of its own."""
    async with sqlite_databases.migrated(tmp_path) as url, TestKit(database_url=url, app_origins=APP) as running:
        yield running
