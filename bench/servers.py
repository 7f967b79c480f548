"""The processes that a measurement needs, each stopped at its end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.load import ROOT
from tests.support.children import LOOPBACK, free_port, start_child, stop_child, wait_for_port
from tests.support.postgres import PostgresServer
from tests.support.processes import Process, spawn
from tollhouse.db.migrations import migrate

HOST = "auth.bench.example"
PLENTY = "1000000"
STOP_SECONDS_MAX = 10
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
SETTINGS = {
    "TOLLHOUSE_URL": f"https://{HOST}",
    "TOLLHOUSE_SECRET": "not-a-real-one-0123456789-abcdefghijklmnop",
    "TOLLHOUSE_MAIL_FROM": "Bench <no-reply@bench.example>",
    "TOLLHOUSE_LOG_FORMAT": "json",
    "TOLLHOUSE_TRUSTED_PROXIES": "1",
    "TOLLHOUSE_MAGIC_LINK_LIFETIME_SECONDS": "3600",
    "TOLLHOUSE_LIMIT_MAILS_PER_SECOND": PLENTY,
    "TOLLHOUSE_LIMIT_MAILS_PER_IP_PER_HOUR": PLENTY,
    "TOLLHOUSE_LIMIT_MAILS_PER_ADDRESS_PER_HOUR": PLENTY,
    "TOLLHOUSE_LIMIT_MAILS_PER_ADDRESS_AND_NETWORK_PER_HOUR": PLENTY,
    "TOLLHOUSE_LIMIT_TOKEN_TRIES_PER_IP_PER_MINUTE": PLENTY,
}


@dataclass(frozen=True, slots=True)
class Server:
    """A running HTTP server: where it listens, and the process that does the work."""

    port: int
    worker: int

    def cpu_seconds(self) -> float:
        """Processor time that the worker has used so far."""
        fields = Path(f"/proc/{self.worker}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def resident_mb(self) -> float:
        """Resident memory of the worker, in MB of 1024 kB."""
        for line in Path(f"/proc/{self.worker}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the worker is gone")


def find_worker(parent: int) -> int:
    """The child that holds the most memory: beside Granian's worker there are only small ones of multiprocessing."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return max((int(child) for child in children), key=lambda child: Server(0, child).resident_mb())


@contextmanager
def bare_route() -> Iterator[Server]:
    """The bare Starlette route."""
    with child_on_port("bench.bare") as (port, pid):
        yield Server(port, find_worker(pid))


@contextmanager
def host(database_url: str, smtp_url: str) -> Iterator[Server]:
    """A FastAPI application that mounts Tollhouse, on a database of its own."""
    asyncio.run(migrate(database_url))
    settings = SETTINGS | {"TOLLHOUSE_DATABASE_URL": database_url, "TOLLHOUSE_SMTP_URL": smtp_url}
    with child_on_port("bench.host", env=settings) as (port, pid):
        yield Server(port, find_worker(pid))


@contextmanager
def child_on_port(module: str, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[tuple[int, int]]:
    """A module of this package run on a free port: its port and process id."""
    port = free_port()
    with Path(os.devnull).open("ab") as output:
        argv = [sys.executable, "-m", module, str(port), *arguments]
        child = start_child(argv, output=output, env={**os.environ, **(env or {})}, folder=ROOT)
        try:
            if not wait_for_port(child, port, patience_seconds=20):
                raise RuntimeError(f"{module} did not start")
            yield port, child.pid
        finally:
            stop_child(child, signal.SIGTERM, patience_seconds=STOP_SECONDS_MAX)


@contextmanager
def silent_mail_server() -> Iterator[str]:
    """The URL of a mail server that never greets, so that a link request is measured alone, its mail left waiting."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(128)
        yield f"smtp://{LOOPBACK}:{listener.getsockname()[1]}"


@contextmanager
def mail_sink(folder: Path) -> Iterator[tuple[str, Path]]:
    """The URL of a mail server that takes everything, and the file where it writes down what came."""
    path = folder / f"mails-{time.monotonic_ns()}"
    path.touch()
    with child_on_port("bench.sink", str(path)) as (port, _pid):
        yield f"smtp://{LOOPBACK}:{port}", path


@contextmanager
def databases(backend: str, folder: Path) -> Iterator[Iterator[str]]:
    """URLs of as many new databases as are wanted: files on the disk, or on a PostgreSQL that waits for the disk."""
    with ExitStack() as stack:
        if backend == "sqlite":
            yield (f"sqlite:///{folder / f'bench-{number}.db'}" for number in range(100))
            return
        server = stack.enter_context(started(PostgresServer(durable=True)))
        yield (asyncio.run(server.endpoint.create_database(f"bench_{number}")) for number in range(100))


@contextmanager
def started(server: PostgresServer) -> Iterator[PostgresServer]:
    """Start it, and leave nothing of it."""
    try:
        yield server.start()
    finally:
        server.remove()


@contextmanager
def tollhouse(
    database_url: str, smtp_url: str, folder: Path, more: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`tollhouse serve` as in production, with limits that refuse nobody; its log goes to a file."""
    asyncio.run(migrate(database_url))
    settings = SETTINGS | {"TOLLHOUSE_DATABASE_URL": database_url, "TOLLHOUSE_SMTP_URL": smtp_url, **(more or {})}
    process: Process
    with spawn(["serve", "--port", "{port}"], settings, folder=folder) as process:
        asyncio.run(process.answers())
        yield Server(process.port, find_worker(process.pid))
