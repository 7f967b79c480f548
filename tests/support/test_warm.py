"""A forked server is what the executable would be: its own settings, folder, group, output, signals and end."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from tests.support.processes import SCRIPT, find_command, passed_on, spawn, warm
from tests.support.warm import CAN_FORK, Warm, WarmGone

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="spawn executes the command here")
SANDBOX = ("sandbox", "--port", "{port}")


@pytest.mark.parametrize(
    ("argv", "code"), [(["--version"], 0), (["no-such-command"], 2), (["serve", "--port", "{port}"], 1)]
)
async def test_what_it_prints_and_how_it_ends_is_what_the_executable_does(argv, code, tmp_path, monkeypatch):
    monkeypatch.setenv("TOLLHOUSE_SECRET", "leaked")
    said = []
    for command in (None, find_command()):
        with spawn(argv, {"TOLLHOUSE_URL": "no address"}, folder=tmp_path, command=command) as process:
            assert await process.ended() == code
            said.append(process.text())
    assert said[0] == said[1] != ""


async def test_settings_of_one_do_not_reach_the_next(tmp_path):
    said = []
    for secret in ({"TOLLHOUSE_SECRET": "too short"}, {}):
        with spawn(["serve", "--port", "{port}"], secret, folder=tmp_path) as process:
            assert await process.ended() == 1
            said.append("TOLLHOUSE_SECRET is missing" in process.text())
    assert said == [False, True]


async def test_it_has_its_own_folder_group_and_sockets(tmp_path):
    with spawn(SANDBOX, {}, folder=tmp_path) as other, spawn(SANDBOX, {}, folder=tmp_path) as process:
        await process.answers("/v1/customers")
        about = Path("/proc", str(process.pid))
        assert process.pid != other.pid
        assert os.getpgid(process.pid) == process.pid
        assert (about / "cwd").resolve() == tmp_path
        assert not find_sockets(about) & find_sockets(Path("/proc", str(warm().pid)))


def find_sockets(process: Path) -> set[str]:
    links = {os.readlink(entry) for entry in (process / "fd").iterdir() if entry.is_symlink()}
    return {link for link in links if link.startswith("socket:")}


async def test_one_that_is_killed_says_so(tmp_path):
    with spawn(SANDBOX, {}, folder=tmp_path) as process:
        process.kill()
        assert process.exit_code == -signal.SIGKILL


async def test_one_that_is_told_to_stop_ends_in_order(tmp_path):
    with spawn(SANDBOX, {}, folder=tmp_path) as process:
        await process.answers("/v1/customers")
        assert process.stop() == 0


@pytest.mark.slow
def test_none_outlives_what_forked_it(tmp_path):
    forking = Warm(passed_on())
    with (tmp_path / "output").open("wb") as output:
        child = forking.start(SCRIPT, ["sandbox", "--port", "0"], env={}, folder=tmp_path, output=output)
    with open(os.pidfd_open(child.pid), "rb") as end:
        os.kill(forking.pid, signal.SIGKILL)
        assert wait([end.fileno()], 10), "it still runs"
    assert child.wait(1) == -signal.SIGKILL
    forking.stop()


def test_one_that_could_not_load_says_why(tmp_path):
    broken = Warm({"PYTHONHOME": "/nowhere"})
    with (tmp_path / "output").open("wb") as output, pytest.raises(WarmGone, match="/nowhere"):
        broken.start(SCRIPT, ["--version"], env={}, folder=tmp_path, output=output)
    broken.stop()
