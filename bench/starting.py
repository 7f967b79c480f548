"""How long it takes to start: imports, help, and the development server until it answers."""

from __future__ import annotations

import http.client
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.report import Row, at_most
from tests.support.processes import find_command, spawn

IMPORT_SECONDS_MAX = 0.3
HELP_SECONDS_MAX = 0.15
DEV_SECONDS_MAX = 2.5
TRIES = 7
DEV_TRIES = 3
DEV_PATIENCE_SECONDS = 30


def measure_start() -> Iterator[Row]:
    """The three targets for starting, each the least of several tries: what else the machine does can only add.

    The first try is not counted, for it may still compile bytecode.
    """
    base = [sys.executable, "-c", "import fastapi, sqlalchemy"]
    ours = [sys.executable, "-c", "from tollhouse import Tollhouse"]
    for each in (base, ours):
        wall_seconds(each)
    theirs, own = (min(wall_seconds(each) for _ in range(TRIES)) for each in (base, ours))
    yield Row("", "import fastapi, sqlalchemy", theirs, "s")
    yield row("import tollhouse, beyond that", own - theirs, IMPORT_SECONDS_MAX)
    help_ = [*find_command(), "--help"]
    wall_seconds(help_)
    yield row("tollhouse --help", min(wall_seconds(help_) for _ in range(TRIES)), HELP_SECONDS_MAX)
    yield row("tollhouse dev answers", min(dev_seconds() for _ in range(DEV_TRIES)), DEV_SECONDS_MAX)


def row(name: str, seconds: float, seconds_max: float) -> Row:
    """A time with its target."""
    target, reached = at_most(seconds, seconds_max, "s")
    return Row("", name, seconds, "s", target=target, reached=reached)


def wall_seconds(command: list[str]) -> float:
    """How long a command takes."""
    began = time.monotonic()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def dev_seconds() -> float:
    """How long until `tollhouse dev` answers, in an empty folder."""
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as folder:
        began = time.monotonic()
        with spawn(["dev", "--port", "{port}"], {}, folder=Path(folder)) as process:
            while time.monotonic() - began < DEV_PATIENCE_SECONDS:
                connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=5)
                with suppress(OSError):
                    connection.request("GET", "/health/live")
                    if connection.getresponse().status == 200:
                        return time.monotonic() - began
                connection.close()
                time.sleep(0.01)
            raise RuntimeError(f"tollhouse dev did not answer:\n{process.text()}")
