"""The data keys: made once, opened by SECRET alone, sealed again when it is rotated."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.identity.rows import rows_of, run_sql
from tollhouse import db as databases
from tollhouse.errors import SettingsError
from tollhouse.signing import keyring
from tollhouse.signing.keyring import Keyring
from tollhouse.signing.sealing import SealBroken
from tollhouse.signing.tables import keys
from tollhouse.signing.tokens import create_token
from tollhouse.testing import TestKit, make_settings

OLD, NEW, OTHER = (create_token() for _ in range(3))


@pytest.fixture
def at(migrated_database_url: str):
    """Makes a kit on the test's database with this SECRET."""
    return lambda *secret: TestKit(database_url=migrated_database_url, secret=secret)


async def sealed_keys(kit: TestKit) -> dict[str, bytes]:
    return {row["id"]: row["sealed"] for row in await rows_of(kit, keys)}


async def test_keys_are_made_once_and_stay(at):
    async with at(OLD) as kit:
        first = await sealed_keys(kit)
        digest = kit.toll.run.keys.digest_address("alice@example.com")
    assert set(first) == {"pepper", "data"}
    async with at(OLD) as kit:
        assert await sealed_keys(kit) == first
        assert kit.toll.run.keys.digest_address("alice@example.com") == digest


async def test_replicas_that_start_together_have_the_same_keys(migrated_database_url: str):
    settings = make_settings(database_url=migrated_database_url, secret=OLD)
    opened = [databases.connect(settings) for _ in range(4)]
    for db in opened:
        await db.open()
    try:
        rings = await asyncio.gather(*(keyring.load(db, settings.secret, now_us=1) for db in opened))
    finally:
        for db in opened:
            await db.close()
    assert len({ring.digest_address("alice@example.com") for ring in rings}) == 1
    sealed = rings[0].seal_mail(b"mail", delivery_id="dlv_1")
    assert rings[-1].open_mail(sealed, delivery_id="dlv_1") == b"mail"


async def test_after_a_rotation_everybody_is_who_they_were(at):
    async with at(OLD) as kit:
        alice = await kit.sign_in("alice@example.com")
        cookie = alice.cookies["__Host-tollhouse"]
        asked = kit.new_browser()
        await asked.ask_for_link("bob@example.com")
        mail = await kit.mail_to("bob@example.com")
        before = await sealed_keys(kit)
    async with at(NEW, OLD) as kit:
        assert all(before[name] != sealed for name, sealed in (await sealed_keys(kit)).items())
        reply = await kit.new_browser().get("/auth/session", headers={"cookie": f"__Host-tollhouse={cookie}"})
        assert reply.json()["user_id"] == alice.user_id
        assert (await kit.new_browser().open_link(mail)).status_code == 200
    async with at(NEW) as kit:  # the old secret is needed no more
        again = await kit.sign_in("alice@example.com", browser=kit.new_browser(ip="192.0.2.9"))
        assert again.user_id == alice.user_id


async def test_a_rotated_secret_opens_nothing_any_more(at):
    async with at(OLD):
        pass
    async with at(NEW, OLD):
        pass
    with pytest.raises(SettingsError, match="TOLLHOUSE_SECRET does not open"):
        async with at(OLD):
            pass


async def test_a_current_secret_seals_nothing_again(at):
    async with at(OLD) as kit:
        before = await sealed_keys(kit)
    async with at(OLD, OTHER) as kit:
        assert await sealed_keys(kit) == before


async def test_another_secret_is_refused_and_changes_nothing(at):
    async with at(OLD) as kit:
        before = await sealed_keys(kit)
    with pytest.raises(SettingsError) as caught:
        async with at(OTHER, NEW):
            pass
    assert not any(secret in str(caught.value) for secret in (OLD, NEW, OTHER))
    async with at(OLD) as kit:
        assert await sealed_keys(kit) == before


async def test_keys_that_changed_places_are_refused(at):
    async with at(OLD) as kit:
        await run_sql(kit, "UPDATE tollhouse_keys SET id = id || '-moved'")
        await run_sql(kit, "UPDATE tollhouse_keys SET id = 'data' WHERE id = 'pepper-moved'")
    with pytest.raises(SettingsError):
        async with at(OLD):
            pass


def test_every_use_of_a_key_is_apart_from_the_others():
    ring, other = Keyring(b"p" * 32, b"d" * 32), Keyring(b"q" * 32, b"d" * 32)
    assert ring.digest_address("a@b.example") != other.digest_address("a@b.example")
    assert ring.digest_code("123456", link_id="mgl_1") == other.digest_code("123456", link_id="mgl_1")
    assert ring.digest_code("123456", link_id="mgl_1") != ring.digest_code("123456", link_id="mgl_2")
    assert ring.digest_code("123456", link_id="mgl_1") != ring.digest_code("123457", link_id="mgl_1")
    assert ring.digest_network("192.0.2.1") != ring.digest_network("192.0.2.2")
    assert ring.digest_network("192.0.2.1") != Keyring(b"p" * 32, b"e" * 32).digest_network("192.0.2.1")
    digests = [ring.digest_pair(a, b) for a, b in itertools.product((b"1" * 32, b"2" * 32), repeat=2)]
    assert len(set(digests)) == 4


def test_a_mail_opens_under_its_own_delivery_only():
    ring = Keyring(b"p" * 32, b"d" * 32)
    sealed = ring.seal_mail(b"mail", delivery_id="dlv_1")
    assert ring.open_mail(sealed, delivery_id="dlv_1") == b"mail"
    with pytest.raises(SealBroken):
        ring.open_mail(sealed, delivery_id="dlv_2")
    with pytest.raises(SealBroken):
        Keyring(b"p" * 32, b"e" * 32).open_mail(sealed, delivery_id="dlv_1")
