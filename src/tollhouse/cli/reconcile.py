"""`tollhouse reconcile`: Stripe's objects and what was granted, side by side."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from tollhouse.cli.running import as_json
from tollhouse.cli.tills import with_till

if TYPE_CHECKING:
    from tollhouse.billing.reconcile import Report
    from tollhouse.billing.till import Till

PROGRESS_STEPS: Final = 1_000


@click.command()
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 3_650), help="How far back objects are compared."
)
@click.option("--repair", is_flag=True, help="Do what lost webhooks would have done; safe to run twice.")
@as_json
def reconcile(days: int, repair: bool, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Compare Stripe's objects with what was granted, in both directions, and the ledger with itself.

    Exits with 1 while differences remain.

    \b
    Examples:
      tollhouse reconcile
      tollhouse reconcile --days 90 --repair --json
    """
    is_watched = sys.stderr.isatty()
    with click.progressbar(length=PROGRESS_STEPS, label="Comparing", file=sys.stderr, hidden=not is_watched) as bar:
        done = 0

        def progress(share: float) -> None:
            nonlocal done
            steps = int(share * PROGRESS_STEPS) - done
            if steps > 0:
                done += steps
                bar.update(steps)

        async def work(till: Till) -> Report:
            from tollhouse.billing.reconcile import reconcile as compare

            return await compare(till, days=days, repair=repair, progress=progress)

        report = with_till(work)
    if json_output:
        click.echo(json.dumps(report_json(report), indent=2))
    else:
        print_report(report)
    sys.exit(1 if report.remaining else 0)


def report_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "differences": [each.json() for each in report.differences],
        "found": report.found.total(),
        "repaired": report.repaired.total(),
        "remaining": report.remaining,
        "compared": dict(report.compared),
    }


def print_report(report: Report) -> None:
    """Print each difference on lines of its own, and how many there are."""
    for each in report.differences:
        state = "repaired" if each.is_repaired else "can be repaired" if each.is_repairable else "needs a person"
        whose = f" of {each.user_id}" if each.user_id else ""
        click.echo(f"{each.kind}: {each.object_id}{whose} ({state})\n  {each.detail}")
    left_out = report.found.total() - len(report.differences)
    if left_out:
        click.echo(f"… and {left_out} more.")
    click.echo(
        f"Compared {report.compared.total()}: {report.found.total()} differences, "
        f"{report.repaired.total()} repaired, {report.remaining} remain."
    )
