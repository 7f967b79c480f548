"""`tollhouse clients`: the apps that sign people in through us by OpenID Connect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.running import as_json, fail, print_record, print_records, with_database

if TYPE_CHECKING:
    from tollhouse.access.clients import Client
    from tollhouse.runtime import Runtime


@click.group()
def clients() -> None:
    """Add, list and remove OpenID Connect clients."""


@clients.command()
@click.argument("name")
@click.option("--redirect-uri", "redirect_uris", multiple=True, required=True, help="Where a sign-in may return to.")
@click.option("--sign-out-uri", "sign_out_uris", multiple=True, help="Where signing out may return to.")
@click.option("--scope", "scopes", multiple=True, help="A scope of your own API that it may ask for.")
@click.option("--public", is_flag=True, help="It can keep no secret: it runs in a browser or on a phone.")
@click.option("--third-party", is_flag=True, help="Somebody else's: people are asked first.")
@click.option(
    "--refresh-grace",
    "grace",
    default=0,
    show_default=True,
    type=click.IntRange(0, 60),
    help="Seconds in which the last refresh token gives the same new one again.",
)
@as_json
def add(
    name: str,
    *,
    redirect_uris: tuple[str, ...],
    sign_out_uris: tuple[str, ...],
    scopes: tuple[str, ...],
    public: bool,
    third_party: bool,
    grace: int,
    json_output: bool,
) -> None:
    """Register an app; its secret is printed now and never again.

    \b
    Examples:
      tollhouse clients add "Harbour Notes" --redirect-uri https://app.example.com/api/auth/callback/tollhouse
      tollhouse clients add Pocket --public --redirect-uri http://127.0.0.1:7777/back
    """
    from pydantic import ValidationError

    from tollhouse.settings_structures import ClientSettings

    try:
        wanted = ClientSettings.model_validate(
            {
                "id": "new",
                "name": name,
                "redirect_uris": redirect_uris,
                "sign_out_uris": sign_out_uris,
                "scopes": scopes,
                "first_party": not third_party,
                "refresh_grace_seconds": grace,
            }
        )
    except ValidationError as error:
        fail(f"NAME: {error.errors(include_url=False, include_input=False)[0]['msg']}.")

    async def work(run: Runtime) -> dict[str, Any]:
        from tollhouse.access import clients as domain

        client, secret = await domain.add(run, wanted, public=public)
        return {"client_id": client.id, "client_secret": secret}

    print_record(with_database(work), json_output=json_output)


@clients.command(name="list")
@as_json
def list_clients(json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List every client, those of tollhouse.toml included.

    \b
    Example:
      tollhouse clients list --json
    """

    async def work(run: Runtime) -> list[dict[str, Any]]:
        from tollhouse.access import clients as domain

        return [record_of(client) for client in await domain.list_of(run)]

    print_records(with_database(work), json_output=json_output)


def record_of(client: Client) -> dict[str, Any]:
    """Return what is shown of a client."""
    from tollhouse.identity.models import iso

    return {
        "client_id": client.id,
        "name": client.name,
        "kind": "public" if client.is_public else "confidential",
        "first_party": client.first_party,
        "redirect_uris": list(client.redirect_uris),
        "sign_out_uris": list(client.sign_out_uris),
        "scopes": list(client.scopes),
        "refresh_grace_seconds": client.refresh_grace_seconds,
        "created_at": iso(client.created_at) if client.created_at else None,
    }


@clients.command()
@click.argument("client_id", metavar="ID")
@click.confirmation_option(prompt="Remove this client and all that it was granted?")
def remove(client_id: str) -> None:
    """Remove a client that `clients add` made; its tokens end with it.

    \b
    Example:
      tollhouse clients remove cli_019aa3d1f0c67b2e4d8c91f35a60e7d4 --yes
    """

    async def work(run: Runtime) -> bool:
        from tollhouse.access import clients as domain

        return await domain.remove(run, client_id)

    if with_database(work):
        click.echo("Removed.")
    else:
        fail("There is no such client in the database; one of tollhouse.toml is removed there.")
