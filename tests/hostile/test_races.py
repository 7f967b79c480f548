"""Two hundred at once, over two server processes: a link and a code each make one session, and five tries are five."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from tests.hostile.gate import Letter, Mailbox, ask, cookies_of, environment_for
from tests.support.processes import Process
from tollhouse.db import Statement
from tollhouse.db.database import Database
from tollhouse.identity.sign_ins import CODE_TRIES_MAX
from tollhouse.identity.tables import magic_links, sessions

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]

AT_ONCE = 200
ALICE = "alice@example.com"
SESSIONS = Statement(select(func.count()).select_from(sessions), int)
TRIES = Statement(select(func.max(magic_links.c.code_tries)), int)


@dataclass
class Two:
    """Two servers on one database, and the mailbox they send to."""

    servers: list[Process]
    mailbox: Mailbox
    database: Database

    async def asked(self) -> tuple[Letter, str]:
        """Alice's mail, and the cookies of the browser that asked for it."""
        async with httpx.AsyncClient(base_url=self.servers[0].url, timeout=10) as browser:
            assert (await ask(browser, ALICE)).status_code == 202
            [cookie] = cookies_of(browser).items()
        return (await self.mailbox.wait_for(ALICE))[0], "=".join(cookie)

    async def at_once(self, send: Callable[[httpx.AsyncClient], Coroutine[Any, Any, httpx.Response]]) -> Counter[str]:
        """How often each answer came to so many requests at the same time, half of them to each server."""
        limits = httpx.Limits(max_connections=AT_ONCE)
        async with (
            httpx.AsyncClient(base_url=self.servers[0].url, timeout=60, limits=limits) as one,
            httpx.AsyncClient(base_url=self.servers[1].url, timeout=60, limits=limits) as two,
        ):
            replies = await asyncio.gather(*(send((one, two)[number % 2]) for number in range(AT_ONCE)))
        return Counter("signed in" if reply.status_code == 200 else reply.json()["code"] for reply in replies)


@pytest.fixture
async def two(migrated_database_url: str, spawn_tollhouse: Callable[..., Process]) -> AsyncIterator[Two]:
    with Mailbox() as mailbox:
        environment = environment_for(migrated_database_url, smtp_port=mailbox.port, log_format="console")
        started = [spawn_tollhouse("serve", "--port", "{port}", env=environment) for _ in range(2)]
        servers = [await server.answers() for server in started]
        async with opened(migrated_database_url) as database:
            yield Two(servers, mailbox, database)


@asynccontextmanager
async def opened(database_url: str) -> AsyncIterator[Database]:
    from pathlib import Path

    from tollhouse.db.postgres import PostgresDatabase
    from tollhouse.db.sqlite import SqliteDatabase

    is_file = database_url.startswith("sqlite:///")
    path = Path(database_url.removeprefix("sqlite:///"))
    database = SqliteDatabase(path) if is_file else PostgresDatabase(database_url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def test_of_two_hundred_redemptions_of_one_link_one_gets_a_session(two: Two) -> None:
    letter, _ = await two.asked()
    answers = await two.at_once(lambda client: client.post("/auth/callback", json={"token": letter.token}))
    assert answers == {"signed in": 1, "magic_link_used": AT_ONCE - 1}
    assert await two.database.fetch_one(SESSIONS) == 1


async def test_of_two_hundred_uses_of_one_code_one_gets_a_session(two: Two) -> None:
    letter, cookie = await two.asked()
    headers = {"cookie": cookie}
    answers = await two.at_once(lambda client: client.post("/auth/code", json={"code": letter.code}, headers=headers))
    assert answers["signed in"] == 1
    assert set(answers) <= {"signed in", "code_invalid", "code_locked", "rate_limited"}
    assert await two.database.fetch_one(SESSIONS) == 1


async def test_of_two_hundred_wrong_codes_at_once_five_are_looked_at(two: Two) -> None:
    letter, cookie = await two.asked()
    wrong = [f"{(int(letter.code) + number) % 1_000_000:06}" for number in range(1, AT_ONCE + 1)]
    codes = iter(wrong)
    headers = {"cookie": cookie}
    answers = await two.at_once(lambda client: client.post("/auth/code", json={"code": next(codes)}, headers=headers))
    assert answers["code_invalid"] == CODE_TRIES_MAX
    assert set(answers) <= {"code_invalid", "code_locked", "rate_limited"}
    assert await two.database.fetch_one(TRIES) == CODE_TRIES_MAX
    async with httpx.AsyncClient(base_url=two.servers[1].url) as browser:
        too_late = await browser.post("/auth/code", json={"code": letter.code}, headers=headers)
        assert (too_late.status_code, too_late.json()["code"]) == (429, "code_locked")
        still = await browser.post("/auth/callback", json={"token": letter.token}, headers=headers)
        assert still.status_code == 200, "the link in the same mail still works"


async def test_a_link_and_its_code_at_the_same_time_leave_one_living_session(two: Two) -> None:
    letter, cookie = await two.asked()
    kinds = iter(range(AT_ONCE))

    def send(client: httpx.AsyncClient) -> Coroutine[Any, Any, httpx.Response]:
        if next(kinds) % 20 == 0:
            return client.post("/auth/code", json={"code": letter.code}, headers={"cookie": cookie})
        return client.post("/auth/callback", json={"token": letter.token})

    answers = await two.at_once(send)
    assert answers["signed in"] in {1, 2}, "the robot with the link, and the person with the code who ends its session"
    assert await two.database.fetch_one(SESSIONS) == 1
