"""The PostgreSQL of the tests does what the tests rely on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest

from tests.support.databases import BACKENDS
from tests.support.postgres import PostgresEndpoint, PostgresFailed, clear_abandoned


async def fetch_value(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_copied_database_holds_what_its_template_held(postgres_server, worker):
    template, copy = f"pattern_{worker}", f"copy_{worker}"
    url = await postgres_server.create_database(template)
    await fetch_value(url, "CREATE TABLE toll AS SELECT 7 AS due")
    copied = await postgres_server.create_database(copy, template=template)
    assert await fetch_value(copied, "SELECT due FROM toll") == 7
    assert "due" in postgres_server.dump(copy)
    await postgres_server.drop_database(copy)
    await postgres_server.drop_database(template)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await fetch_value(copied, "SELECT 1")


async def test_text_sorts_by_its_bytes_and_200_may_connect(postgres_server):
    assert await fetch_value(postgres_server.url(), "SELECT 'Z' < 'a' AND 'z' < 'ä'") is True
    assert await fetch_value(postgres_server.url(), "SHOW max_connections") == "200"


async def test_a_name_that_needs_quoting_is_refused(postgres_server: PostgresEndpoint):
    with pytest.raises(PostgresFailed):
        await postgres_server.create_database('x"; DROP DATABASE postgres')


async def test_a_database_is_fresh_for_every_test(database_url, backend):
    assert backend in BACKENDS
    if backend == "sqlite":
        assert not Path(database_url.removeprefix("sqlite:///")).exists()
    else:
        assert await fetch_value(database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


@pytest.mark.slow
async def test_a_commit_outlives_a_crash_on_the_same_port(private_postgres):
    server = private_postgres()
    url = server.url()
    await fetch_value(url, "CREATE TABLE toll AS SELECT 7 AS due")
    server.stop("immediate")
    with pytest.raises(OSError, match="Connect call failed"):
        await fetch_value(url, "SELECT 1")
    server.start()
    assert await fetch_value(url, "SELECT due FROM toll") == 7


@pytest.mark.slow
async def test_a_durable_server_waits_for_the_disk(private_postgres):
    assert await fetch_value(private_postgres(durable=True).url(), "SHOW fsync") == "on"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_test_run_leaves_no_server():
    program = (
        "import time; from tests.support.postgres import PostgresServer;"
        "print(PostgresServer().start().pid, flush=True); time.sleep(60)"
    )
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.send_signal(signal.SIGKILL)
    wait_until_gone(pid)
    clear_abandoned()


def wait_until_gone(pid: int) -> None:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} still runs")
