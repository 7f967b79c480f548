from __future__ import annotations

import pytest

from tests.mail.samples import ALICE, LINK, write_mail
from tollhouse.clock import Clock
from tollhouse.mail.errors import MailInvalid
from tollhouse.mail.message import Mail
from tollhouse.mail.transport import CAUGHT_MAX, MemoryTransport, Transport


async def test_a_caught_mail_shows_its_link_and_code() -> None:
    clock = Clock()
    clock.set(1_790_000_000_000_000)
    catcher: Transport = MemoryTransport(clock=clock)
    mail = write_mail(site_name="Studio 123456")
    await catcher.send(mail)
    assert isinstance(catcher, MemoryTransport)
    (caught,) = catcher.as_json()
    assert (caught.pop("received_at") or "").startswith("2026-09-21T14:13:20")
    assert caught == {
        "to": ALICE,
        "subject": "Sign in to Studio 123456",
        "text": mail.text,
        "html": mail.html,
        "link": LINK,
        "code": "730164",
    }


async def test_a_code_is_not_looked_for_in_a_link() -> None:
    catcher = MemoryTransport()
    await catcher.send(Mail(to=ALICE, subject="s", text=f"{LINK} and 246810.", html="h", message_id="m"))
    assert catcher.caught[0].code == "246810"


async def test_a_mail_without_link_and_code_shows_null() -> None:
    catcher = MemoryTransport()
    await catcher.send(Mail(to=ALICE, subject="s", text="https://acme.test/ 1234567", html="h", message_id="m"))
    assert (catcher.caught[0].link, catcher.caught[0].code) == (None, None)


async def test_the_newest_come_first_and_the_oldest_are_let_go() -> None:
    catcher = MemoryTransport()
    for number in range(CAUGHT_MAX + 5):
        await catcher.send(Mail(to=ALICE, subject=str(number), text="t", html="h", message_id="m"))
    subjects = [each.subject for each in catcher.caught]
    assert subjects == [str(number) for number in range(CAUGHT_MAX + 4, 4, -1)]
    catcher.clear()
    await catcher.close()
    assert catcher.as_json() == []


async def test_what_could_not_be_sent_is_not_caught() -> None:
    catcher = MemoryTransport()
    with pytest.raises(MailInvalid):
        await catcher.send(Mail(to="a@b.test,c@d.test", subject="s", text="t", html="h", message_id="m"))
    assert catcher.caught == []
