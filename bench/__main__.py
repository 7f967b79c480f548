"""`python -m bench [names…] [--seconds N] [--database D] [--json]`: measure, and report; a report, not a gate."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from bench.deliveries import measure_deliveries
from bench.report import Row, as_json, as_table
from bench.sandbox import measure_sandbox
from bench.servers import bare_route
from bench.signing_in import Bench, measure
from bench.starting import measure_start
from bench.till import measure_till
from bench.tokens import measure_tokens
from bench.verifying import measure_verifying
from tollhouse.settings_checks import filesystem_of

NAMES = (
    "start",
    "commits",
    "deliveries",
    "link",
    "mail",
    "redeem",
    "sandbox",
    "session",
    "steady",
    "till",
    "tokens",
    "verify",
)
DATABASES = ("sqlite", "postgres")
SECONDS_MAX = 15  # beyond, links would wait so long for a silent mail server that new ones are refused


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure against the machine's own limits.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"what to measure: {', '.join(NAMES)} (all)")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each of three rounds (3)")
    parser.add_argument("--database", choices=DATABASES, action="append", help="only on this one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if not 0.5 <= given.seconds <= SECONDS_MAX:
        parser.error(f"--seconds must lie between 0.5 and {SECONDS_MAX}")
    return given


def run(given: argparse.Namespace, folder: Path, machine: dict[str, object]) -> Iterator[Row]:
    """Every row, as it is measured."""
    names = set(given.names or NAMES)
    if "start" in names:
        yield from measure_start()
    if "verify" in names:
        yield from measure_verifying()
    if "sandbox" in names:
        yield from measure_sandbox()
    if names <= {"start", "verify", "sandbox"}:
        return
    with bare_route() as bare:
        bench = Bench(bare, folder, given.seconds)
        bench.measure_bare()
        for database in given.database or DATABASES:
            yield from measure(bench, database, names)
            if "deliveries" in names:
                yield from measure_deliveries(bench, database)
            if "tokens" in names:
                yield from measure_tokens(bench, database)
            if "till" in names:
                yield from measure_till(bench, database)
        yield Row("", "bare route", median(bench.bare_rates), "/s", median(bench.bare_cpu_us), 1.0)
        lowest, highest = min(bench.bare_rates), max(bench.bare_rates)
        machine["bare route over the run"] = f"{lowest:,.0f} to {highest:,.0f} /s"
        share, cpu_us = median(bench.client_shares), median(bench.client_cpu_us)
        machine["client on the bare route"] = f"{cpu_us:.0f} µs a request, {share:.0%} of one processor"


def main() -> None:
    """Measure and print; the exit code is 0 whatever was reached."""
    given = parse()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as name:
        folder = Path(name)
        machine: dict[str, object] = {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "disk": f"{folder.parent} ({filesystem_of(folder) or 'unknown file system'})",
            "load before": os.getloadavg()[0],
        }
        for row in run(given, folder, machine):
            rows.append(row)
            print(f"{row.database} {row.name}: {row.value:,.3g} {row.unit}".strip(), file=sys.stderr, flush=True)
    print(as_json(rows, machine) if given.json else as_table(rows, machine))


if __name__ == "__main__":
    main()
