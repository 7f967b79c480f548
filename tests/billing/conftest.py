"""A shop that is open: a running Tollhouse with a till, the sandbox behind it, and somebody to buy."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.billing.shop import open_shop
from tollhouse.testing import TestKit
from tollhouse.testing.kit import SignedInClient


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    """The shop, its webhooks delivered into it."""
    async with open_shop(migrated_database_url) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Somebody who may buy."""
    return await kit.sign_in("alice@example.com")
