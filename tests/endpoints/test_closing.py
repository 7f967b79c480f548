"""Five days of nothing but failure close an endpoint; one success, or being enabled again, begins the count anew."""

from __future__ import annotations

import pytest

from tests.endpoints.receiver import OK, Answer, Receiver
from tests.endpoints.rig import ADMINS, DAY, HOUR, declare, emit, endpoint_row, open_house, told, tried, until
from tollhouse.endpoints import closing, endpoints
from tollhouse.testing import TestKit

LOOK = 601  # longer than between two looks at all endpoints


async def tell(kit: TestKit, receiver: Receiver, answer: Answer) -> None:
    """Have something happen to a new user, which is answered so."""
    receiver.usual = answer
    count = len(receiver.arrivals)
    await emit(kit, f"usr_{count}")
    await receiver.until(count + 1)
    await kit.settle()


async def is_closed(kit: TestKit) -> bool:
    """Whether the endpoint is disabled, once it was looked at."""
    await closing.close_failing(kit.toll.run)
    return (await endpoint_row(kit))["disabled_at"] is not None


async def test_five_days_of_failure_close_it_and_the_admins_are_told_once(kit: TestKit, receiver: Receiver):
    await tell(kit, receiver, OK)
    await tell(kit, receiver, Answer(500))
    kit.clock.advance(5 * DAY - HOUR)
    await tell(kit, receiver, Answer(500))
    assert not await is_closed(kit)
    kit.clock.advance(HOUR)
    await tell(kit, receiver, Answer(500))
    assert await is_closed(kit)
    row = await endpoint_row(kit)
    assert row["disabled_because"] == "Every attempt of the last 5 days failed."
    for address in ADMINS.split(", "):
        mail = await kit.mail_to(address)
        assert mail.subject == "Tollhouse: Events no longer reach app"
        assert "tollhouse endpoints enable app" in mail.text
        assert receiver.url in mail.text
    assert {each["status"] for each in await told(kit)} == {"delivered", "failed"}
    await is_closed(kit)
    await kit.settle()
    assert len(kit.mails) == 2
    assert await endpoint_row(kit) == row


async def test_it_is_looked_at_by_itself(
    migrated_database_url: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tollhouse.events.schedule.TICK_SECONDS", 0.02)
    async with open_house(migrated_database_url, declare(receiver)) as kit:
        await tell(kit, receiver, Answer(500))
        kit.clock.advance(5 * DAY)
        await tell(kit, receiver, Answer(500))
        kit.clock.advance(LOOK)

        async def closed() -> bool:
            return (await endpoint_row(kit))["disabled_at"] is not None

        await until(closed)


async def test_one_success_begins_the_count_anew(kit: TestKit, receiver: Receiver):
    await tell(kit, receiver, Answer(500))
    kit.clock.advance(3 * DAY)
    await tell(kit, receiver, OK)
    for _ in range(2):
        kit.clock.advance(2 * DAY)
        await tell(kit, receiver, Answer(500))
    kit.clock.advance(DAY)
    assert not await is_closed(kit)  # four days since the success, and three between the failures after it


async def test_silence_is_no_failure(kit: TestKit, receiver: Receiver):
    await tell(kit, receiver, Answer(500))
    receiver.usual = OK
    kit.clock.advance(10 * DAY)
    assert not await is_closed(kit)


@pytest.mark.usefixtures("quick")
async def test_enabled_again_it_has_five_days_anew(kit: TestKit, receiver: Receiver):
    await tell(kit, receiver, Answer(500))
    kit.clock.advance(5 * DAY)
    await tell(kit, receiver, Answer(500))
    assert await is_closed(kit)
    await endpoints.enable(kit.toll.run, "app")
    await kit.toll.run.outbox.learn()
    assert not await is_closed(kit)
    await tell(kit, receiver, Answer(500))
    assert not await is_closed(kit)
    await kit.settle()  # or the turn of the clock takes away what is under way
    kit.clock.advance(5 * DAY)
    await tell(kit, receiver, Answer(500))
    assert await is_closed(kit)
    assert not [row for row in await tried(kit) if row["succeeded"]]
