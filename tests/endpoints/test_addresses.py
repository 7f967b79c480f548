"""The address reaches the endpoints that ask for it, in two types of events, and lies readable nowhere."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from tests.endpoints.receiver import OK, Answer, Receiver
from tests.endpoints.rig import House, declare, endpoint_row, open_house, told, tried
from tests.identity.rows import rows_of
from tollhouse.db import metadata
from tollhouse.endpoints import endpoints, resending
from tollhouse.events.tables import events
from tollhouse.testing import TestKit

pytestmark = pytest.mark.usefixtures("quick")
EMAIL = "alice.liddell@example.com"
TOLD_OF = {"user.created", "user.signed_in"}


@pytest.fixture
async def plain() -> AsyncIterator[Receiver]:
    """An app that has not asked for addresses."""
    async with Receiver() as running:
        yield running


@pytest.fixture
async def house(migrated_database_url: str, receiver: Receiver, plain: Receiver) -> AsyncIterator[House]:
    """A Tollhouse that tells one app addresses, and another none."""
    declared = [declare(receiver, with_address=True), declare(plain, name="plain")]
    async with open_house(migrated_database_url, *declared) as running:
        yield running


async def everywhere(kit: TestKit) -> str:
    """All that lies in the database."""
    rows = [row for table in metadata.sorted_tables for row in await rows_of(kit, table)]
    text = "\n".join(json.dumps(row, default=lambda value: bytes(value).decode("latin-1")) for row in rows)
    url = kit.toll.settings.database_url
    if url.startswith("sqlite:"):
        file = Path(url.removeprefix("sqlite:///"))
        text += "".join(each.read_bytes().decode("latin-1") for each in file.parent.glob(file.name + "*"))
    return text


async def test_it_comes_in_two_types_to_those_who_ask_and_is_written_nowhere(
    house: House, receiver: Receiver, plain: Receiver
):
    receiver.usual = Answer(503, b"not yet")
    with structlog.testing.capture_logs() as logs:
        await house.sign_in(EMAIL)
        await house.settle()
        created, signed_in = await told(house)
        assert created["sealed"]
        assert signed_in["sealed"]
        assert EMAIL not in await everywhere(house)
        receiver.usual = OK
        house.clock.advance(7)
        await receiver.until(3)
        await house.settle()
    got = {each.event["type"]: each.event["data"].get("email") for each in receiver.arrivals}
    assert got == dict.fromkeys(TOLD_OF, EMAIL)
    assert set(plain.types) == TOLD_OF
    assert not any("email" in each.event["data"] for each in plain.arrivals)
    assert [row["sealed"] for row in await told(house)] == [None, None]
    assert all("email" not in json.loads(row["data"]) for row in await rows_of(house, events))
    assert EMAIL not in repr(logs)
    assert EMAIL not in repr(await tried(house))


async def test_it_is_erased_when_a_delivery_fails_for_good(house: House, receiver: Receiver):
    receiver.usual = Answer(410)
    await house.sign_in(EMAIL)
    await house.settle()
    assert {(row["status"], row["sealed"]) for row in await told(house)} == {("failed", None)}


async def test_it_is_erased_when_its_endpoint_is_disabled_or_removed(house: House, receiver: Receiver):
    receiver.usual = Answer(500)
    await house.sign_in(EMAIL)
    await house.settle()
    assert [row["sealed"] is None for row in await told(house)] == [False, False]
    await endpoints.disable(house.toll.run, "app", because="Somebody said so.")
    assert [row["sealed"] for row in await told(house)] == [None, None]


async def test_it_is_erased_when_nobody_serves_the_endpoint_any_more(house: House, receiver: Receiver):
    run = house.toll.run
    await endpoints.remove(run, "app")
    await house.sign_in(EMAIL)  # by a process that does not know yet
    waiting = await told(house)
    await run.outbox.refresh()
    assert [row["sealed"] for row in await told(house)] == [None] * len(waiting)
    assert {row["status"] for row in await told(house)} <= {"failed", "delivered"}


async def test_what_is_sent_again_comes_without(house: House, receiver: Receiver):
    await house.sign_in(EMAIL)
    await receiver.until(2)
    await house.settle()
    await resending.resend(house.toll.run, receiver.ids[0], name="app")
    again = (await receiver.until(3))[2].event
    await house.settle()
    assert again["id"] == receiver.ids[0]
    assert "email" not in again["data"]


async def test_it_is_asked_for_in_the_settings(house: House):
    assert (await endpoint_row(house))["with_address"] == 1
    assert (await endpoint_row(house, "plain"))["with_address"] == 0
