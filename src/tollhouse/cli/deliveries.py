"""`tollhouse deliveries`: what waits, what failed, and once more."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tollhouse.cli.running import as_json, fail, print_records, with_database

if TYPE_CHECKING:
    from tollhouse.events.records import DeliveryRecord
    from tollhouse.runtime import Runtime


@click.group()
def deliveries() -> None:
    """List deliveries to mail servers and handlers, and retry failed ones."""


@deliveries.command(name="list")
@click.option(
    "--status",
    type=click.Choice(["waiting", "delivered", "failed", "expired", "skipped"]),
    default="failed",
    show_default=True,
    help="Which ones.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@as_json
def list_(status: str, limit: int, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List deliveries, the newest first.

    \b
    Example:
      tollhouse deliveries list --status waiting --json
    """

    async def work(run: Runtime) -> list[DeliveryRecord]:
        from tollhouse.events import records

        return await records.find(run.db, status=status, limit=limit)

    print_records([asdict(record) for record in with_database(work)], json_output=json_output)


@deliveries.command()
@click.argument("delivery_id", metavar="ID")
def retry(delivery_id: str) -> None:
    """Deliver a failed event once more; a mail cannot be, for its content is erased when it ends.

    \b
    Example:
      tollhouse deliveries retry dlv_019aa3d1f0c67b2e4d8c91f35a60e7d4
    """

    async def work(run: Runtime) -> int:
        from tollhouse.events import records

        return await run.db.write(records.RETRY, delivery_id=delivery_id, now=run.now_us)

    if not with_database(work):
        fail("There is no such failed delivery of an event.")
    click.echo("It is due now.")
