"""The README's production settings, with places of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.documents import readme_settings
from tests.support.processes import find_command
from tollhouse.db.migrations import migrate


@pytest.fixture
async def readme_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment is what the README shows, the folder is empty, the database is migrated."""
    (tmp_path / "secret").write_text("nothing but forty-eight random bytes: 8xQz4Lw1\n")
    settings = readme_settings() | {
        "TOLLHOUSE_SECRET_FILE": str(tmp_path / "secret"),
        "TOLLHOUSE_DATABASE_URL": f"sqlite:///{tmp_path / 'tollhouse.db'}",
    }
    await migrate(settings["TOLLHOUSE_DATABASE_URL"])
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return settings


@pytest.fixture
def tollhouse_command() -> list[str]:
    """A reader starts the executable itself, and so do these tests."""
    return find_command()
