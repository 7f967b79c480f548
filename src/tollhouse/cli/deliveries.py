"""`tollhouse deliveries`: what waits, what failed, how each try went, and once more."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.listing import Moment, moment, print_list, print_one, with_times
from tollhouse.cli.running import as_json, fail, with_database

if TYPE_CHECKING:
    from tollhouse.events.records import DeliveryRecord
    from tollhouse.runtime import Runtime


@click.group()
def deliveries() -> None:
    """List deliveries to endpoints, handlers and mail servers, show every try, and retry failed ones."""


@deliveries.command(name="list")
@click.option(
    "--status",
    type=click.Choice(["waiting", "delivered", "failed", "expired", "skipped", "all"]),
    help="Which ones.  [default: failed; all with --event]",
)
@click.option("--endpoint", metavar="NAME", help="To this endpoint.")
@click.option("--subscriber", metavar="NAME", help="To this subscriber, named as `list` shows it.")
@click.option("--event", "event_id", metavar="ID", help="Of this event.")
@click.option("--since", type=moment, metavar="TIME", help="Made since then: 2h or 3d ago, or a time in ISO 8601.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@as_json
def list_(
    *,
    status: str | None,
    endpoint: str | None,
    subscriber: str | None,
    event_id: str | None,
    since: Moment | None,
    limit: int,
    json_output: bool,
) -> None:
    """List deliveries, the newest first.

    \b
    Examples:
      tollhouse deliveries list --status waiting --json
      tollhouse deliveries list --endpoint app --since 2h
    """
    if endpoint is not None and subscriber is not None:
        raise click.UsageError("Give --endpoint or --subscriber, not both.")
    wanted = status or ("failed" if event_id is None else "all")

    async def work(run: Runtime) -> list[DeliveryRecord]:
        from tollhouse.endpoints.endpoints import SUBSCRIBER
        from tollhouse.events import records

        return await records.find(
            run.db,
            status=None if wanted == "all" else wanted,
            subscriber=subscriber if endpoint is None else SUBSCRIBER + endpoint,
            event_id=event_id,
            since=None if since is None else since.time_us(run.now_us),
            limit=limit,
        )

    print_list(
        [with_times(asdict(record)) for record in with_database(work)],
        columns=("id", "status", "attempts", "created_at", "subscriber"),
        note=lambda record: record["reason"],
        json_output=json_output,
    )


@deliveries.command()
@click.argument("delivery_id", metavar="ID")
@as_json
def show(delivery_id: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Show one delivery with every try: when, how long it took, and what was answered.

    \b
    Example:
      tollhouse deliveries show dlv_019aa3d1f0c67b2e4d8c91f35a60e7d4
    """

    async def work(run: Runtime) -> dict[str, Any] | None:
        from tollhouse.endpoints.models import attempt_json
        from tollhouse.events import attempts, records

        record = await run.db.fetch_one(records.FIND, delivery_id=delivery_id)
        if record is None:
            return None
        tried = await run.db.fetch_all(attempts.OF_DELIVERY, delivery_id=delivery_id)
        return with_times(asdict(record)) | {"tries": [attempt_json(each) for each in tried]}

    shown = with_database(work)
    if shown is None:
        fail("There is no such delivery.")
    tries: list[dict[str, Any]] = [] if json_output else shown.pop("tries")
    print_one(shown, json_output=json_output)
    if tries:
        click.echo()
        print_list(
            tries,
            columns=("number", "succeeded", "status", "started_at", "duration_ms"),
            note=lambda each: " ".join(text for text in (each["reason"], each["reply"]) if text),
            json_output=False,
        )


@deliveries.command()
@click.argument("delivery_id", metavar="[ID]", required=False)
@click.option("--endpoint", metavar="NAME", help="All that this endpoint has missed; with --since.")
@click.option("--since", type=moment, metavar="TIME", help="What happened or failed since then: 3d ago, or ISO 8601.")
def retry(delivery_id: str | None, endpoint: str | None, since: Moment | None) -> None:
    """Deliver a failed event once more, or everything that has not reached an endpoint since some time.

    A mail cannot be retried, for its content is erased when it ends.

    \b
    Examples:
      tollhouse deliveries retry dlv_019aa3d1f0c67b2e4d8c91f35a60e7d4
      tollhouse deliveries retry --endpoint app --since 3d
    """
    if delivery_id is not None and endpoint is None and since is None:
        _retry_one(delivery_id)
    elif delivery_id is None and endpoint is not None and since is not None:
        _retry_all(endpoint, since)
    else:
        raise click.UsageError("Give the ID of a delivery, or --endpoint and --since.")


def _retry_one(delivery_id: str) -> None:
    async def work(run: Runtime) -> str | None:
        from tollhouse.endpoints import endpoints
        from tollhouse.events import records

        record = await run.db.fetch_one(records.FIND, delivery_id=delivery_id)
        to = record.subscriber if record is not None else ""
        if to.startswith(endpoints.SUBSCRIBER):
            endpoint = await endpoints.find(run, to.removeprefix(endpoints.SUBSCRIBER))
            if endpoint.disabled_at is not None:
                return _disabled(endpoint.name)
        changed = await run.db.write(records.RETRY, delivery_id=delivery_id, now=run.now_us)
        return None if changed else "There is no such failed delivery of an event."

    problem = with_database(work)
    if problem is not None:
        fail(problem)
    click.echo("It is due now.")


def _retry_all(name: str, since: Moment) -> None:
    async def work(run: Runtime) -> int | None:
        from tollhouse.endpoints import endpoints, resending

        endpoint = await endpoints.find(run, name)
        if endpoint.disabled_at is not None:
            return None
        return await resending.catch_up(run, endpoint, since=since.time_us(run.now_us))

    count = with_database(work)
    if count is None:
        fail(_disabled(name))
    click.echo("Everything has reached it." if count == 0 else f"Due now: {count}.")


def _disabled(name: str) -> str:
    return f"The endpoint {name} is disabled: first `tollhouse endpoints enable {name}`."
