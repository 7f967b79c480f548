"""The shared test data: vectors and recordings that lie beside the repository, where they lie at all."""

from __future__ import annotations

import os
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TESTDATA = Path(os.environ.get("TOLLHOUSE_TESTDATA") or TESTS.parent.parent / "shared" / "data").resolve()


def require_testdata(*parts: str) -> Path:
    """A path inside the test data.

    A test module that calls this where its tests are made is collected only where the data is; elsewhere the closing
    summary names it, so that nobody takes its silence for a pass.
    """
    path = TESTDATA.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(f"no test data at {path}; set TOLLHOUSE_TESTDATA to the folder that holds it")
    return path


def find_modules_without_data() -> list[Path]:
    """The test modules that need the data and cannot have it; none where the data is."""
    if TESTDATA.is_dir():
        return []
    return [path for path in sorted(TESTS.rglob("test_*.py")) if "require_testdata(" in path.read_text()]
