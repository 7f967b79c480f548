"""A running provider with its clients, on each database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.access.oidc.relying_party import CLIENTS, App
from tollhouse.testing import TestKit


@pytest.fixture
def make_kit(migrated_database_url: str) -> Callable[..., TestKit]:
    """Makes a kit on the test's database, with these settings; enter it yourself."""
    usual: dict[str, Any] = {"app_origins": "https://app.example.com", "clients": CLIENTS}
    return lambda **settings: TestKit(database_url=migrated_database_url, **usual | settings)


@pytest.fixture
async def kit(make_kit: Callable[..., Any]) -> AsyncIterator[TestKit]:
    """A running provider."""
    async with make_kit() as running:
        yield running


@pytest.fixture
def app(kit: TestKit) -> App:
    """Its usual client."""
    return App(kit)
