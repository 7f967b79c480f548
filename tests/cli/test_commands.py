"""Every command: quick to ask for help, with an example; and refusals that name everything at once."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.cli.conftest import Shell
from tests.support.processes import find_command
from tollhouse.cli.main import cli
from tollhouse.db.migrations import head

HELP_SECONDS_MAX = 0.8  # 0.15 on a machine with nothing else to do; tests share theirs


def commands_of(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, click.Group):
        for name, each in command.commands.items():
            yield from commands_of(each, (*words, name))
    else:
        yield words


COMMANDS = sorted(commands_of(cli))
BARE = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


@pytest.fixture
async def empty_database_url(databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A database without a table, beside the shell's own."""
    async with databases.fresh(tmp_path_factory.mktemp("empty")) as url:
        yield url


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(words: tuple[str, ...]):
    shown = CliRunner().invoke(cli, [*words, "--help"])
    assert shown.exit_code == 0
    _, found, example = shown.output.partition("Example")
    assert found
    assert f"tollhouse {' '.join(words)}" in example
    assert re.match(r"s?:\n +[A-Z_=a-z]", example), "an example stands on lines of its own"
    assert "\\b" not in shown.output
    assert CliRunner().invoke(cli, [*words, "-h"]).output == shown.output


def test_the_commands_of_the_gate_are_there():
    users = {("users", name) for name in ("find", "export", "block", "unblock", "erase", "invite", "allow-mail")}
    deliveries = {("deliveries", name) for name in ("list", "retry")}
    assert {("dev",), ("serve",), ("migrate",)} | users | deliveries <= set(COMMANDS)


def test_help_is_quick_and_loads_nothing_heavy():
    program = "import sys; from tollhouse.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    ran = subprocess.run(
        [sys.executable, "-c", program, "--help"], capture_output=True, text=True, env=BARE, check=True
    )
    assert "Usage: " in ran.stdout
    loaded = {name.split(".")[0] for name in ran.stderr.split()}
    assert not loaded & {"fastapi", "starlette", "pydantic", "sqlalchemy", "asyncpg", "granian", "alembic", "httpx"}


@pytest.mark.slow
def test_help_answers_at_once():
    def seconds() -> float:
        started = time.perf_counter()
        subprocess.run([*find_command(), "--help"], capture_output=True, env=BARE, check=True)
        return time.perf_counter() - started

    assert min(seconds() for _ in range(5)) < HELP_SECONDS_MAX


def test_the_version_is_told():
    shown = CliRunner().invoke(cli, ["--version"])
    assert shown.output.startswith("tollhouse 0.")


def serve(settings: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*find_command(), "serve"], capture_output=True, text=True, env=BARE | settings, cwd=folder, check=False
    )


def test_serve_refuses_bad_settings_and_names_them_all(tmp_path: Path):
    bad = {
        "TOLLHOUSE_URL": "http://auth.example.com",
        "TOLLHOUSE_SECRET": "change-me",
        "TOLLHOUSE_DATABASE_URL": "mysql://x",
        "TOLLHOUSE_APP_ORIGINS": "https://app.example.com/path",
        "TOLLHOUSE_SMTP_URL": "smtp://user@mail.example.com",
        "TOLLHOUSE_TRUSTED_PROXIES": "everybody",
    }
    ran = serve(bad, tmp_path)
    assert ran.returncode == 1
    for name in (*bad, "TOLLHOUSE_MAIL_FROM"):
        assert name in ran.stderr, name
    assert "Traceback" not in ran.stderr
    assert "change-me" not in ran.stderr


def test_serve_refuses_missing_settings_with_their_fix(tmp_path: Path):
    ran = serve({"TOLLHOUSE_SECRET": "change-me"}, tmp_path)
    assert ran.returncode == 1
    for name in ("TOLLHOUSE_URL", "TOLLHOUSE_DATABASE_URL"):
        assert f"{name} is missing" in ran.stderr
    assert "TOLLHOUSE_SECRET" in ran.stderr, "what is missing does not hide what is unsafe"


@pytest.mark.parametrize(
    "words", [["migrate"], ["users", "find", "alice@example.com"], ["deliveries", "list"]], ids=" ".join
)
def test_other_commands_refuse_bad_settings_too(shell: Shell, monkeypatch: pytest.MonkeyPatch, words: list[str]):
    monkeypatch.setenv("TOLLHOUSE_SECRET", "short")
    ran = shell.run(*words)
    assert (ran.code, ran.out) == (1, "")
    assert "TOLLHOUSE_SECRET" in ran.err


def test_a_slip_of_the_pen_in_a_setting_is_noted(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOLLHOUSE_BRAND_NAM", "Acme")
    ran = shell.run("deliveries", "list")
    assert ran.code == 0
    assert "TOLLHOUSE_BRAND_NAM is set" in ran.err


def test_an_empty_database_is_migrated_and_again_nothing_happens(
    shell: Shell, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TOLLHOUSE_DATABASE_URL", empty_database_url)
    for words in (["serve"], ["users", "find", "alice@example.com"], ["deliveries", "list"]):
        ran = shell.run(*words)
        assert (ran.code, ran.out) == (1, "")
        assert "tollhouse migrate" in ran.err
    for _ in range(2):
        ran = shell.run("migrate")
        assert (ran.code, ran.out) == (0, f"The database is at {head()}.\n")
    assert shell.run("deliveries", "list").out == "None.\n"


def test_another_secret_is_refused_in_words(shell: Shell, monkeypatch: pytest.MonkeyPatch):
    from tollhouse.signing.tokens import create_token

    assert shell.run("deliveries", "list").code == 0
    monkeypatch.setenv("TOLLHOUSE_SECRET", create_token())
    ran = shell.run("deliveries", "list")
    assert (ran.code, ran.out) == (1, "")
    assert "TOLLHOUSE_SECRET does not open" in ran.err
