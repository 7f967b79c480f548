"""A host's own SQLAlchemy transaction, which credits join."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine

from tests.ledger.rig import Ledger
from tollhouse.ledger.api import Credits
from tollhouse.ledger.errors import CreditsInsufficient, HoldEnded, IdempotencyConflict


class Host:
    """An application with its own connections to the same database."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection in a transaction, which is undone unless `commit` was called."""
        if self._url.startswith("sqlite"):
            engine = create_engine(self._url)
            with engine.connect() as connection:
                yield connection
            engine.dispose()
            return
        async_engine = create_async_engine(self._url.replace("postgresql://", "postgresql+asyncpg://"))
        async with async_engine.connect() as connection:
            yield connection
        await async_engine.dispose()

    async def commit(self, connection: Any) -> None:
        committed = connection.commit()
        if committed is not None:
            await committed


@pytest.fixture
def host(migrated_database_url: str) -> Host:
    return Host(migrated_database_url)


@pytest.fixture
def credits(ledger: Ledger) -> Credits:
    return Credits(lambda: ledger.run)


async def test_what_the_host_commits_is_there_with_its_events(
    ledger: Ledger, host: Host, credits: Credits, alice_id: str
):
    await ledger.give(alice_id, 10)
    async with host.connection() as connection:
        await credits.spend(alice_id, 3, connection=connection)
        placed = await credits.hold(alice_id, 4, connection=connection)
        await credits.capture(placed["hold_id"], 2, connection=connection)
        await credits.grant(alice_id, 1, connection=connection)
        assert await ledger.balance(alice_id) == (10, 0, 0)
        await host.commit(connection)
    assert await ledger.balance(alice_id) == (6, 0, 0)
    assert await ledger.events(alice_id) == ["credits.spent", "credits.spent", "credits.granted"]
    await ledger.check(alice_id)


async def test_what_the_host_rolls_back_never_was(ledger: Ledger, host: Host, credits: Credits, alice_id: str):
    await ledger.give(alice_id, 10)
    async with host.connection() as connection:
        await credits.spend(alice_id, 3, key="image-42", connection=connection)
        await credits.grant("https://clerk.example.com#user_1", 3, connection=connection)
    assert await ledger.balance(alice_id) == (10, 0, 0)
    assert await ledger.events(alice_id) == []
    spent = await credits.spend(alice_id, 5, key="image-42")
    assert spent["balance"] == 5
    await ledger.check(alice_id)


async def test_a_key_counts_in_and_out_of_the_hosts_transaction(
    ledger: Ledger, host: Host, credits: Credits, alice_id: str
):
    await ledger.give(alice_id, 10)
    async with host.connection() as connection:
        first = await credits.spend(alice_id, 3, key="image-42", connection=connection)
        assert await credits.spend(alice_id, 3, key="image-42", connection=connection) == first
        with pytest.raises(IdempotencyConflict):
            await credits.spend(alice_id, 4, key="image-42", connection=connection)
        await host.commit(connection)
    assert await credits.spend(alice_id, 3, key="image-42") == first
    assert await ledger.balance(alice_id) == (7, 0, 0)


async def test_a_host_that_goes_on_after_a_refusal_commits_sound_books(
    ledger: Ledger, host: Host, credits: Credits, alice_id: str
):
    await ledger.give(alice_id, 3, expires_at=ledger.run.now_us + 1000)
    await ledger.give(alice_id, 5)
    ended = await credits.hold(alice_id, 4, lifetime_seconds=1)
    ledger.run.clock.advance(2)
    async with host.connection() as connection:
        for _ in range(2):
            with pytest.raises(CreditsInsufficient) as refused:
                await credits.spend(alice_id, 50, key="image-42", connection=connection)
            assert refused.value.evidence["available"] == 5
        with pytest.raises(HoldEnded):
            await credits.capture(ended["hold_id"], connection=connection)
        await credits.spend(alice_id, 5, key="image-42", connection=connection)
        await host.commit(connection)
    assert await ledger.balance(alice_id) == (0, 0, 0)
    await ledger.check(alice_id)


async def test_a_spend_over_several_lots_joins_as_well(ledger: Ledger, host: Host, credits: Credits, alice_id: str):
    for _ in range(3):
        await ledger.give(alice_id, 3)
    async with host.connection() as connection:
        await credits.spend(alice_id, 8, connection=connection)
        await host.commit(connection)
    assert await ledger.balance(alice_id) == (1, 0, 0)
    await ledger.check(alice_id)
