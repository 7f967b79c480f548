from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.events.rig import Rig, open_rig
from tollhouse.clock import Clock

Replicate = Callable[[], Awaitable[Rig]]


@pytest.fixture
def clock() -> Clock:
    """The clock of all replicas of a test, to turn."""
    return Clock()


@pytest.fixture
async def replicate(migrated_database_url: str, clock: Clock) -> AsyncIterator[Replicate]:
    """Makes one more replica on the test's database; not started."""
    rigs: list[Rig] = []

    async def make() -> Rig:
        rigs.append(await open_rig(migrated_database_url, clock))
        return rigs[-1]

    yield make
    for rig in rigs:
        await rig.stop()
        await rig.db.close()


@pytest.fixture
async def rig(replicate: Replicate) -> Rig:
    """A replica, not started; once on each kind of database."""
    return await replicate()
