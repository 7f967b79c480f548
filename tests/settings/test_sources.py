"""Where settings come from: the environment, files that it names, `.env` and `tollhouse.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.gate import SECRET
from tests.settings.cases import Load, problems
from tollhouse.errors import SettingsError
from tollhouse.settings import PREFIX, Settings, found_unknown_settings


def test_lists_come_with_commas_lines_or_as_json(load: Load) -> None:
    for text in (
        "https://a.example,https://b.example",
        "https://a.example\n https://b.example\n",
        '["https://a.example", "https://b.example/"]',
    ):
        assert load(APP_ORIGINS=text).app_origins == ("https://a.example", "https://b.example")


def test_a_file_holds_what_its_variable_names(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text(SECRET[::-1] + "\n")
    monkeypatch.setenv("TOLLHOUSE_SECRET_FILE", str(tmp_path / "secret"))
    assert load(SECRET=None).secret == (SECRET[::-1],)
    assert load().secret == (SECRET,), "the plain variable goes first"


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_can_come_from_a_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}{name.upper()}_FILE", str(tmp_path / "missing"))
    with pytest.raises(SettingsError, match=f"{PREFIX}{name.upper()}_FILE names a file that cannot be read"):
        Settings.load()


def test_every_unreadable_file_is_named(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")
    monkeypatch.setenv("TOLLHOUSE_SECRET_FILE", str(tmp_path / "binary"))
    monkeypatch.setenv("TOLLHOUSE_SMTP_URL_FILE", str(tmp_path))
    assert len(problems(load, SECRET=None, SMTP_URL=None)) == 2


def test_dotenv_and_toml_are_read_in_this_order(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tollhouse.toml").write_text('brand_name = "Toml"\nbrand_color = "#000000"\nsign_up = "closed"\n')
    (tmp_path / ".env").write_text("TOLLHOUSE_BRAND_NAME=Dotenv\nTOLLHOUSE_BRAND_COLOR=#111111\nOTHER=1\n")
    settings = load(BRAND_NAME="Environment")
    assert (settings.brand_name, settings.brand_color, settings.sign_up) == ("Environment", "#111111", "closed")


def test_a_broken_toml_file_is_a_problem_and_no_traceback(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tollhouse.toml").write_text('secret = "oneInAMillion\n')
    [problem] = problems(load)
    assert "A settings file cannot be read" in problem
    assert "oneInAMillion" not in problem


def test_a_slip_of_the_pen_is_noted() -> None:
    environment = dict.fromkeys(["TOLLHOUSE_URL", "TOLLHOUSE_SECRET_FILE", "TOLLHOUSE_SMPT_URL", "HOME"], "x")
    assert found_unknown_settings(environment) == ["TOLLHOUSE_SMPT_URL"]
