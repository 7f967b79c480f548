"""`tollhouse dev --reset` forgets what is ours, and nothing else in the folder it is given."""

from __future__ import annotations

from pathlib import Path

from tollhouse.dev.server import OWN_FILES, prepare


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
