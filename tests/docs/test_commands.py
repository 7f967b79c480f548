"""Every command that a guide shows is there, and those of `tollhouse` are run as they stand."""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.docs.documents import README, ROOT, SIGN_IN, Block, blocks, commands
from tests.support.processes import Process
from tollhouse import Event
from tollhouse.access import api_keys
from tollhouse.cli import main
from tollhouse.events.outcomes import GiveUp
from tollhouse.telemetry import logs
from tollhouse.testing import TestKit

SHELL = blocks("sh")
# What a reader's machine runs, and this test must not: it installs, makes secrets, or is run elsewhere as a whole.
NOT_RUN = (
    "python3 -m venv",
    "/opt/tollhouse/bin/pip",
    "openssl rand",
    "chown ",
    "chmod ",
    "cd ",
    "export TOLLHOUSE_",
    "../../.venv/bin/",
)
PORTS = ("8000", "8001")
SERVERS = ("serve", "dev", "sandbox")
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def all_commands() -> list[str]:
    return [line for block in SHELL if "curl" not in block.text for line in commands(block)]


@pytest.mark.parametrize("line", dict.fromkeys(all_commands()))
def test_a_command_is_one_that_exists(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        assert words[1] in MAKE_TARGETS
    elif words[0] != "tollhouse":
        assert line.startswith(NOT_RUN), "neither run nor known: is it right?"


def test_files_that_commands_name_are_here() -> None:
    for line in all_commands():
        for name in re.findall(r"requirements/\S+|examples/\S+", line):
            assert (ROOT / name).exists(), line


@pytest.fixture
async def ids(readme_environment: dict[str, str]) -> dict[str, str]:
    """A user, a failed delivery and an API key in the database, by the ids that the guides show for them."""
    kit = TestKit(database_url=readme_environment["TOLLHOUSE_DATABASE_URL"], secret=secret_of(readme_environment))

    @kit.toll.on("user.created", name="broken")
    async def _refuse(_event: Event) -> None:
        raise GiveUp("It never can.")

    async with kit:
        alice = await kit.sign_in("alice@example.com")
        await kit.settle()
        api_key, _ = await api_keys.create(kit.toll.run, name="worker", scopes=["jobs:start"])
    with closing(sqlite3.connect(readme_environment["TOLLHOUSE_DATABASE_URL"].removeprefix("sqlite:///"))) as database:
        (delivery,) = database.execute("SELECT id FROM tollhouse_deliveries WHERE status = 'failed'").fetchone()
    shown = "019aa3d1f0c67b2e4d8c91f35a60e7d4"
    return {f"usr_{shown}": alice.user_id, f"dlv_{shown}": delivery, f"key_{shown}": api_key}


def secret_of(environment: dict[str, str]) -> str:
    return Path(environment["TOLLHOUSE_SECRET_FILE"]).read_text().rstrip("\n")


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str | None]:
    """Runs a command in this process, for a new one takes a second; says what was wrong, if anything was."""
    monkeypatch.setattr(logs, "configure", lambda _format: None)  # it would outlive this test

    def run(*words: str) -> str | None:
        monkeypatch.setattr(sys, "argv", ["tollhouse", *words])
        code: object = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code
        out, err = capfd.readouterr()
        return f"{out}{err}" if code else None

    return run


@pytest.mark.slow
def test_the_tollhouse_commands_of_the_guides_work(ids: dict[str, str], run_here: Callable[..., str | None]) -> None:
    """In the order of the guides, on one database; `doctor` asks the world outside and is left out."""
    lines = [line for line in all_commands() if line.startswith("tollhouse ") and "doctor" not in line]
    run = [shlex.split(line)[1:] for line in dict.fromkeys(lines) if line.split()[1] not in SERVERS]
    assert len(run) > 10
    for words in run:
        complaint = run_here(*(ids.get(word, word) for word in words))
        assert complaint is None, f"tollhouse {' '.join(words)}: {complaint}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "line", dict.fromkeys(line for line in all_commands() if line.startswith(tuple(f"tollhouse {s} " for s in SERVERS)))
)
async def test_a_server_starts_by_the_documented_command(
    line: str, readme_environment: dict[str, str], spawn_tollhouse: Callable[..., Process]
) -> None:
    arguments = ["{port}" if word in PORTS else word for word in shlex.split(line)[1:]]
    await spawn_tollhouse(*arguments, env=readme_environment).answers("/health/ready")


@pytest.mark.slow
async def test_dev_prints_what_the_readme_shows(spawn_tollhouse: Callable[..., Process]) -> None:
    server = await spawn_tollhouse("dev", "--port", "{port}", env={}).answers()
    shown = next(block for block in blocks("text", README) if block.text.startswith("Tollhouse is at"))
    assert shown.text.replace("8000", str(server.port)).replace("8001", str(server.port + 1)) in server.text()


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in blocks("sh", SIGN_IN) if "curl" in b.text], ids=lambda b: b.name)
async def test_the_requests_by_curl_work(block: Block, tmp_path: Path, spawn_tollhouse: Callable[..., Process]) -> None:
    if not shutil.which("curl") or not shutil.which("bash"):
        pytest.skip("no curl here")
    server = await spawn_tollhouse("dev", "--port", "{port}", env={}).answers()
    script = block.text.replace("curl -sS", "curl -sS --noproxy '*' --fail-with-body").replace("8000", str(server.port))
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", script), cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    out = (await shell.communicate())[0].decode()
    assert shell.returncode == 0, out
    assert out.count('"email":"alice@example.com"') == 2, "the session, twice: when made, and when asked for"
    assert '"current":true' in out
