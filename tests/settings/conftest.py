"""The good settings, alone in a folder of their own, and what loads them changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.settings.cases import GOOD
from tollhouse.boot_checks import settings_problems
from tollhouse.settings import PREFIX, Settings


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file and no variable of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Loads the good settings with some of them changed; None takes one away."""

    def load(**changed: str | None) -> Settings:
        for name, value in {**GOOD, **changed}.items():
            if value is None:
                monkeypatch.delenv(PREFIX + name, raising=False)
            else:
                monkeypatch.setenv(PREFIX + name, value)
        return Settings.load(settings_problems)

    return load
