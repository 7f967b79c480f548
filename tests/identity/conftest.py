"""A running Tollhouse on each database, and everything in its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tollhouse.testing import TestKit


@pytest.fixture
def make_kit(migrated_database_url: str) -> Callable[..., TestKit]:
    """Makes a kit on the test's database, with these settings; enter it yourself."""
    return lambda **settings: TestKit(database_url=migrated_database_url, **settings)


@pytest.fixture
async def kit(make_kit: Callable[..., Any]) -> AsyncIterator[TestKit]:
    """A running Tollhouse with usual settings."""
    async with make_kit(app_origins="https://app.example.com") as running:
        yield running
