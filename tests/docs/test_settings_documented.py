"""docs/settings.md names every setting with its true default, and the order of the places it may come from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.documents import PAGES, SETTINGS, blocks, rows
from tollhouse.settings import PREFIX, Settings

DOCUMENTED = {name: cells for name, cells in rows(SETTINGS) if name.startswith(PREFIX)}


def default_of(name: str) -> str:
    field = Settings.model_fields[name]
    if field.is_required() or field.default == "":
        return "required"
    return "–" if field.default in (None, ()) else f"`{field.default}`"


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_setting_is_documented_with_its_default(name: str) -> None:
    documented = PREFIX + name.upper()
    assert documented in DOCUMENTED, f"{documented} is missing in docs/settings.md"
    assert DOCUMENTED[documented][0] == default_of(name)
    assert len(DOCUMENTED[documented][1]) > 10, f"{documented} has no meaning in docs/settings.md"


def test_no_setting_is_documented_that_does_not_exist() -> None:
    assert set(DOCUMENTED) == {PREFIX + name.upper() for name in Settings.model_fields}
    assert len(DOCUMENTED) == len([name for name, _ in rows(SETTINGS) if name.startswith(PREFIX)]), "documented twice"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_setting_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    named = {name.removesuffix("_FILE") for name in re.findall(r"TOLLHOUSE_[A-Z_]+[A-Z]", text)}
    assert named <= set(DOCUMENTED)


def test_the_first_place_that_has_a_setting_wins(
    readme_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As documented: arguments, environment, `…_FILE`, `.env`, `tollhouse.toml`."""
    monkeypatch.delenv("TOLLHOUSE_BRAND_NAME")
    example = blocks("toml", SETTINGS)[0].text
    (tmp_path / "tollhouse.toml").write_text(example)
    assert Settings.load().brand_name == tomllib.loads(example)["brand_name"]
    (tmp_path / ".env").write_text("TOLLHOUSE_BRAND_NAME=from .env\n")
    assert Settings.load().brand_name == "from .env"
    (tmp_path / "brand").write_text("from a file\n")
    monkeypatch.setenv("TOLLHOUSE_BRAND_NAME_FILE", str(tmp_path / "brand"))
    assert Settings.load().brand_name == "from a file"
    monkeypatch.setenv("TOLLHOUSE_BRAND_NAME", "from the environment")
    assert Settings.load().brand_name == "from the environment"
    assert Settings.load(brand_name="from an argument").brand_name == "from an argument"


def test_a_file_named_in_dot_env_is_not_read(
    readme_environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOLLHOUSE_BRAND_NAME")
    (tmp_path / "brand").write_text("from a file\n")
    (tmp_path / ".env").write_text(f"TOLLHOUSE_BRAND_NAME_FILE={tmp_path / 'brand'}\n")
    assert Settings.load().brand_name == "Tollhouse"


def test_the_settings_of_the_readme_start_a_server(readme_environment: dict[str, str]) -> None:
    """With the parsers that will read them, so that the SMTP line of SES is right too."""
    from tollhouse.boot_checks import settings_problems
    from tollhouse.mail.smtp import SmtpSettings

    settings = Settings.load(settings_problems)
    assert settings.has_gate
    assert settings.smtp_url is not None
    smtp = SmtpSettings.parse(settings.smtp_url)
    assert (smtp.host, smtp.port) == ("email-smtp.eu-central-1.amazonaws.com", 587)
    assert smtp.password is not None
    assert len(smtp.password) == 44, "an SMTP password of SES, derived from the IAM key"
