"""The sandbox's guide lists what there is: commands, faults, the CLI's triggers, cards."""

from __future__ import annotations

import re

import pytest

from tests.docs.documents import SANDBOX as GUIDE
from tests.docs.documents import Block, blocks, rows
from tests.sandbox.cli_triggers import FAILING, PASSING
from tollhouse.sandbox.control.commands import load_commands
from tollhouse.sandbox.description import load
from tollhouse.sandbox.faults.kinds import KINDS
from tollhouse.sandbox.resources.payments.cards import CARDS


def test_every_command_is_listed_with_what_it_takes() -> None:
    told = {
        first: (set(re.findall(r"`(\w+)`", cells[0])), cells[1]) for first, cells in rows(GUIDE) if "/control" in first
    }
    assert told == {f"{each.method} {each.path}": (set(each.takes), each.does) for each in load_commands()}


def test_every_fault_is_listed_with_its_fields() -> None:
    told = {first: (cells[0], set(re.findall(r"`(\w+)`", cells[1]))) for first, cells in rows(GUIDE) if first in KINDS}
    assert told == {name: (kind.does, set(kind.fields)) for name, kind in KINDS.items()}


def test_the_triggers_are_those_that_were_tried() -> None:
    told = {first: cells[0] for first, cells in rows(GUIDE) if "." in first and " " not in first}
    assert told == dict.fromkeys(PASSING, "passes") | {name: f"not simulated: {need}" for name, need in FAILING.items()}


def test_the_cards_are_known() -> None:
    known = {card.number for card in CARDS.values()}
    shown = [first.replace(" ", "") for first, _ in rows(GUIDE) if re.fullmatch(r"[0-9 ]{19}", first)]
    assert shown
    assert set(shown) <= known


def test_the_version_is_the_descriptions() -> None:
    assert f"API version `{load().version}`" in GUIDE.read_text()


@pytest.mark.parametrize("block", blocks("python", GUIDE), ids=lambda block: block.name)
def test_the_examples_run(block: Block) -> None:
    """Each calls its own test function at its end."""
    exec(compile(block.text, block.name, "exec"), {})
