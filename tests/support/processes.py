"""Tollhouse as its own process: the tests that kill, restart and multiply servers start them here."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

from tests.support.children import (
    LOOPBACK,
    Child,
    free_port,
    free_port_before_another,
    signal_group,
    start_child,
    stop_child,
)
from tests.support.warm import CAN_FORK, Warm

ANSWER_SECONDS_MAX = 20.0
STOP_SECONDS_MAX = 15.0
SCRIPT = Path(sys.executable).with_name("tollhouse")
# What a server may know of this machine; settings of whoever runs the tests must not leak into it.
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "PYTHONPATH")


class ProcessFailed(RuntimeError):
    """The process ended, or did not answer in time; the message ends with its output."""


class Process:
    """A running process with its output in a file; as a context manager it is stopped at the end."""

    def __init__(self, child: Child, output: Path, *, port: int) -> None:
        """Made by `spawn`."""
        self._child = child
        self.output = output
        self.port = port

    @property
    def pid(self) -> int:
        """The process id, also of its group."""
        return self._child.pid

    @property
    def url(self) -> str:
        """Where it serves, once it does: http on the loopback, without a slash at the end."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def exit_code(self) -> int | None:
        """None while it runs; minus the signal's number when one ended it."""
        return self._child.poll()

    def text(self) -> str:
        """Everything it has printed so far."""
        return self.output.read_text(errors="replace")

    async def answers(self, path: str = "/health/live", *, within_seconds: float = ANSWER_SECONDS_MAX) -> Self:
        """This process, once the path answers with anything below 500."""
        deadline = asyncio.get_running_loop().time() + within_seconds
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, timeout=2, verify=False) as client:
            while asyncio.get_running_loop().time() < deadline:
                if self.exit_code is not None:
                    raise ProcessFailed(f"ended with {self.exit_code} before it answered:\n{self.text()[-4000:]}")
                try:
                    if (await client.get(path)).status_code < 500:
                        return self
                except httpx.TransportError:
                    pass  # not listening yet
                await asyncio.sleep(0.02)
        raise ProcessFailed(f"did not answer {path} within {within_seconds} s:\n{self.text()[-4000:]}")

    async def ended(self, *, within_seconds: float = STOP_SECONDS_MAX) -> int:
        """Its exit code, once it has ended by itself."""
        deadline = asyncio.get_running_loop().time() + within_seconds
        while (code := self.exit_code) is None:
            if asyncio.get_running_loop().time() > deadline:
                raise ProcessFailed(f"still ran after {within_seconds} s:\n{self.text()[-4000:]}")
            await asyncio.sleep(0.02)
        return code

    def kill(self) -> None:
        """Kill it and what it started, at once, as a lost machine would."""
        signal_group(self._child, signal.SIGKILL)
        self._child.wait()

    def stop(self) -> int:
        """Its exit code after a polite SIGTERM; killed with its group when it takes too long."""
        return stop_child(self._child, signal.SIGTERM, patience_seconds=STOP_SECONDS_MAX)

    def __enter__(self) -> Self:
        """Use it for the length of a block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing running."""
        self.stop()


def find_command() -> list[str]:
    """The installed `tollhouse`, or its entry point where the checkout is only on the path."""
    return [str(SCRIPT)] if SCRIPT.exists() else [sys.executable, "-c", "from tollhouse.cli import main; main()"]


@functools.cache
def warm() -> Warm:
    """What forks `tollhouse …` for the tests of this process; started when it is first asked for, ended with us."""
    # Its children are told for themselves whether to measure.
    process = Warm({name: value for name, value in passed_on().items() if not name.startswith("COVERAGE_")})
    atexit.register(process.stop)
    return process


def passed_on() -> dict[str, str]:
    """What a process may know of this machine."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def spawn(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    folder: Path,
    port: int | None = None,
    command: Sequence[str | Path] | None = None,
) -> Process:
    """A `tollhouse …` process with these arguments and exactly these settings.

    `{port}` in an argument or a setting becomes its port, a free one unless given. Output goes to a file in `folder`,
    which is also where it runs, so no `.env` or `tollhouse.toml` of the checkout reaches it. It is forked from a
    process that has everything loaded, where that can be; `command`, say `find_command()`, is executed instead.
    """
    port = port or (free_port_before_another() if "dev" in argv else free_port())
    output = folder / f"tollhouse-{port}.log"
    settings = passed_on() | {name: value.replace("{port}", str(port)) for name, value in env.items()}
    arguments = [argument.replace("{port}", str(port)) for argument in argv]
    with output.open("ab") as stream:
        if command or not CAN_FORK:
            words = [*(command or find_command()), *arguments]
            child: Child = start_child(words, output=stream, env=settings, folder=folder)
        else:
            child = warm().start(SCRIPT, arguments, env=settings, folder=folder, output=stream)
    return Process(child, output, port=port)
