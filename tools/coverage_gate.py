"""Refuse a run that left branches untried where money or secrets are handled."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
GUARDED = ("access", "billing", "db", "events", "identity", "ledger", "limits", "mail", "signing")
BRANCHES_MIN_PERCENT = 95.0


def read_report() -> dict[str, Any]:
    """The files of the last run with their counts, as coverage tells them."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        subprocess.run(command, cwd=ROOT, check=True)
        return json.loads(report.read_text())["files"]


def count_by_package(files: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """For each guarded package the branches tried and the branches there are."""
    counts: dict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for path, report in files.items():
        package = path.partition("src/tollhouse/")[2].partition("/")[0]
        if package in GUARDED:
            tried, all_ = counts[package]
            summary = report["summary"]
            counts[package] = (tried + summary["covered_branches"], all_ + summary["num_branches"])
    return counts


def find_untried(files: dict[str, Any], package: str) -> list[str]:
    """The branches of a package that no test took, a line each file."""
    return [
        f"    {path}: " + ", ".join(f"{line}->{target if target > 0 else 'exit'}" for line, target in missing)
        for path, report in sorted(files.items())
        if f"src/tollhouse/{package}/" in path and (missing := report["missing_branches"])
    ]


def main() -> int:
    """Print the table, and what was missed where it is too much; 0 when every package is above the mark."""
    files = read_report()
    failed = False
    print(f"Branches tried where money or secrets are handled (at least {BRANCHES_MIN_PERCENT:.0f} %):")
    for package, (tried, all_) in sorted(count_by_package(files).items()):
        percent = 100 * tried / all_ if all_ else 100.0
        print(f"  {package:10} {percent:6.1f} %  ({tried} of {all_})")
        if percent < BRANCHES_MIN_PERCENT:
            failed = True
            print("\n".join(find_untried(files, package)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
