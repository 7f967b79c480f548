"""What the warm process runs: it loads Tollhouse once, then forks a `tollhouse …` for whoever asks.

A child is what the executable would be: its arguments, settings, folder, output and group are its own, it runs the same
`main`, and it ends as an interpreter ends. Only the modules are there already.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.children import die_with_parent

MESSAGE_BYTES_MAX = 100_000
# What the commands load before they serve; whatever is missing here is only slower.
PRELOADED = (
    "aiohttp",
    "aiosmtplib",
    "asyncpg",
    "coverage",
    "granian",
    "granian._loops",
    "granian.server.embed",
    "stripe",
    "tollhouse.app",
    "tollhouse.cli.main",
    "tollhouse.db.migrations",
    "tollhouse.db.postgres",
    "tollhouse.db.sqlite",
    "tollhouse.dev.server",
    "tollhouse.mail.smtp",
    "uvloop",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A command to run."""

    script: str
    argv: list[str]
    env: dict[str, str]
    folder: str


class Forks:
    """The children that run, each with the socket on which its end is awaited."""

    def __init__(self, control: socket.socket) -> None:
        """Take wishes from `control`."""
        self._control = control
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._replies: dict[int, tuple[int, socket.socket]] = {}
        self._die_with_us = die_with_parent(signal.SIGKILL)

    def fork_until_told(self) -> Wanted:
        """In each child the command to run; the warm process itself ends here, once nobody is there to ask."""
        while True:
            for key, _ in self._selector.select():
                if key.fd != self._control.fileno():
                    self._report(key.fd)
                elif wanted := self._fork():
                    return wanted

    def _fork(self) -> Wanted | None:
        message, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES_MAX, 2)
        if not message:
            sys.exit(0)
        wanted = Wanted(**json.loads(message))
        output, reply = descriptors[0], socket.socket(fileno=descriptors[1])
        pid = os.fork()
        if pid == 0:
            if self._die_with_us:
                self._die_with_us()
            reply.close()
            self._forget()
            become(wanted, output)
            return wanted
        os.setpgid(pid, pid)  # as in the child: whoever comes first, nobody may signal it before
        os.close(output)
        reply.send(b"%d" % pid)
        descriptor = os.pidfd_open(pid)
        self._replies[descriptor] = (pid, reply)
        self._selector.register(descriptor, selectors.EVENT_READ)
        return None

    def _report(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        pid, reply = self._replies.pop(descriptor)
        _, status = os.waitpid(pid, 0)
        with reply, contextlib.suppress(BrokenPipeError):  # whoever asked for it does not wait for its end
            reply.send(b"%d" % os.waitstatus_to_exitcode(status))

    def _forget(self) -> None:
        for descriptor, (_, reply) in self._replies.items():
            os.close(descriptor)
            reply.close()
        self._selector.close()
        self._control.close()


def become(wanted: Wanted, output: int) -> None:
    """Turn this process into one that was just started for the command."""
    os.setpgid(0, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.chdir(wanted.folder)
    os.environ.clear()
    os.environ.update(wanted.env)
    sys.argv = [wanted.script, *wanted.argv]
    sys.path[0] = str(Path(wanted.script).parent)


def load() -> Callable[[], None]:
    """The command, with everything that it will need."""
    for name in PRELOADED:
        importlib.import_module(name)
    from tollhouse.cli import main as command

    gc.collect()
    gc.freeze()  # or each child would copy the pages of all modules when it looks for garbage
    return command


def main() -> None:
    """Be the warm process, and in its children the command."""
    control = socket.socket(fileno=int(sys.argv[1]))
    command = load()
    Forks(control).fork_until_told()
    if "COVERAGE_PROCESS_CONFIG" in os.environ:  # what it does at the start of any other interpreter
        importlib.import_module("coverage").process_startup()
    # It looks into the environment when it is loaded.
    importlib.reload(sys.modules["tollhouse.failpoints"])
    command()
