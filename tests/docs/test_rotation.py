"""The three roll-outs of docs/operations.md rotate the secret, and a shorter way does not."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.docs.documents import OPERATIONS
from tollhouse import TollhouseError
from tollhouse.identity import users
from tollhouse.testing import TestKit

SECRETS = {"old": "an old secret of many bytes: 0123456789abc", "new": "a new secret of many bytes: zyxwvutsrqpon"}


def steps() -> list[str]:
    """What the section sets TOLLHOUSE_SECRET to, in order."""
    section = OPERATIONS.read_text().partition("## Rotate the secret")[2].partition("\n## ")[0]
    return re.findall(r"`TOLLHOUSE_SECRET=([a-z,]+)`", section)


def spelled(step: str, *, between: str = ",") -> str:
    return between.join(SECRETS[name] for name in step.split(","))


async def alice_under(secret: str, database_url: str) -> str | None:
    """A server started with this secret knows Alice by this id."""
    async with TestKit(database_url=database_url, secret=secret) as kit:
        alice = await users.find(kit.toll.run, "alice@example.com")
        return alice and alice.id


@pytest.fixture
async def alice(migrated_database_url: str) -> str:
    """Alice's id; she signed in under the old secret."""
    async with TestKit(database_url=migrated_database_url, secret=SECRETS["old"]) as kit:
        return (await kit.sign_in("alice@example.com")).user_id


@pytest.mark.parametrize("between", [",", "\n"], ids=["by commas", "one a line"])
async def test_the_documented_steps_keep_everybody_known(migrated_database_url: str, alice: str, between: str) -> None:
    assert len(steps()) == 3
    for step in steps():
        assert await alice_under(spelled(step, between=between), migrated_database_url) == alice, step


async def test_in_each_roll_out_both_kinds_of_replica_can_be_restarted(migrated_database_url: str, alice: str) -> None:
    for before, after in itertools.pairwise(["old", *steps()]):
        for step in (after, before, after):
            assert await alice_under(spelled(step), migrated_database_url) == alice, f"{step} in {before} → {after}"


async def test_the_new_secret_alone_opens_nothing_before_it_was_first(migrated_database_url: str, alice: str) -> None:
    assert await alice_under(spelled("old,new"), migrated_database_url) == alice
    with pytest.raises(TollhouseError, match="does not open"):
        await alice_under(spelled("new"), migrated_database_url)
