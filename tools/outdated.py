"""Say which pins are behind: what each range would take today, and the newest release there is."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.locks import LOCKS, ROOT, read_pins

UV = ROOT / ".venv" / "bin" / "uv"
PYTHON = ROOT / ".venv" / "bin" / "python"


def run_uv(*arguments: str) -> str:
    """What uv printed; the error of uv itself where it fails."""
    done = subprocess.run([UV, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"uv could not tell: {done.stderr.strip()}")
    return done.stdout


def read_versions(lock: Path) -> dict[str, str]:
    """The pinned versions by package, several in one line where the Python decides."""
    versions: dict[str, list[str]] = {}
    for pin in read_pins(lock):
        versions.setdefault(pin.name, []).append(pin.version)
    return {name: ", ".join(found) for name, found in versions.items()}


def resolve_afresh() -> dict[str, str]:
    """The versions that the ranges in pyproject.toml take today."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "newest.txt"
        run_uv(
            *("pip", "compile", "pyproject.toml", "--all-extras", "--group", "dev", "--universal"),
            *("--python-version", "3.11", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"),
            *("--output-file", str(lock)),
        )
        return read_versions(lock)


def find_newest() -> dict[str, str]:
    """The newest release of every installed package that is not the newest, past our ranges too."""
    listed = run_uv("pip", "list", "--outdated", "--format", "json", "--python", str(PYTHON))
    return {row["name"]: row["latest_version"] for row in json.loads(listed)}


def main() -> None:
    """Print the table; being behind is news, not a failure."""
    pinned, in_range, newest = read_versions(LOCKS[1]), resolve_afresh(), find_newest()
    rows = [
        (name, version, in_range.get(name, "no longer needed"), newest.get(name, in_range.get(name, "-")))
        for name, version in pinned.items()
        if in_range.get(name) != version or name in newest
    ]
    if not rows:
        print(f"All {len(pinned)} pins are the newest there is.")
        return
    table = [("package", "pinned", "in our range", "newest"), *rows]
    widths = [max(len(row[column]) for row in table) for column in range(4)]
    for row in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n{len(rows)} of {len(pinned)} pins are behind. `make lock UPGRADE=1` takes what our ranges allow.")


if __name__ == "__main__":
    main()
