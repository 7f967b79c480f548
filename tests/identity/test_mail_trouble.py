"""When the mail server is down, askers are told so; when it is back, living links go out and dead ones do not."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.identity.rows import rows_of
from tollhouse.events.tables import deliveries
from tollhouse.mail.errors import MailDeferred
from tollhouse.mail.message import Mail
from tollhouse.mail.transport import MemoryTransport

pytestmark = pytest.mark.slow  # the worker looks once a second


class Moody(MemoryTransport):
    """A mail server that can be down, or slow for one mailbox."""

    down = False
    greylisted = ""

    async def send(self, mail: Mail) -> None:
        if self.down:
            raise MailDeferred("connection refused", stage="connect")
        if mail.to == self.greylisted:
            raise MailDeferred("450 come back later", stage="rcpt", smtp_code=450)
        await super().send(mail)


async def noticed(kit, *, waiting: bool) -> None:
    """Wait until the worker has seen that mail waits, or none does."""
    deadline = time.monotonic() + 10
    while (kit.toll.run.outbox.mail_waits_since is not None) is not waiting:
        kit.toll.run.outbox.wake()  # the clock may have been turned, which the worker would notice a second later
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.fixture
async def moody(make_kit):
    kit = make_kit()
    kit.catcher = Moody(clock=kit.clock)
    async with kit:
        yield kit


async def test_askers_are_told_after_two_minutes_and_served_again_once_it_is_back(moody):
    moody.catcher.down = True
    alice = moody.new_browser()
    assert (await alice.ask_for_link("alice@example.com")).status_code == 202
    await noticed(moody, waiting=True)
    moody.clock.advance(100)
    assert (await moody.new_browser().ask_for_link("bob@example.com")).status_code == 202
    moody.clock.advance(25)
    reply = await moody.new_browser().ask_for_link("charlie@example.com")
    assert (reply.status_code, reply.json()["code"]) == (503, "mail_unavailable")
    assert int(reply.headers["retry-after"]) > 0
    page = await moody.new_browser().post(
        "/auth/magic-links", data={"email": "charlie@example.com"}, headers={"accept": "text/html"}
    )
    assert page.status_code == 503
    assert "Mail cannot be sent just now" in page.text
    moody.catcher.down = False
    moody.clock.advance(60)
    assert (await alice.open_link(await moody.mail_to("alice@example.com"))).status_code == 200
    await moody.mail_to("bob@example.com")
    await noticed(moody, waiting=False)
    assert (await moody.new_browser().ask_for_link("charlie@example.com")).status_code == 202


async def test_one_greylisted_mailbox_stops_nobody(moody):
    moody.catcher.greylisted = "alice@example.com"
    await moody.new_browser().ask_for_link("alice@example.com")
    deadline = time.monotonic() + 10
    while not (await rows_of(moody, deliveries))[0]["reason"]:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    moody.clock.advance(180)
    await asyncio.sleep(1.2)
    assert moody.toll.run.outbox.mail_waits_since is None
    assert (await moody.new_browser().ask_for_link("bob@example.com")).status_code == 202


async def test_the_mail_of_a_dead_link_is_never_sent(moody):
    moody.catcher.down = True
    await moody.new_browser().ask_for_link("alice@example.com")
    await noticed(moody, waiting=True)
    moody.clock.advance(601)
    moody.catcher.down = False
    await noticed(moody, waiting=False)
    (delivery,) = await rows_of(moody, deliveries)
    assert (delivery["status"], delivery["sealed"]) == ("expired", None)
    assert moody.mails == []


class Mute(MemoryTransport):
    """A mail server that takes every mail and never says so."""

    async def send(self, mail: Mail) -> None:
        await super().send(mail)
        raise MailDeferred("no answer after DATA", stage="data", may_have_been_sent=True)


async def test_a_mail_that_left_without_an_answer_is_sent_once_more_and_no_third_time(make_kit):
    kit = make_kit()
    kit.catcher = Mute(clock=kit.clock)
    async with kit:
        await kit.new_browser().ask_for_link("alice@example.com")
        await noticed(kit, waiting=True)
        kit.clock.advance(5)
        deadline = time.monotonic() + 10
        while (await rows_of(kit, deliveries))[0]["status"] == "waiting":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        assert (await rows_of(kit, deliveries))[0]["status"] == "failed"
        assert kit.catcher.count == 2
