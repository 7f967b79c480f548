"""The pins of a lock file, read without any package of the environment it pins."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (ROOT / "requirements" / "runtime.txt", ROOT / "requirements" / "dev.txt")

_PIN = re.compile(
    r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^\s;\\]+)(?P<rest>[^\n]*)\n(?P<hashes>(?:    --hash=\S+.*\n?)*)",
    re.M,
)


@dataclass(frozen=True)
class Pin:
    """One release that a lock names, with the number of files it admits."""

    name: str
    version: str
    hashes: int


def read_pins(lock: Path) -> list[Pin]:
    """The pins of one lock, in its order; a package may have several, for different Pythons."""
    return [
        Pin(match["name"], match["version"], match["hashes"].count("--hash=sha256:"))
        for match in _PIN.finditer(lock.read_text())
    ]
