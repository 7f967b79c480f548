"""A ledger on each database, and a running Tollhouse in a host that spends credits."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ledger.rig import Ledger, open_ledger
from tollhouse.testing import SignedInClient, TestKit


@pytest.fixture
async def ledger(migrated_database_url: str) -> AsyncIterator[Ledger]:
    """Credits, with a clock that stands still."""
    async with open_ledger(migrated_database_url, credits_low=5) as opened:
        yield opened


@pytest.fixture
async def alice_id(ledger: Ledger) -> str:
    """Somebody who may have credits."""
    return await ledger.new_user()


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    """A running Tollhouse."""
    async with TestKit(database_url=migrated_database_url) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Somebody who is signed in."""
    return await kit.sign_in("alice@example.com")
