"""API keys: when their use is noted, and that it harms nobody when it cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from tollhouse.access import api_keys
from tollhouse.access.errors import ApiKeyInvalid
from tollhouse.access.tables import api_keys as table
from tollhouse.db import Statement
from tollhouse.errors import DatabaseUnavailable
from tollhouse.testing import TestKit

SEEN = Statement(select(table.c.seen_at), lambda seen_at: seen_at)


@pytest.fixture
async def kit(migrated_database_url: str):
    async with TestKit(database_url=migrated_database_url) as running:
        yield running


async def make(kit: TestKit) -> str:
    return (await api_keys.create(kit.toll.run, name="worker", scopes=["jobs:start"]))[1]


async def test_a_use_is_noted_once_a_minute(kit: TestKit) -> None:
    run, secret = kit.toll.run, await make(kit)
    assert await run.db.fetch_all(SEEN) == [None]
    await api_keys.authenticate(run, secret)
    (first,) = await run.db.fetch_all(SEEN)
    kit.clock.advance(59)
    await api_keys.authenticate(run, secret)
    assert await run.db.fetch_all(SEEN) == [first]
    kit.clock.advance(2)
    await api_keys.authenticate(run, secret)
    assert await run.db.fetch_all(SEEN) != [first]


async def test_a_database_that_only_reads_lets_keys_in_and_is_asked_to_write_once_a_minute(kit: TestKit) -> None:
    run, secret, tries = kit.toll.run, await make(kit), list[Any]()

    async def refuse(statement: Any, **_: Any) -> int:
        if statement is api_keys.TOUCH:
            tries.append(statement)
        raise DatabaseUnavailable("The database only reads.")

    run.db.write = refuse
    for _ in range(10):
        assert (await api_keys.authenticate(run, secret)).name == "worker"
    assert len(tries) == 1
    kit.clock.advance(61)
    await api_keys.authenticate(run, secret)
    assert len(tries) == 2


async def test_the_word_live_or_test_is_a_label_for_people_and_scanners(kit: TestKit) -> None:
    """It says where a key belongs; what lets it in is its secret, and that is in one database only."""
    secret = await make(kit)
    assert secret.startswith("th_sk_live_")
    async with TestKit(mode="dev", url="http://localhost:8000") as dev:
        with pytest.raises(ApiKeyInvalid):
            await api_keys.authenticate(dev.toll.run, secret)
        assert (await make(dev)).startswith("th_sk_test_")
