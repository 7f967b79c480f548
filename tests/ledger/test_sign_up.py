"""Credits that come with signing up, once, and the events of it in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ledger.rig import EVENTS
from tollhouse.testing import TestKit


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    async with TestKit(database_url=migrated_database_url, sign_up_credits=25) as running:
        yield running


async def test_a_new_user_starts_with_credits_and_gets_them_once(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    assert (await alice.get("/credits")).json()["lots"][0]["kind"] == "sign_up"
    again = await kit.sign_in("alice@example.com")
    assert (await again.get("/credits")).json()["available"] == 25
    rows = sorted(await kit.toll.run.db.fetch_all(EVENTS, user_id=alice.user_id), key=lambda row: row["sequence"])
    assert [row["type"] for row in rows] == ["user.created", "credits.granted", "user.signed_in", "user.signed_in"]


async def test_a_foreign_user_starts_with_them_as_well(kit: TestKit):
    granted = await kit.toll.credits.grant("https://clerk.example.com#user_1", 5)
    assert granted["balance"] == 30
