"""`tollhouse events`: what Stripe told, what came of it, what your app was told, and once more."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from tollhouse.cli.listing import for_terminal, print_list, print_wrapped, with_times
from tollhouse.cli.running import as_json, fail, with_database
from tollhouse.cli.tills import with_till
from tollhouse.cli.why import lines_of

if TYPE_CHECKING:
    from tollhouse.billing.outcomes import Outcome
    from tollhouse.billing.till import Till
    from tollhouse.runtime import Runtime

OURS: Final = "out_"  # begins the ids of our events
STRIPES: Final = "Stripe's"


@click.group()
def events() -> None:
    """List events, explain what came of one, replay Stripe's that are parked, and send ours again."""


@events.command(name="list")
@click.option(
    "--status",
    type=click.Choice(["processed", "accepted", "ignored", "parked"]),
    help="Which of Stripe's; all unless given.",
)
@click.option("--ours", is_flag=True, help="What your app is told, in place of what Stripe told.")
@click.option("--type", "event_type", metavar="TYPE", help="Of this type; with --ours.")
@click.option("--user", metavar="ID", help="About this user, by id or `{issuer}#{sub}`; with --ours.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@as_json
def list_(
    *, status: str | None, ours: bool, event_type: str | None, user: str | None, limit: int, json_output: bool
) -> None:
    """List the events that Stripe has sent, or with --ours those that your app is told; the newest first.

    \b
    Examples:
      tollhouse events list --status parked --json
      tollhouse events list --ours --type payment.succeeded
    """
    if ours and status is not None:
        raise click.UsageError("--status is of Stripe's events; `tollhouse deliveries list` has the status of ours.")
    if not ours and (event_type is not None or user is not None):
        raise click.UsageError("--type and --user are with --ours.")
    if ours:
        _list_ours(event_type, user, limit, json_output=json_output)
    else:
        _list_stripes(status, limit, json_output=json_output)


def _list_stripes(status: str | None, limit: int, *, json_output: bool) -> None:
    async def work(run: Runtime) -> list[dict[str, Any]]:
        from tollhouse.billing import parked

        return [with_times(asdict(each)) for each in await parked.find_all(run, status=status, limit=limit)]

    columns = ("id", "status", "received_at", "type")
    print_list(with_database(work), columns=columns, note=lambda each: each["reason"], json_output=json_output)


def _list_ours(event_type: str | None, user: str | None, limit: int, *, json_output: bool) -> None:
    async def work(run: Runtime) -> list[dict[str, Any]] | None:
        from tollhouse.events import history
        from tollhouse.identity import foreign_users

        user_id = None if user is None else await foreign_users.find(run, user)
        if user is not None and user_id is None:
            return None
        found = await history.find_all(run.db, limit=limit, event_type=event_type, user_id=user_id)
        return [with_times(asdict(each)) for each in found]

    found = with_database(work)
    if found is None:
        fail("There is no such user.")
    print_list(found, columns=("id", "created_at", "type"), note=_about, json_output=json_output)


def _about(event: Any) -> str | None:
    told = (("of", event["user_id"]), ("about", event["subject"]))
    return " ".join(f"{word} {value}" for word, value in told if value is not None)


@events.command()
@click.argument("event_id", metavar="ID")
@click.option("--payload", is_flag=True, help="With the body as Stripe sent it, which may hold addresses.")
@as_json
def show(event_id: str, payload: bool, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Show an event of Stripe's (evt_…) or of ours (out_…), what led to it, and all that came of it.

    Of Stripe's: purchase, payment and subscription, credits, and what your app was told of them, with each try to
    deliver that. `<` is what led to it, `>` what came of it, `-` what went back.

    \b
    Examples:
      tollhouse events show evt_1SRzp4KXBGcbgpbZ9xmUJ3df --payload
      tollhouse events show out_019aa3d1f0c67b2e4d8c91f35a60e7d4 --json
    """

    async def work(run: Runtime) -> dict[str, Any] | None:
        from tollhouse.billing import chain, chain_events

        if event_id.startswith(OURS):
            return await chain_events.explain(run, event_id)
        return await chain.explain(run, event_id, with_payload=payload)

    told = with_database(work)
    if told is None:
        fail(f"There is no such event of {'ours' if event_id.startswith(OURS) else STRIPES} here.")
    if json_output:
        click.echo(json.dumps(told, indent=2))
        return
    body = told.pop("payload", None)
    print_wrapped(lines_of(for_terminal({name: each for name, each in told.items() if name not in ("id", "type")})))
    if body is not None:
        click.echo(json.dumps(body, indent=2))


@events.command()
@click.argument("event_id", metavar="ID")
@click.option("--endpoint", metavar="NAME", help="To this endpoint; to all that are enabled unless given.")
def resend(event_id: str, endpoint: str | None) -> None:
    """Send an event of ours to your app again, whatever became of it before; it keeps its id.

    \b
    Example:
      tollhouse events resend out_019aa3d1f0c67b2e4d8c91f35a60e7d4 --endpoint app
    """
    if not event_id.startswith(OURS):
        fail("Only events of ours (out_…) are sent again; for one of Stripe's, `tollhouse events replay`.")

    async def work(run: Runtime) -> list[str]:
        from tollhouse.endpoints import resending

        return await resending.resend(run, event_id, name=endpoint)

    for delivery_id in with_database(work):
        click.echo(f"Due now: {delivery_id}")


@events.command()
@click.argument("event_id", metavar="ID")
def replay(event_id: str) -> None:
    """Do again what a parked or ignored event of Stripe's asks for; one that was processed changes nothing.

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
