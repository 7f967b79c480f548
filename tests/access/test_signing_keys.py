"""The keys that sign: one set whoever starts first, published before use, kept while needed, gone when stolen."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tollhouse.access.signing_key import ACCESS, ID
from tollhouse.access.signing_keys import (
    ALL,
    KEPT_AFTER_US,
    LOOK_SECONDS,
    PUBLISHED_AHEAD_US,
    ROTATED_AFTER_US,
    SigningKeys,
)
from tollhouse.errors import DatabaseUnavailable, TollhouseError
from tollhouse.runtime import Runtime
from tollhouse.signing.sealing import SealBroken
from tollhouse.testing import TestKit


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    async with TestKit(database_url=migrated_database_url) as running:
        yield running


@pytest.fixture
async def runs(migrated_database_url: str) -> AsyncIterator[list[Runtime]]:
    """Two replicas of one SECRET."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(TestKit(database_url=migrated_database_url))
        secret = first.toll.settings.secret
        second = await stack.enter_async_context(TestKit(database_url=migrated_database_url, secret=secret))
        yield [first.toll.run, second.toll.run]


async def kids(keys: SigningKeys) -> list[str]:
    return [key["kid"] for key in json.loads(await keys.document())["keys"]]


async def test_replicas_that_start_together_have_the_same_keys(runs: list[Runtime]) -> None:
    replicas = [SigningKeys(run) for run in runs for _ in range(5)]
    await asyncio.gather(*(keys.ensure() for keys in replicas))
    published = [await kids(keys) for keys in replicas]
    assert len(published[0]) == 2
    assert all(each == published[0] for each in published)


async def test_the_key_set_holds_public_keys_for_signatures_and_nothing_else(kit: TestKit) -> None:
    keys = json.loads(await SigningKeys(kit.toll.run).document())["keys"]
    assert {key["alg"]: sorted(key) for key in keys} == {
        "ES256": ["alg", "crv", "kid", "kty", "use", "x", "y"],
        "RS256": ["alg", "e", "kid", "kty", "n", "use"],
    }
    assert {key["use"] for key in keys} == {"sig"}


async def test_a_new_key_is_published_an_hour_before_it_signs(runs: list[Runtime]) -> None:
    here, there = (SigningKeys(run) for run in runs)
    first = (await here.signer(ACCESS)).kid
    assert (await there.signer(ACCESS)).kid == first
    newest = {row.algorithm: row.id for row in await here.rotate()}
    assert set(newest.values()) < set(await kids(here))
    for keys, run in zip((here, there), runs, strict=True):
        await keys.refresh()
        assert (await keys.signer(ACCESS)).kid == first
        run.clock.advance(PUBLISHED_AHEAD_US / 1_000_000)
        assert {algorithm: (await keys.signer(algorithm)).kid for algorithm in (ACCESS, ID)} == newest
        assert keys.peek(first, ACCESS) is not None


async def test_rotating_twice_within_the_hour_makes_one_key_and_at_once_on_two_replicas_as_well(
    runs: list[Runtime],
) -> None:
    replicas = [SigningKeys(run) for run in runs]
    await asyncio.gather(*(keys.ensure() for keys in replicas))
    rotated = await asyncio.gather(*(keys.rotate() for keys in replicas))
    assert rotated[0] == rotated[1] == await replicas[0].rotate()
    assert len(await kids(replicas[0])) == 4


async def test_another_replica_s_key_is_found_at_the_first_token_that_names_it(runs: list[Runtime]) -> None:
    here, there = (SigningKeys(run) for run in runs)
    await there.ensure()
    kid = {row.algorithm: row.id for row in await here.rotate()}[ACCESS]
    assert there.peek(kid, ACCESS) is None
    assert (await there.find(kid, ACCESS)).kid == kid
    assert there.peek(kid, ID) is None, "a key has one algorithm"


class Slow:
    """Reads of the keys that take their time, counted; they still read."""

    def __init__(self, run: Runtime, *, fails: int = 0) -> None:
        self.count = 0
        self.fails = fails
        self.gate = asyncio.Event()
        self.gate.set()
        self._read = run.db.fetch_all
        run.db.fetch_all = self

    async def __call__(self, statement: Any, **parameters: Any) -> Any:
        rows = await self._read(statement, **parameters)
        if statement is not ALL:
            return rows
        self.count += 1
        await asyncio.sleep(0.01)
        await self.gate.wait()
        if self.count <= self.fails:
            raise DatabaseUnavailable
        return rows


async def outcome(keys: SigningKeys, kid: str) -> str:
    try:
        return (await keys.find(kid, ACCESS)).kid or ""
    except TollhouseError as error:
        return error.code


