"""The data of `tollhouse dev`: what a reset forgets, and which commands find it by themselves."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.databases import migrate
from tollhouse.cli import main
from tollhouse.dev.server import OWN_FILES, kept_settings, prepare
from tollhouse.settings import PREFIX
from tollhouse.telemetry import logs


def test_a_reset_leaves_everybody_elses_files_alone(tmp_path: Path) -> None:
    for name in (*OWN_FILES, "app.py"):
        (tmp_path / name).write_text("x")
    prepare(tmp_path, reset=True)
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]


def test_without_a_reset_everything_stays(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    prepare(tmp_path, reset=False)
    assert (tmp_path / "secret").exists()


def test_a_reset_of_nothing_makes_the_folder(tmp_path: Path) -> None:
    assert prepare(tmp_path / "new" / "data", reset=True).is_dir()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `tollhouse dev` has run, and no setting of anybody's."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    # It would point every later log line of this process at the stream that is captured for this test alone.
    monkeypatch.setattr(logs, "configure", lambda _format: None)
    data = prepare(tmp_path / ".tollhouse", reset=False)
    (data / "port").write_text("8100")
    asyncio.run(migrate(f"sqlite:///{data / 'tollhouse.db'}"))
    return data


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["tollhouse", *words])
    try:
        main()
    except SystemExit as stopped:
        return int(stopped.code or 0)
    return 0


def test_a_command_takes_the_development_data_of_its_folder_and_says_so(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert kept_settings(kept).url == "http://localhost:8100"
    assert run(monkeypatch, "users", "invite", "alice@example.com") == 0
    told = capsys.readouterr()
    assert "Invited" in told.out
    assert "`tollhouse dev` in .tollhouse" in told.err


def test_a_database_that_is_named_goes_before_the_development_data(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOLLHOUSE_DATABASE_URL", "sqlite:///other.db")
    assert run(monkeypatch, "users", "invite", "alice@example.com") == 1
    assert "TOLLHOUSE_SECRET is missing" in capsys.readouterr().err
    assert kept.exists()


def test_a_server_never_takes_the_development_data(
    kept: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "serve") == 1
    assert "TOLLHOUSE_DATABASE_URL is missing" in capsys.readouterr().err
    assert kept.exists()
