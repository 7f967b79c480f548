"""Lists, trees and moments as commands print and take them: a terminal gets at most 100 columns, and nothing hidden."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import click

from tollhouse.cli.running import say
from tollhouse.cli.why import BRANCHES
from tollhouse.clock import DAY, HOUR, MINUTE, SECOND

WIDTH: Final = 100
TEXT_LENGTH_MAX: Final = 300  # of one value in a terminal; JSON has it whole
INDENT: Final = "  "
UNITS: Final = {"m": MINUTE, "h": HOUR, "d": DAY}
AGO: Final = re.compile(r"([0-9]{1,5})([mhd])")

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, or so long ago; in microseconds."""

    at: int | None = None
    ago: int = 0

    def time_us(self, now_us: int) -> int:
        """Return the time, in microseconds UTC."""
        return now_us - self.ago if self.at is None else self.at


def moment(text: str) -> Moment:
    """Return what `2h`, `3d`, `90m` or a time in ISO 8601 says, in UTC where it names no zone."""
    ago = AGO.fullmatch(text)
    if ago is not None:
        return Moment(ago=int(ago[1]) * UNITS[ago[2]])
    try:
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time
        return Moment(at=int(time.timestamp()) * SECOND + time.microsecond)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{short(text)} is no time: write 2h, 3d, or 2026-01-31T12:00:00Z.") from None


def with_times(record: Record) -> dict[str, Any]:
    """Return a record with every time in it, known by its name, as ISO 8601 in UTC."""
    from tollhouse.identity.models import iso

    return {name: iso(value) if name.endswith("_at") and value is not None else value for name, value in record.items()}


def plain(text: str) -> str:
    """Return a text on one line and without control characters: what others have answered may steer a terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in " ".join(text.split()))


def short(value: Any) -> str:
    """Return a value as a person reads it, cut where it is long."""
    text = plain(say(value))
    return text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 1] + "…"


def print_list(
    records: Sequence[Record],
    *,
    columns: Sequence[str],
    note: Callable[[Record], str | None] = lambda _: None,
    json_output: bool,
) -> None:
    """Print records as JSON with all that is in them; or these columns of each, and under it what is to be noted."""
    if json_output:
        click.echo(json.dumps([dict(record) for record in records], indent=2))
        return
    if not records:
        click.echo("None.")
        return
    rows = [[short(record[column]) for column in columns] for record in records]
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    click.echo(_row(columns, widths))
    for record, row in zip(records, rows, strict=True):
        click.echo(_row(row, widths))
        noted = note(record)
        if noted:
            print_wrapped([INDENT + short(noted)])


def _row(cells: Iterable[str], widths: Iterable[int]) -> str:
    return INDENT.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def print_one(record: Record, *, json_output: bool) -> None:
    """Print one record as JSON; or a line for each field, and more where it is long."""
    if json_output:
        click.echo(json.dumps(dict(record), indent=2))
        return
    width = max(map(len, record)) + len(INDENT)
    for name, value in record.items():
        wrapped = textwrap.wrap(short(value), WIDTH - width, break_long_words=False, break_on_hyphens=False) or [""]
        click.echo(f"{name.ljust(width)}{wrapped[0]}".rstrip())
        for line in wrapped[1:]:
            click.echo(" " * width + line)


def print_wrapped(lines: Iterable[str]) -> None:
    """Print lines, the long ones continued under themselves."""
    for line in lines:
        indent = line[: len(line) - len(line.lstrip())]
        for each in textwrap.wrap(
            line.strip(),
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + 2 * INDENT,
            break_long_words=False,  # an id that is broken cannot be copied
            break_on_hyphens=False,
        ):
            click.echo(each)


def for_terminal(chain: Record) -> dict[str, Any]:
    """Return a chain with nothing in its values that is long or steers a terminal."""
    return {name: _chains(value) if name in BRANCHES else _value(value) for name, value in chain.items()}


def _chains(chains: Sequence[Record]) -> list[dict[str, Any]]:
    return [for_terminal(each) for each in chains]


def _value(value: Any) -> Any:
    return short(value) if value and not isinstance(value, bool) else value