async def test_a_thousand_unknown_ids_at_once_cost_a_handful_of_looks(kit: TestKit) -> None:
    keys = SigningKeys(kit.toll.run)
    await keys.ensure()
    reads, started = Slow(kit.toll.run), time.monotonic()
    found = await asyncio.gather(*(outcome(keys, f"unknown-{number}") for number in range(1000)))
    assert set(found) == {"token_invalid"}
    # One at once, then ten a second; and the kit's own replica looks now and then.
    assert 1 <= reads.count <= 2 + (time.monotonic() - started) / LOOK_SECONDS


async def test_a_replica_that_has_just_started_refuses_no_good_token(runs: list[Runtime]) -> None:
    """Fifty come at once, before it has read a key: all wait for the same look."""
    here, fresh = (SigningKeys(run) for run in runs)
    kid = (await here.signer(ACCESS)).kid
    Slow(runs[1])
    assert set(await asyncio.gather(*(outcome(fresh, kid) for _ in range(50)))) == {kid}


async def test_a_look_that_failed_has_answered_nobody(runs: list[Runtime]) -> None:
    here, fresh = (SigningKeys(run) for run in runs)
    kid = (await here.signer(ACCESS)).kid
    Slow(runs[1], fails=1)
    first = await asyncio.gather(*(outcome(fresh, kid) for _ in range(5)))
    assert set(first) <= {"database_unavailable", kid}, "never that the token is bad"
    assert await outcome(fresh, kid) == kid


async def test_a_stranger_s_nonsense_does_not_use_up_the_look_for_a_new_key(runs: list[Runtime]) -> None:
    here, there = (SigningKeys(run) for run in runs)
    await there.ensure()
    assert await outcome(there, "nonsense") == "token_invalid"
    kid = {row.algorithm: row.id for row in await here.rotate(compromised=True)}[ACCESS]
    assert await outcome(there, kid) == kid


async def test_a_read_that_was_overtaken_brings_no_deleted_key_back(kit: TestKit) -> None:
    keys = SigningKeys(kit.toll.run)
    old = (await keys.signer(ACCESS)).kid
    reads = Slow(kit.toll.run)
    reads.gate.clear()
    slow = asyncio.create_task(keys.refresh())
    await asyncio.sleep(0.05)
    rotating = asyncio.create_task(keys.rotate(compromised=True))
    await asyncio.sleep(0.2)
    reads.gate.set()
    newest = {row.algorithm: row.id for row in await rotating}
    await slow
    assert keys.peek(old, ACCESS) is None
    assert (await keys.signer(ACCESS)).kid == newest[ACCESS]


async def test_whoever_goes_away_does_not_take_the_others_look_along(runs: list[Runtime]) -> None:
    here, fresh = (SigningKeys(run) for run in runs)
    kid = (await here.signer(ACCESS)).kid
    Slow(runs[1])
    first, second = (asyncio.create_task(outcome(fresh, kid)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == kid


async def test_keys_are_rotated_every_90_days_and_kept_until_their_last_token_is_dead(kit: TestKit) -> None:
    run = kit.toll.run
    keys = SigningKeys(run)
    await keys.ensure()
    first = await kids(keys)
    await keys.keep()
    assert await kids(keys) == first
    run.clock.advance(ROTATED_AFTER_US / 1_000_000)
    await keys.keep()
    assert len(await kids(keys)) == 4
    run.clock.advance((PUBLISHED_AHEAD_US + KEPT_AFTER_US) / 1_000_000 - 1)
    await keys.keep()
    assert len(await kids(keys)) == 4
    run.clock.advance(1)
    await keys.keep()
    await keys.refresh()
    assert len(await kids(keys)) == 2
    assert not set(first) & set(await kids(keys))


async def test_a_compromised_key_is_gone_and_its_successor_signs_at_once(runs: list[Runtime]) -> None:
    removed: list[bool] = []
    here, there = (SigningKeys(run) for run in runs)
    there.on_removed = (lambda: removed.append(True),)
    await there.ensure()
    old = (await there.signer(ACCESS)).kid
    newest = {row.algorithm: row.id for row in await here.rotate(compromised=True)}
    assert (await here.signer(ACCESS)).kid == newest[ACCESS]
    await there.refresh()
    assert removed
    assert there.peek(old, ACCESS) is None
    assert sorted(await kids(there)) == sorted(newest.values())


async def test_the_database_alone_signs_nothing(kit: TestKit) -> None:
    """What is stored is sealed: no private number is in it, and no library reads it as a key."""
    run = kit.toll.run
    keys = SigningKeys(run)
    await keys.ensure()
    for row in await run.db.fetch_all(ALL):
        der = run.keys.open_signing_key(row.sealed, kid=row.id)
        assert der[-32:] not in row.sealed
        with pytest.raises(ValueError, match=r"."):
            load_der_private_key(row.sealed, password=None)
        with pytest.raises(SealBroken):
            run.keys.open_signing_key(row.sealed, kid="another")
