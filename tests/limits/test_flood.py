"""Flood limits in memory and in a real Valkey that dies, freezes and forgets: never open, an error, or slow."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from valkey.asyncio import Valkey

from tests.hostile.gate import ask, running
from tests.support.valkey import ValkeyServer
from tollhouse.errors import RateLimited
from tollhouse.limits import Flood
from tollhouse.limits.flood import KEYS_MAX, REDIS_TIMEOUT_SECONDS, Windows

COUNT = 5


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """One of the test's own, to kill and to freeze."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
async def floods() -> AsyncIterator[Callable[[str], Flood]]:
    """Makes flood limits over a Valkey, closed at the end."""
    made: list[Flood] = []

    def make(url: str) -> Flood:
        made.append(Flood(url))
        return made[-1]

    yield make
    for flood in made:
        await flood.close()


Floods = Callable[[str], Flood]


async def allowed(flood: Flood, tries: int = 20, *, key: str = "alice") -> int:
    """How many of so many at once are let through; anything but a refusal is an error."""

    waits: list[int] = []

    async def hit() -> bool:
        try:
            await flood.per_minute("test", key, COUNT)
        except RateLimited as refused:
            waits.append(refused.retry_after_seconds or 0)
            return False
        return True

    passed = sum(await asyncio.gather(*(hit() for _ in range(tries))))
    assert all(1 <= seconds <= 60 for seconds in waits)
    return passed


async def away_from_the_minutes_edge(seconds: float = 3) -> None:
    """Fixed windows begin on the minute: a test that straddles one would count twice."""
    if 60 - time.time() % 60 < seconds:
        await asyncio.sleep(seconds)


async def test_in_memory_as_many_as_said_pass_and_each_key_for_itself() -> None:
    await away_from_the_minutes_edge()
    flood = Flood()
    assert await allowed(flood) == COUNT
    assert await allowed(flood) == 0
    assert await allowed(flood, key="bob") == COUNT


async def test_two_replicas_share_what_valkey_counts(valkey: ValkeyServer, floods: Floods) -> None:
    await away_from_the_minutes_edge()
    one, two = floods(valkey.url), floods(valkey.url)
    assert await allowed(one) + await allowed(two) == COUNT


@pytest.mark.slow
async def test_a_dead_valkey_leaves_each_replica_its_own_count_and_comes_back(
    valkey: ValkeyServer, floods: Floods
) -> None:
    await away_from_the_minutes_edge(10)
    flood = floods(valkey.url)
    assert await allowed(flood) == COUNT
    valkey.stop()
    started = time.monotonic()
    assert await allowed(flood) == COUNT, "its own count begins, and holds"
    assert await allowed(flood) == 0
    assert time.monotonic() - started < 2
    valkey.start()
    await asyncio.sleep(5.2)
    other = floods(valkey.url)
    assert await allowed(other) + await allowed(flood) == COUNT, "back in Valkey, which has forgotten"


@pytest.mark.slow
async def test_a_frozen_valkey_slows_one_moment_down_and_no_more(valkey: ValkeyServer, floods: Floods) -> None:
    await away_from_the_minutes_edge(10)
    flood = floods(valkey.url)
    assert await allowed(flood, key="first") == COUNT
    async with Valkey.from_url(valkey.url) as client:
        pid = (await client.info("server"))["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert await allowed(flood) == COUNT
        assert time.monotonic() - started < REDIS_TIMEOUT_SECONDS + 1
        started = time.monotonic()
        assert await allowed(flood) == 0
        assert time.monotonic() - started < 0.3, "nobody waits for it again so soon"
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_flushed_valkey_counts_from_nothing_and_goes_on(valkey: ValkeyServer, floods: Floods) -> None:
    await away_from_the_minutes_edge()
    flood = floods(valkey.url)
    assert await allowed(flood) == COUNT
    async with Valkey.from_url(valkey.url) as client:
        await client.flushall()
    assert await allowed(flood) == COUNT
    assert await allowed(flood) == 0


@pytest.mark.slow
async def test_people_still_get_their_mail_when_valkey_dies(migrated_database_url: str, valkey: ValkeyServer) -> None:
    async with running(migrated_database_url, redis_url=valkey.url, limit_mails_per_second=3) as gate:
        assert (await ask(gate.browser(), "alice@example.com")).status_code == 202
        valkey.stop()
        replies = await asyncio.gather(*(ask(gate.browser(), f"person{number}@example.com") for number in range(12)))
        statuses = [reply.status_code for reply in replies]
        assert set(statuses) == {202, 429}
        assert statuses.count(202) <= 9, "not open: at most three a second, and the burst takes less than three"
        refused = next(reply for reply in replies if reply.status_code == 429)
        assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.slow
async def test_a_wall_clock_set_back_closes_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = Flood()
    await flood.per_second("asked", "somebody", 1)
    await asyncio.sleep(1.01)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3_600)
    await flood.per_second("asked", "somebody", 1)
    await asyncio.sleep(1.01)
    await flood.per_second("asked", "somebody", 1)


async def test_the_windows_of_a_flood_of_keys_are_forgotten() -> None:
    windows = Windows()
    for number in range(KEYS_MAX + 10):
        assert windows.hit(str(number), count=1, seconds=60) == 0
    assert len(windows._counts) <= KEYS_MAX
