"""Another issuer's users, who get an id of ours when something of theirs is first written."""

from __future__ import annotations

import pytest

from tests.ledger.rig import COUNT_USERS
from tollhouse.errors import NotFound
from tollhouse.identity import foreign_users, users
from tollhouse.testing import TestKit

ALICE = "https://clerk.example.com#user_1"


async def resolve(kit: TestKit, reference: str) -> str:
    return await kit.toll.run.db.transact(foreign_users.resolve, kit.toll.run, reference)


async def test_a_foreign_user_is_nobody_until_something_is_written(kit: TestKit):
    run = kit.toll.run
    assert await foreign_users.find(run, ALICE) is None
    user_id = await resolve(kit, ALICE)
    assert user_id.startswith("usr_")
    assert await foreign_users.find(run, ALICE) == user_id == await resolve(kit, ALICE)


async def test_the_same_subject_of_another_issuer_is_somebody_else(kit: TestKit):
    others = [ALICE, "https://other.example.com#user_1", "https://clerk.example.com#user_2", ALICE + "#x"]
    assert len({await resolve(kit, each) for each in others}) == 4


async def test_an_id_of_ours_is_itself(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    assert await foreign_users.find(kit.toll.run, alice.user_id) == alice.user_id == await resolve(kit, alice.user_id)
    assert await kit.toll.run.db.fetch_one(COUNT_USERS) == 1


async def test_what_is_no_reference_is_nobody(kit: TestKit):
    no_ids = ("", "#", "alice", "usr_\0", "https://clerk.example.com", "https://clerk.example.com#", "ftp://x#1")
    for reference in (*no_ids, ALICE * 40, "https://clerk.example.com#a\0", "https://clerk example.com#a"):
        assert await foreign_users.find(kit.toll.run, reference) is None
        with pytest.raises(NotFound):
            await resolve(kit, reference)


async def test_an_erased_foreign_user_comes_back_as_somebody_new(kit: TestKit):
    first = await resolve(kit, ALICE)
    assert await users.erase(kit.toll.run, first)
    assert await foreign_users.find(kit.toll.run, ALICE) is None
    assert await resolve(kit, ALICE) != first
