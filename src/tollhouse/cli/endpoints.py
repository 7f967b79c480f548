"""`tollhouse endpoints`: where your app is told of events."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.endpoint_secrets import NAME, add, fail_declared, new_secret, roll
from tollhouse.cli.listing import print_list, print_one, with_times
from tollhouse.cli.running import as_json, fail, with_database

if TYPE_CHECKING:
    from tollhouse.endpoints.endpoints import Endpoint
    from tollhouse.endpoints.health import Missed
    from tollhouse.events.outcomes import Answer, Unsuccessful
    from tollhouse.runtime import Runtime


@click.group()
def endpoints() -> None:
    """Add, test, roll, disable and remove the endpoints of your app."""


endpoints.add_command(add)
endpoints.add_command(roll)
endpoints.add_command(new_secret)


@endpoints.command(name="list")
@as_json
def list_(json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List every endpoint, those of tollhouse.toml included.

    \b
    Example:
      tollhouse endpoints list --json
    """

    async def work(run: Runtime) -> list[dict[str, Any]]:
        from tollhouse.endpoints import endpoints as domain

        return [_record(each) for each in await domain.find_all(run)]

    print_list(
        with_database(work),
        columns=("name", "enabled", "added_by", "url"),
        note=lambda record: record["disabled_because"],
        json_output=json_output,
    )


@endpoints.command()
@NAME
@as_json
def show(name: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Show one endpoint and how it does, without its secrets; what waits or failed is counted to 1000.

    \b
    Example:
      tollhouse endpoints show app
    """

    async def work(run: Runtime) -> dict[str, Any]:
        from tollhouse.endpoints import endpoints as domain
        from tollhouse.endpoints import health
        from tollhouse.endpoints.secrets import open_secrets

        endpoint = await domain.find(run, name)
        living = open_secrets(run.keys, name, endpoint.secrets, now_us=run.now_us)
        ends_at = max((each.expires_at for each in living if each.expires_at is not None), default=None)
        signs = {"secrets": len(living), "old_secrets_sign_until": _iso(ends_at)}
        return _record(endpoint) | signs | with_times(asdict(await health.look(run, endpoint)))

    print_one(with_database(work), json_output=json_output)


@endpoints.command()
@NAME
def enable(name: str) -> None:
    """Send an endpoint its events again, and tell how to send what it has missed.

    \b
    Example:
      tollhouse endpoints enable app
    """

    async def work(run: Runtime) -> Missed | None:
        from tollhouse.endpoints import endpoints as domain
        from tollhouse.endpoints import health
        from tollhouse.endpoints.declared import BY_SETTINGS, NOT_DECLARED

        endpoint = await domain.find(run, name)
        if endpoint.disabled_because == NOT_DECLARED:
            fail_declared(name, "it is there no more", is_there=False)
        if endpoint.is_declared and endpoint.disabled_because == BY_SETTINGS:
            fail_declared(name, "enable it there")
        before = await domain.enable(run, name)
        if before is None or before.disabled_at is None:
            return None
        return await health.find_missed(run, before, disabled_at=before.disabled_at)

    missed = with_database(work)
    if missed is None:
        fail("It is enabled already.")
    _tell_missed(name, missed)


def _tell_missed(name: str, missed: Missed) -> None:
    from tollhouse.endpoints.health import COUNTED_MAX

    count = f"{COUNTED_MAX} events or more" if missed.count >= COUNTED_MAX else f"{missed.count} events"
    click.echo("Enabled. Every replica knows within 3 seconds.")
    click.echo(f"It has missed {count}. After these seconds, send them with:\n")
    click.echo(f"  tollhouse deliveries retry --endpoint {name} --since {_iso(missed.since)}")


@endpoints.command()
@NAME
def disable(name: str) -> None:
    """Send an endpoint nothing more; what waits for it is listed as failed, and can be sent later.

    \b
    Example:
      tollhouse endpoints disable app
    """

    async def work(run: Runtime) -> bool:
        from tollhouse.endpoints import endpoints as domain

        return await domain.disable(run, name, because="Somebody disabled it by command.")

    if not with_database(work):
        fail("It is disabled already.")
    click.echo(f"Disabled. What it misses is kept: `tollhouse endpoints enable {name}` tells how to send it.")


@endpoints.command()
@NAME
@click.confirmation_option(prompt="Remove this endpoint and its secrets?")
def remove(name: str) -> None:
    """Remove an endpoint that `endpoints add` made; what waits for it is listed as failed.

    \b
    Example:
      tollhouse endpoints remove app --yes
    """

    async def work(run: Runtime) -> None:
        from tollhouse.endpoints import endpoints as domain
        from tollhouse.endpoints.declared import NOT_DECLARED

        endpoint = await domain.find(run, name)
        if endpoint.is_declared and endpoint.disabled_because != NOT_DECLARED:
            fail_declared(name, "take it out there")
        await domain.remove(run, name)

    with_database(work)
    click.echo("Removed.")


@endpoints.command()
@NAME
@as_json
def test(name: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Send an endpoint an event of the type `test`, and print what it answers; exit with 1 unless that is a 2xx.

    \b
    Example:
      tollhouse endpoints test app
    """

    async def work(run: Runtime) -> tuple[Answer | Unsuccessful, int]:
        from tollhouse.endpoints import resending

        started = time.perf_counter()
        outcome = await resending.send_test(run, name)
        return outcome, round((time.perf_counter() - started) * 1000)

    outcome, duration_ms = with_database(work)
    record = _answer_of(outcome) | {"duration_ms": duration_ms}
    print_one(record, json_output=json_output)
    if not record["succeeded"]:
        sys.exit(1)


def _answer_of(outcome: Answer | Unsuccessful) -> dict[str, Any]:
    from tollhouse.events.outcomes import Unsuccessful

    is_refused = isinstance(outcome, Unsuccessful)
    answer = outcome.answer if is_refused else outcome
    return {
        "succeeded": not is_refused,
        "status": answer and answer.status,
        "reason": outcome.detail if is_refused else None,
        "reply": answer and answer.text,
    }


def _record(endpoint: Endpoint) -> dict[str, Any]:
    """Return what is shown of an endpoint: never its secrets."""
    return with_times(
        {
            "name": endpoint.name,
            "url": endpoint.url,
            "enabled": endpoint.disabled_at is None,
            "added_by": "settings" if endpoint.is_declared else "command",
            "event_types": list(endpoint.types),
            "with_address": bool(endpoint.with_address),
            "private_network": bool(endpoint.private_network),
            "created_at": endpoint.created_at,
            "enabled_at": endpoint.enabled_at,
            "disabled_at": endpoint.disabled_at,
            "disabled_because": endpoint.disabled_because,
        }
    )


def _iso(time_us: int | None) -> str | None:
    from tollhouse.identity.models import iso

    return None if time_us is None else iso(time_us)
