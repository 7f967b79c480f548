"""A host that only mounts Tollhouse, configures no logging and raises in its handlers still logs nobody's secrets."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.hostile.gate import SECRET, Mailbox, ask, cookies_of, environment_for, redeem
from tests.support.children import free_port, start_child, stop_child
from tests.support.processes import PASSED_ON, Process
from tests.telemetry.test_nothing_secret_leaves import ALICE, assert_nothing_of

HOST = """
import asyncio, sys
from fastapi import FastAPI
from granian.constants import Interfaces
from granian.server.embed import Server
from tollhouse import Tollhouse

toll = Tollhouse()
app = FastAPI()
toll.install(app)

@toll.on("user.signed_in")
async def welcome(event):
    address = "alice.oneinamillion@private.example"
    raise ValueError(f"no luck with {address}")

asyncio.run(Server(app, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI).serve())
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[tuple[Process, Mailbox, Path]]:
    import os

    (tmp_path / "host.py").write_text(HOST)
    database = tmp_path / "host.sqlite"
    port = free_port()
    with Mailbox() as mailbox:
        environment = environment_for(f"sqlite:///{database}", smtp_port=mailbox.port)
        environment = {name: value.replace("{port}", str(port)) for name, value in environment.items()}
        environment |= {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        output = tmp_path / "host.log"
        from tollhouse.db.migrations import migrate

        asyncio.run(migrate(f"sqlite:///{database}"))
        with output.open("ab") as stream:
            child = start_child([sys.executable, "host.py", str(port)], output=stream, env=environment, folder=tmp_path)
        yield Process(child, output, port=port), mailbox, database
        import signal

        stop_child(child, signal.SIGKILL, patience_seconds=5)


@pytest.mark.slow
async def test_a_handler_and_a_route_that_raise_tell_the_log_nothing(host: tuple[Process, Mailbox, Path]) -> None:
    server, mailbox, database = host
    await server.answers()
    async with httpx.AsyncClient(base_url=server.url, timeout=10) as browser:
        await ask(browser, ALICE)
        letter = (await mailbox.wait_for(ALICE))[0]
        assert (await redeem(browser, letter.token)).status_code == 200
        for _ in range(300):
            if "delivery_raised" in server.text():
                break
            await asyncio.sleep(0.02)
        with sqlite3.connect(database, timeout=5) as connection:
            connection.execute("ALTER TABLE tollhouse_sessions RENAME TO broken")
        connection.close()
        assert (await browser.get("/auth/session")).status_code == 500
        secrets = [ALICE, letter.token, letter.code, SECRET, *cookies_of(browser).values()]
    log = server.text()
    assert "delivery_raised" in log
    assert "request_failed" in log
    assert_nothing_of(secrets, log, where="log")
