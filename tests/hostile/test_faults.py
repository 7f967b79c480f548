"""A database that only reads, bodies that unpack to bombs: people stay signed in, and refusals are typed."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.hostile.gate import ask, redeem, running, who
from tests.support.databases import PostgresDatabases

ALICE = "alice@example.com"
JSON = {"content-type": "application/json"}


@pytest.fixture
async def postgres_url(postgres_databases: PostgresDatabases, tmp_path: object) -> AsyncIterator[str]:
    async with postgres_databases.migrated(tmp_path) as url:  # type: ignore[arg-type]
        yield url


async def set_read_only(url: str, *, read_only: bool) -> None:
    """What a failover leaves behind: a server that takes connections and refuses to write."""
    name = url.rpartition("/")[2]
    connection = await asyncpg.connect(url)
    await connection.execute("SET default_transaction_read_only = off")
    await connection.execute(
        f"ALTER DATABASE {name} SET default_transaction_read_only = {'on' if read_only else 'off'}"
    )
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    await connection.execute(others, name)
    await connection.close()


async def test_a_read_only_database_still_knows_who_is_signed_in(postgres_url: str) -> None:
    async with running(postgres_url) as gate:
        browser = gate.browser()
        await ask(browser, ALICE)
        [letter] = await gate.letters(ALICE)
        assert (await redeem(browser, letter.token)).status_code == 200
        await set_read_only(postgres_url, read_only=True)
        for _ in range(10):  # connections that the failover cut are found out one by one
            await browser.get("/auth/session")
        assert await who(browser) == ALICE
        refused = await ask(gate.browser(), "bob@example.com")
        assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
        assert int(refused.headers["retry-after"]) >= 1
        await set_read_only(postgres_url, read_only=False)
        tries = [(await ask(gate.browser(), f"person{number}@example.com")).status_code for number in range(20)]
        assert tries[-1] == 202, "healed without a restart"


async def test_a_session_is_served_although_its_last_use_cannot_be_written(postgres_url: str) -> None:
    async with running(postgres_url) as gate:
        browser = gate.browser()
        await ask(browser, ALICE)
        [letter] = await gate.letters(ALICE)
        await redeem(browser, letter.token)
        await set_read_only(postgres_url, read_only=True)
        gate.clock.advance(6 * 60)
        for _ in range(10):
            await browser.get("/auth/session")
        assert await who(browser) == ALICE


async def test_a_packed_body_is_not_unpacked(migrated_database_url: str) -> None:
    async with running(migrated_database_url) as gate:
        packed = gzip.compress(json.dumps({"email": ALICE}).encode())
        reply = await gate.browser().post(
            "/auth/magic-links", content=packed, headers=JSON | {"content-encoding": "gzip"}
        )
        assert (reply.status_code, reply.json()["code"]) == (422, "body_invalid")
        assert await gate.letters() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 60_000, 422),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 422),
        (b'{"email":"' + b"a" * 70_000 + b'"}', 413),
        (b'{"email":"' + b"a" * 60_000 + b'"}', 422),
        (b'{"email":' + b"9" * 60_000 + b"}", 422),
        (b"{" + b",".join(b'"f%d":1' % number for number in range(5000)) + b"}", 422),
    ],
    ids=["deep list", "deep object", "too large", "a long address", "a long number", "many fields"],
)
async def test_odd_json_is_refused_by_type(migrated_database_url: str, body: bytes, status: int) -> None:
    async with running(migrated_database_url) as gate:
        reply = await gate.browser().post("/auth/magic-links", content=body, headers=JSON)
        assert reply.status_code == status
        assert reply.headers["content-type"] == "application/problem+json"


async def test_a_body_larger_than_it_says_is_cut_off(migrated_database_url: str) -> None:
    async with running(migrated_database_url) as gate:

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(100):
                yield b"a" * 65_536

        reply = await gate.browser().post("/auth/magic-links", content=endless(), headers=JSON)
        assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
