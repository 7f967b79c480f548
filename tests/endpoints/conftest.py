from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.endpoints.receiver import Receiver
from tests.endpoints.rig import ADMINS, declare, open_house
from tollhouse.testing import TestKit


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """The app that is told: it answers 200 to everything unless a test says otherwise."""
    async with Receiver() as running:
        yield running


@pytest.fixture
async def kit(migrated_database_url: str, receiver: Receiver) -> AsyncIterator[TestKit]:
    """A Tollhouse that tells it everything; once on each kind of database."""
    async with open_house(migrated_database_url, declare(receiver), admin_emails=ADMINS) as running:
        yield running


@pytest.fixture
async def small_kit(receiver: Receiver) -> AsyncIterator[TestKit]:
    """The same on one kind of database, for what no SQL decides."""
    async with open_house(None, declare(receiver), admin_emails=ADMINS) as running:
        yield running


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is looked at every second or two is looked at at once; ask for it before the kit."""
    monkeypatch.setattr("tollhouse.endpoints.lanes.LEARN_SECONDS", 0.02)
    monkeypatch.setattr("tollhouse.events.worker.POLL_SECONDS", 0.02)
    monkeypatch.setattr("tollhouse.events.worker.LEARN_SECONDS", 0.02)
