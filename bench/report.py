"""What was measured, beside what was wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value; shares are of 1, `target` is judged against `judged`."""

    database: str
    name: str
    value: float
    unit: str
    cpu_us: float | None = None  # processor time of the server's worker for one request
    of_bare: float | None = None  # throughput, as a share of the bare route's in the same round
    of_bare_by_cpu: float | None = None  # the bare route's processor time as a share of this one's: less noise
    of_commits: float | None = None  # throughput, as a share of the raw driver's commits
    target: str = ""
    reached: bool | None = None

    def judged(self, target: str, reached: bool) -> Row:
        """The same row with a target that is none of the bare route's."""
        return replace(self, target=target, reached=reached)


def at_least(share: float, wanted: float) -> tuple[str, bool]:
    """The target as text, and whether a share of the bare route reaches it."""
    return f"≥ {wanted:.0%} of bare", share >= wanted


def at_most(value: float, wanted: float, unit: str) -> tuple[str, bool]:
    """The target as text, and whether the value stays under it."""
    return f"≤ {wanted:g} {unit}", value <= wanted


def as_json(rows: Sequence[Row], machine: dict[str, object]) -> str:
    """Everything, for a program."""
    return json.dumps({"machine": machine, "rows": [asdict(row) for row in rows]}, indent=2)


def as_table(rows: Sequence[Row], machine: dict[str, object]) -> str:
    """Everything, for a person."""
    titles = ("database", "measured", "value", "cpu µs", "of bare", "by cpu", "of commits", "target", "reached")
    cells = [titles, *(_cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(titles))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    facts = [f"{name}: {value}" for name, value in machine.items()]
    return "\n".join(["", *lines, "", *facts])


def _cells(row: Row) -> tuple[str, ...]:
    number = f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}"
    reached = "" if row.reached is None else "yes" if row.reached else "NO"
    cpu = "" if row.cpu_us is None else f"{row.cpu_us:.0f}"
    return (
        row.database,
        row.name,
        f"{number} {row.unit}",
        cpu,
        _share(row.of_bare),
        _share(row.of_bare_by_cpu),
        _share(row.of_commits),
        row.target,
        reached,
    )


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
