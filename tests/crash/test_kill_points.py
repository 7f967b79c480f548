"""A server killed at each named point: what it acknowledged holds, every mail arrives, and a link works once.

Each test starts a server that is armed to die, uses it until it does, and goes on with the same database and mail
server in another process (this one), its clock turned past the lease of what the dead one had claimed.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.hostile.gate import Gate, Letter, Mailbox, ask, cookies_of, environment_for, redeem, running, type_code, who
from tests.support.processes import Process
from tollhouse import failpoints
from tollhouse.mail.smtp import SmtpSettings, SmtpTransport

PASSES_MAX = 3
LEASE_SECONDS = 95
ROUNDS_MAX = 12
PATIENCE_SECONDS = 2.0


@dataclass
class Person:
    """What one person did, and what the server had said yes to before it died."""

    address: str
    cookies: dict[str, str] = field(default_factory=dict[str, str])
    asked: bool = False
    letter: Letter | None = None
    tried: bool = False
    signed_in: bool = False


class Armed:
    """A server that will die, and what happened until then."""

    def __init__(self, server: Process, mailbox: Mailbox) -> None:
        self.server = server
        self.mailbox = mailbox
        self.people: list[Person] = []
        self._worker = read_children(server.pid)

    @property
    def is_dead(self) -> bool:
        """Whether the process that serves is gone; its parent will start another one, but not at once."""
        return not self._worker or read_children(self.server.pid) != self._worker

    async def use(self) -> None:
        """Let person after person sign in until it dies."""
        for number in range(ROUNDS_MAX):
            person = Person(f"person{number}@example.com")
            self.people.append(person)
            await self._sign_in(person)
            if self.is_dead:
                return
        raise AssertionError(f"it never died:\n{self.server.text()[-3000:]}")

    async def _sign_in(self, person: Person) -> None:
        async with httpx.AsyncClient(base_url=self.server.url, timeout=PATIENCE_SECONDS, verify=False) as browser:
            try:
                person.asked = (await ask(browser, person.address)).status_code == 202
                person.cookies = dict(cookies_of(browser))
                person.letter = await self._letter(person.address)
                if person.letter is None:
                    return
                await self._noted()
                person.tried = True
                person.signed_in = (await redeem(browser, person.letter.token)).status_code == 200
                person.cookies = dict(cookies_of(browser))
                await self._rest()
            except httpx.TransportError:
                await self._rest()

    async def _letter(self, address: str) -> Letter | None:
        while not self.is_dead:
            if found := self.mailbox.to(address):
                return found[0]
            await asyncio.sleep(0.01)
        return None

    async def _noted(self) -> None:
        """Wait until every letter is noted as delivered, so that a death while redeeming cannot fall in between."""
        while not self.is_dead:
            if self.server.text().count("delivery_done") >= len(self.mailbox.letters):
                return
            await asyncio.sleep(0.005)

    async def _rest(self) -> None:
        """Let a death that follows the reply happen before the next person comes."""
        for _ in range(10):
            if self.is_dead:
                return
            await asyncio.sleep(0.01)


def read_children(pid: int) -> str:
    """The processes that a process has started and that still run."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return " ".join(child for child in children if is_running(child))


def is_running(pid: str) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:  # gone between the look and the reading
        return False


@pytest.mark.slow
@pytest.mark.unmeasured  # who is killed tells nothing
@pytest.mark.parametrize("point", failpoints.POINTS)
async def test_what_was_acknowledged_holds_and_everybody_gets_in(
    point: str, seed: int, migrated_database_url: str, spawn_tollhouse: Callable[..., Process]
) -> None:
    passes = random.Random(f"{point}:{seed}").randint(1, PASSES_MAX)
    with Mailbox() as mailbox:
        environment = environment_for(migrated_database_url, smtp_port=mailbox.port, log_format="console")
        environment["TOLLHOUSE_FAILPOINT"] = f"{point}:{passes}"
        server = await spawn_tollhouse("serve", "--port", "{port}", env=environment).answers()
        armed = Armed(server, mailbox)
        await armed.use()
        server.kill()
        transport = SmtpTransport(
            SmtpSettings.parse(environment["TOLLHOUSE_SMTP_URL"]), environment["TOLLHOUSE_MAIL_FROM"]
        )
        url = environment["TOLLHOUSE_URL"].replace("{port}", str(server.port))
        async with running(migrated_database_url, transport=transport, url=url) as gate:
            gate.clock.advance(LEASE_SECONDS)
            await gate.settle()
            for person in armed.people:
                await check(gate, mailbox, person)
    ids = Counter(letter.message_id for letter in mailbox.letters)
    doubled = [number for number in ids.values() if number > 1]
    assert all(number == 2 for number in doubled), "sent more often than once again"
    assert len(doubled) <= (1 if point == "delivery.run" else 0), "only a death between SMTP's yes and its note doubles"


async def check(gate: Gate, mailbox: Mailbox, person: Person) -> None:
    """The invariants of one person."""
    letters = mailbox.to(person.address)
    if person.asked:
        assert letters, f"{person}: acknowledged, but no mail came"
    browser = gate.browser()
    browser.cookies.update(person.cookies)
    if person.signed_in:
        assert await who(browser) == person.address, "acknowledged, but nobody is signed in"
    elif letters:
        entered = await redeem(browser, letters[0].token)
        if entered.status_code != 200:  # committed before the death, and the cookie was lost with the reply
            assert person.tried
            assert entered.json()["code"] == "magic_link_used"
            await ask_once_more(gate, mailbox, person)
    else:
        await ask_once_more(gate, mailbox, person)
    for letter in letters:
        for again in (await redeem(gate.browser(), letter.token), await type_code(browser, letter.code)):
            assert again.status_code in {400, 410}, "used twice"


async def ask_once_more(gate: Gate, mailbox: Mailbox, person: Person) -> None:
    """A new link can be had, and works."""
    already = len(mailbox.to(person.address))
    browser = gate.browser()
    asked = await ask(browser, person.address)
    assert asked.status_code == 202, asked.text
    newest = (await mailbox.wait_for(person.address, count=already + 1))[-1]
    assert (await redeem(browser, newest.token)).status_code == 200
    assert await who(browser) == person.address
