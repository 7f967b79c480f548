"""Commands run as a person runs them: words in, output and exit code out, settings from the environment."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from structlog.testing import capture_logs

from tollhouse.cli import main
from tollhouse.events.handlers import Handler
from tollhouse.signing.tokens import create_token
from tollhouse.telemetry import logs
from tollhouse.testing import TestKit

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command went."""

    code: int
    out: str
    err: str


class Shell:
    """Runs commands in this process on one database, and lets people use the product between them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self._settings = {"secret": create_token(), "database_url": database_url, "url": "https://toll.example.com"}
        self._settings |= {"smtp_url": "smtps://mail.example.com", "mail_from": "no-reply@example.com"}
        for name, value in self._settings.items():
            monkeypatch.setenv(f"TOLLHOUSE_{name.upper()}", value)

    def run(self, *words: str) -> Ran:
        """Run `tollhouse …`."""
        self._monkeypatch.setattr(sys, "argv", ["tollhouse", *words])
        self._capsys.readouterr()
        code: Any = 0
        with capture_logs():  # unconfigured they would go where the output goes
            try:
                main()
            except SystemExit as stopped:
                code = stopped.code
        out, err = self._capsys.readouterr()
        return Ran(int(code or 0), out, err)

    def use(
        self, work: Callable[[TestKit], Awaitable[Result]], *, listener: Handler | None = None, **settings: Any
    ) -> Result:
        """Run the product for as long as `work(kit)` takes; `listener` hears of new users."""

        async def go() -> Result:
            kit = TestKit(**{**self._settings, **settings})
            if listener is not None:
                kit.toll.on("user.created", name="crm")(listener)
            async with kit:
                return await work(kit)

        return asyncio.run(go())


@pytest.fixture
def shell(
    migrated_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path,
) -> Shell:
    """A shell with settings for a database of the test's own, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    # It would point every later log line of this process at the stream that is captured for this test alone.
    monkeypatch.setattr(logs, "configure", lambda _format: None)
    return Shell(monkeypatch, capsys, migrated_database_url)
