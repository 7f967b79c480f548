"""Refuse a lock that names a place, lacks a hash, or pins a release that is not one yet."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.locks import LOCKS, ROOT, read_pins

# A lock says what, never where from: the machine that installs knows its own registry.
PLACE = re.compile(r"://|--(?:index-url|extra-index-url|find-links|trusted-host)|\s@\s")
PRERELEASE = re.compile(r"\d(?:a|b|rc|\.dev)\d")
# OpenTelemetry numbers its finished contributions as betas; there is no other release of them.
PRERELEASES_ADMITTED = "opentelemetry-"


def find_problems(lock: Path) -> list[str]:
    """What is wrong with one lock, a line each."""
    name = lock.relative_to(ROOT)
    places = [f"{name}:{number}: names a place" for number, line in enumerate(lock.open(), 1) if PLACE.search(line)]
    pins = read_pins(lock)
    unhashed = [f"{name}: {pin.name} has no hash" for pin in pins if not pin.hashes]
    early = [
        f"{name}: {pin.name} {pin.version} is a prerelease"
        for pin in pins
        if PRERELEASE.search(pin.version) and not pin.name.startswith(PRERELEASES_ADMITTED)
    ]
    return places + unhashed + early + ([] if pins else [f"{name}: pins nothing"])


def find_disagreements() -> list[str]:
    """The packages that the server would get in another version than the tests had."""
    runtime, dev = ({(pin.name, pin.version) for pin in read_pins(lock)} for lock in LOCKS)
    return [f"{name} {version} is locked for the server but not for the tests" for name, version in runtime - dev]


def main() -> int:
    """Print every problem; 0 when there is none."""
    problems = [problem for lock in LOCKS for problem in find_problems(lock)] + find_disagreements()
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
