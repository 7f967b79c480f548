"""Tollhouse processes within milliseconds: forked from one that has loaded everything already.

To load it takes a second of a core, twice for `tollhouse serve`, and the tests start over a hundred.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO

from tests.support.children import start_child, stop_child
from tests.support.testdata import TESTS
from tests.support.warm_main import MESSAGE_BYTES_MAX, Wanted

START_SECONDS_MAX = 60.0
CAN_FORK = hasattr(os, "pidfd_open")


class WarmGone(RuntimeError):
    """The process that forks is not there any more; the message is its output."""


class WarmChild:
    """A forked process, with what is used of `subprocess.Popen`."""

    def __init__(self, reply: socket.socket) -> None:
        """Hear of it on `reply`: its id, later its exit code."""
        self._reply = reply
        self._code: int | None = None
        if not self._is_heard(START_SECONDS_MAX) or not (pid := self._reply.recv(MESSAGE_BYTES_MAX)):
            raise ConnectionError(f"nothing was forked within {START_SECONDS_MAX} s")
        self.pid = int(pid)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        if self._code is None and self._is_heard(0):
            # What forked it says nothing more: it is dead, and its children were killed with it.
            self._code = int(self._reply.recv(MESSAGE_BYTES_MAX) or -signal.SIGKILL)
            self._reply.close()
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, once it has ended."""
        if self._code is None:
            self._is_heard(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("tollhouse", timeout or 0)
        return code

    def send_signal(self, sig: int) -> None:
        """Signal it; nothing once its end is known."""
        if self.poll() is None:
            os.kill(self.pid, sig)

    def _is_heard(self, seconds_max: float | None) -> bool:
        return bool(wait([self._reply], seconds_max))


class Warm:
    """The warm process of this one."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Start it with what all its children may know of this machine."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        with theirs:
            self._process = start_child(
                [sys.executable, "-c", "from tests.support.warm_main import main; main()", str(theirs.fileno())],
                output=self._output,
                env=env,
                folder=TESTS.parent,
                pass_fds=[theirs.fileno()],
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def start(
        self, script: Path, argv: Sequence[str], *, env: Mapping[str, str], folder: Path, output: IO[bytes]
    ) -> WarmChild:
        """The script with these arguments and exactly this environment, in a group of its own."""
        message = json.dumps(asdict(Wanted(str(script), list(argv), dict(env), str(folder)))).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(self._control, [message], [output.fileno(), theirs.fileno()])
            return WarmChild(ours)
        except OSError as error:
            ours.close()
            raise WarmGone(f"{error}\n{self._said()}") from error

    def stop(self) -> None:
        """End it, and whatever of its children still runs."""
        self._control.close()
        stop_child(self._process, signal.SIGKILL, patience_seconds=1)
        self._output.close()

    def _said(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace")[-4000:]
