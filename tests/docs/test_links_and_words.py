"""Links lead somewhere, and no file in the repository tells of a machine or a registry."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.documents import PAGES, ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
# Spelled in pieces, for this file is searched as well.
WORDS = (
    *(f"{name}.org" for name in ("py" + "pi", "registry.npm" + "js", "registry.yarn" + "pkg")),
    "python" + "hosted",
    "arti" + "factory",
    "--index" + "-url=",
    "/wo" + "rk/",
    "/ro" + "ot/",
    "/ho" + "me/",
    "/Use" + "rs/",
)


def anchors(page: Path) -> set[str]:
    """What a heading can be linked by: lower case, without signs, spaces as dashes."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_in_a_page_lead_to_something(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert not anchor or anchor in anchors(target), f"{target.name} has no heading for #{anchor}"


def tracked() -> Iterator[Path]:
    """What git tracks, or would: a file that is about to be added counts already."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            yield ROOT / name


def test_no_file_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in tracked()
        for text in [path.read_bytes()]
        for word in WORDS
        if re.search(rb"(?<![\w.\-])" + re.escape(word.encode()), text)
    ]
    assert not found


def test_the_search_finds_what_it_looks_for() -> None:
    pattern = rb"(?<![\w.\-])" + re.escape(WORDS[0].encode())
    assert re.search(pattern, b"https://" + WORDS[0].encode() + b"/simple")


@pytest.mark.parametrize("page", sorted((ROOT / "decisions").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_fits_on_a_page_and_says_what_was_refused(page: Path) -> None:
    text = page.read_text()
    assert len(text.splitlines()) <= 60
    assert text.startswith(f"# {page.stem[:4]} ")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Choice", "Refused", "Consequences"]
