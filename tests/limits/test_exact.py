"""Exact limits on both databases: never more than said, all or none, and the wait right to the second."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.test_races import opened
from tollhouse.clock import MINUTE, SECOND
from tollhouse.db.database import Database
from tollhouse.errors import RateLimited
from tollhouse.limits import Limit, take

NOW = 1_763_800_000_000_000
AT_ONCE = 50
ALICE = Limit("mails", "alice", 5, 3600)


@pytest.fixture
async def database(migrated_database_url: str) -> AsyncIterator[Database]:
    async with opened(migrated_database_url) as database:
        yield database


async def taken(database: Database, *limits: Limit, at_us: int = NOW) -> bool:
    try:
        await take(database, limits, now_us=at_us)
    except RateLimited:
        return False
    return True


async def wait_of(database: Database, *limits: Limit, at_us: int = NOW) -> int:
    with pytest.raises(RateLimited) as refused:
        await take(database, limits, now_us=at_us)
    assert refused.value.retry_after_seconds is not None
    return refused.value.retry_after_seconds


async def test_as_many_as_said_are_taken_at_once_and_not_one_more(database: Database) -> None:
    answers = [await taken(database, ALICE, at_us=NOW + number) for number in range(7)]
    assert answers == [True] * 5 + [False] * 2
    assert await taken(database, Limit("mails", "bob", 5, 3600)), "somebody else has a bucket of their own"
    assert await taken(database, Limit("codes", "alice", 5, 3600)), "and so has another limit"


async def test_the_wait_is_right_to_the_second(database: Database) -> None:
    limit = Limit("gap", "alice", 1, 30)
    assert await taken(database, limit)
    assert await wait_of(database, limit) == 30
    assert await wait_of(database, limit, at_us=NOW + 29 * SECOND) == 1
    assert await wait_of(database, limit, at_us=NOW + 30 * SECOND - 1) == 1
    assert await taken(database, limit, at_us=NOW + 30 * SECOND)


async def test_the_longest_wait_of_several_is_told(database: Database) -> None:
    gap, hour = Limit("gap", "alice", 1, 30), Limit("hour", "alice", 2, 3600)
    assert await taken(database, gap, hour)
    assert await taken(database, gap, hour, at_us=NOW + MINUTE)
    seconds = await wait_of(database, gap, hour, at_us=NOW + MINUTE)
    assert not await taken(database, gap, hour, at_us=NOW + MINUTE + (seconds - 1) * SECOND)
    assert await taken(database, gap, hour, at_us=NOW + MINUTE + seconds * SECOND)


async def test_a_refused_request_drains_nothing(database: Database) -> None:
    other = Limit("network", "mallory", 10, 3600)
    assert [await taken(database, ALICE, at_us=NOW + number) for number in range(5)] == [True] * 5
    assert [await taken(database, ALICE, other) for _ in range(20)] == [False] * 20
    assert [await taken(database, other, at_us=NOW + number) for number in range(11)] == [True] * 10 + [False]


async def test_refused_at_the_same_time_they_drain_nothing_either(database: Database) -> None:
    other = Limit("network", "mallory", AT_ONCE, 3600)
    answers = await asyncio.gather(*(taken(database, ALICE, other, at_us=NOW + number) for number in range(AT_ONCE)))
    assert answers.count(True) == ALICE.count
    left = [await taken(database, other, at_us=NOW + MINUTE + number) for number in range(AT_ONCE)]
    assert left.count(True) == AT_ONCE - ALICE.count


async def test_the_edge_of_a_window_does_not_double_the_rate(database: Database) -> None:
    early = [await taken(database, ALICE, at_us=NOW + 59 * MINUTE + number * SECOND) for number in range(5)]
    late = [await taken(database, ALICE, at_us=NOW + 61 * MINUTE + number * SECOND) for number in range(5)]
    assert early == [True] * 5
    assert late == [False] * 5


async def test_overlapping_keys_in_any_order_do_not_deadlock(database: Database) -> None:
    limits = [Limit("overlap", name, 1000, 3600) for name in ("a", "b", "c", "d")]
    pairs = [(limits[i % 4], limits[(i + step) % 4]) for i in range(60) for step in (1, 2, 3)]
    answers = await asyncio.gather(*(taken(database, *pair, at_us=NOW + i) for i, pair in enumerate(pairs)))
    assert all(answers)


PROGRAM = """
import asyncio, json, sys, time
from tests.hostile.test_races import opened
from tollhouse.errors import RateLimited
from tollhouse.limits import Limit, take

async def go(url):
    async with opened(url) as database:
        async def one(number):
            try:
                limits = [Limit("shared", "all", 7, 3600), Limit("own", str(number), 1, 60)]
                await take(database, limits, now_us=int(time.time() * 1e6))
            except RateLimited:
                return 0
            return 1
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(sum(await asyncio.gather(*(one(number) for number in range(25))))))

asyncio.run(go(sys.argv[1]))
"""


@pytest.mark.slow
async def test_two_processes_at_once_take_no_more_than_one(migrated_database_url: str) -> None:
    folder, pipe = Path(__file__).parents[2], asyncio.subprocess.PIPE
    command: list[Any] = [sys.executable, "-c", PROGRAM, migrated_database_url]
    children = [await asyncio.create_subprocess_exec(*command, cwd=folder, stdin=pipe, stdout=pipe) for _ in range(2)]
    for child in children:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
    printed = await asyncio.gather(*(child.communicate(b"go\n") for child in children))
    assert sum(json.loads(text) for text, _ in printed) == 7
