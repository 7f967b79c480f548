"""The documents, and what is found in them: blocks of code, rows of tables, links."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
SIGN_IN = ROOT / "docs" / "sign-in.md"
TOKENS = ROOT / "docs" / "tokens.md"
PAYMENTS = ROOT / "docs" / "payments.md"
CREDITS = ROOT / "docs" / "credits.md"
EVENTS = ROOT / "docs" / "events.md"
OPERATIONS = ROOT / "docs" / "operations.md"
SANDBOX = ROOT / "docs" / "sandbox.md"
SETTINGS = ROOT / "docs" / "settings.md"
# What a stranger reads: whoever adds a page under docs/ has it tested here.
GUIDES = (README, ROOT / "examples" / "host" / "README.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = (*GUIDES, *sorted((ROOT / "decisions").glob("*.md")), *(ROOT / f"{n}.md" for n in ("CHANGELOG", "SECURITY")))

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code, and where it stands."""

    path: Path
    language: str
    text: str

    @property
    def name(self) -> str:
        """How a test names it."""
        return f"{self.path.relative_to(ROOT)}: {self.text.splitlines()[0][:50]}"


def blocks(language: str, *paths: Path) -> list[Block]:
    """Every block in a language, in the order of the documents."""
    found = ((path, _BLOCK.findall(path.read_text())) for path in paths or GUIDES)
    return [Block(path, lang, text) for path, pairs in found for lang, text in pairs if lang == language]


def rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The rows of a document's tables whose first cell is code, as that code and the cells after it."""
    for first, rest in _ROW.findall(path.read_text()):
        yield first, [cell.strip() for cell in rest.split("|")]


def documented_events() -> dict[str, dict[str, Any]]:
    """The body of an event of each type, as the guide shows it to whoever has an endpoint."""
    return {event["type"]: event for event in (json.loads(block.text) for block in blocks("json", EVENTS))}


def commands(block: Block) -> list[str]:
    """The lines of a shell block, continued ones joined, comments left out."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def readme_settings() -> dict[str, str]:
    """The settings that the README shows for production."""
    found = re.findall(r"^(TOLLHOUSE_\w+)=(.*)$", README.read_text(), re.MULTILINE)
    return {name: value.strip('"') for name, value in found}
