"""`tollhouse events`: what Stripe told, what came of it, and once more."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.running import as_json, fail, print_record, print_records, with_database
from tollhouse.cli.tills import with_till

if TYPE_CHECKING:
    from tollhouse.billing.outcomes import Outcome
    from tollhouse.billing.parked import EventRecord
    from tollhouse.billing.till import Till
    from tollhouse.runtime import Runtime


@click.group()
def events() -> None:
    """List the events that Stripe has sent, show them, and replay what is parked."""


@events.command(name="list")
@click.option(
    "--status", type=click.Choice(["processed", "accepted", "ignored", "parked"]), help="Which ones; all unless given."
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@as_json
def list_(status: str | None, limit: int, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List events, the newest first.

    \b
    Example:
      tollhouse events list --status parked --json
    """

    async def work(run: Runtime) -> list[EventRecord]:
        from tollhouse.billing import parked

        return await parked.find_all(run, status=status, limit=limit)

    print_records([asdict(record) for record in with_database(work)], json_output=json_output)


@events.command()
@click.argument("event_id", metavar="ID")
@click.option("--payload", is_flag=True, help="With the body as it came, which may hold addresses.")
@as_json
def show(event_id: str, payload: bool, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Show one event and what came of it.

    \b
    Example:
      tollhouse events show evt_1SRzp4KXBGcbgpbZ9xmUJ3df --payload
    """

    async def work(run: Runtime) -> dict[str, Any] | None:
        from tollhouse.billing import parked

        record = await run.db.fetch_one(parked.FIND, event_id=event_id)
        if record is None:
            return None
        body = {"payload": json.loads(await parked.open_body(run, event_id))} if payload else {}
        return asdict(record) | body

    record = with_database(work)
    if record is None:
        fail("There is no such event of Stripe's here.")
    print_record(record, json_output=json_output)


@events.command()
@click.argument("event_id", metavar="ID")
def replay(event_id: str) -> None:
    """Do again what a parked or ignored event asks for; one that was processed already changes nothing.

    \b
    Example:
      tollhouse events replay evt_1SRzp4KXBGcbgpbZ9xmUJ3df
    """

    async def work(till: Till) -> Outcome:
        from tollhouse.billing import parked

        return await parked.replay(till, event_id)

    outcome = with_till(work)
    reason = f": {outcome.reason}" if outcome.reason else "."
    if outcome.status == "parked":
        fail(f"It is still parked{reason}")
    click.echo(f"It is {outcome.status}{reason}")


@events.command(name="set-aside")
@click.argument("event_id", metavar="ID")
def set_aside(event_id: str) -> None:
    """Take an event off the list of parked ones, once you have seen to it yourself; it can still be replayed.

    \b
    Example:
      tollhouse events set-aside evt_1SRzp4KXBGcbgpbZ9xmUJ3df
    """

    async def work(run: Runtime) -> bool:
        from tollhouse.billing import parked

        return await parked.set_aside(run, event_id)

    if not with_database(work):
        fail("There is no such parked event.")
    click.echo("It is not parked any more.")
