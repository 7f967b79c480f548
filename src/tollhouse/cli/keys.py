"""`tollhouse keys`: the keys that sign tokens. `tollhouse api-keys`: secrets for your own servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.running import as_json, fail, print_record, print_records, with_database

if TYPE_CHECKING:
    from tollhouse.runtime import Runtime


@click.group()
def keys() -> None:
    """Rotate the keys that sign tokens."""


@keys.command()
@click.option("--compromised", is_flag=True, help="A key was stolen: sign with new ones at once, refuse the old ones.")
@as_json
def rotate(compromised: bool, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Make new signing keys. They are published now and sign in an hour, so that nobody meets a key they do not know.

    \b
    Examples:
      tollhouse keys rotate
      tollhouse keys rotate --compromised
    """

    async def work(run: Runtime) -> list[dict[str, Any]]:
        from tollhouse.access.signing_keys import SigningKeys
        from tollhouse.identity.models import iso

        rows = await SigningKeys(run).rotate(compromised=compromised)
        return [{"kid": row.id, "algorithm": row.algorithm, "signs_from": iso(row.active_at)} for row in rows]

    print_records(with_database(work), json_output=json_output)


@click.group()
def api_keys() -> None:
    """Make, list and revoke secrets for your own servers."""


@api_keys.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, help="What it may do; give it again for more.")
@click.option("--days", type=click.IntRange(1, 36_500), help="How long it lives; for ever without this.")
@as_json
def create(name: str, scopes: tuple[str, ...], days: int | None, json_output: bool) -> None:  # noqa: FBT001 (as above)
    """Make an API key and print its secret, once.

    \b
    Example:
      tollhouse api-keys create worker --scope credits:spend --scope users:read
    """

    async def work(run: Runtime) -> dict[str, Any]:
        from tollhouse.access import api_keys as domain
        from tollhouse.clock import DAY

        lifetime_us = None if days is None else days * DAY
        key_id, secret = await domain.create(run, name=name, scopes=scopes, lifetime_us=lifetime_us)
        return {"id": key_id, "secret": secret}

    print_record(with_database(work), json_output=json_output)
    click.echo("The secret is not kept: store it now.", err=True)


@api_keys.command("list")
@as_json
def list_(json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List the API keys, without their secrets.

    \b
    Example:
      tollhouse api-keys list --json
    """

    async def work(run: Runtime) -> list[dict[str, Any]]:
        import json

        from tollhouse.access import api_keys as domain
        from tollhouse.identity.models import iso

        times = ("created_at", "seen_at", "expires_at", "revoked_at")
        return [
            {"id": row.id, "name": row.name, "scopes": json.loads(row.scopes)}
            | {name: None if (time := getattr(row, name)) is None else iso(time) for name in times}
            for row in await domain.list_of(run)
        ]

    print_records(with_database(work), json_output=json_output)


@api_keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Refuse an API key from its next request on.

    \b
    Example:
      tollhouse api-keys revoke key_019aa3d1f0c67b2e4d8c91f35a60e7d4
    """

    async def work(run: Runtime) -> bool:
        from tollhouse.access import api_keys as domain

        return await domain.revoke(run, key_id)

    if not with_database(work):
        fail("There is no such API key, or it is revoked already.")
    click.echo("Revoked.")
