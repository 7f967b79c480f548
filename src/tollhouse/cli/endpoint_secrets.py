"""Secrets of endpoints: with a new endpoint, rolled, or for tollhouse.toml. Each is printed once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from tollhouse.cli.listing import plain, print_one, short
from tollhouse.cli.running import as_json, fail, with_database

if TYPE_CHECKING:
    from tollhouse.endpoints.endpoints import Endpoint
    from tollhouse.runtime import Runtime

OVERLAP_HOURS_MAX: Final = 24 * 30
ONCE: Final = "The secret is not shown again: store it now."

NAME: Final = click.argument("name", metavar="NAME")


@click.command()
@NAME
@click.option("--url", required=True, help="Where events are posted: https, or http on this machine.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="A type that it gets; all unless given.")
@click.option("--with-address", is_flag=True, help="`user.created` and `user.signed_in` bring the address.")
@click.option("--private-network", is_flag=True, help="It may be at a private address.")
@as_json
def add(
    name: str, *, url: str, types: tuple[str, ...], with_address: bool, private_network: bool, json_output: bool
) -> None:
    """Add an endpoint and print its secret, once; every replica knows it within seconds.

    \b
    Examples:
      tollhouse endpoints add app --url https://app.example.com/api/payments/webhook
      tollhouse endpoints add crm --url https://crm.example.com/hook --type user.created --with-address
    """
    given = {"name": name, "url": url, "event_types": types}
    flags = {"with_address": with_address, "private_network": private_network}

    async def work(run: Runtime) -> str:
        from tollhouse.endpoints import endpoints as domain

        if any(each.name == name for each in run.settings.endpoints):
            fail(f"{name} is in the settings, and known from the next start on.")
        endpoint, secret = _make(run, **given, **flags)
        await domain.add(run, endpoint)
        return secret

    print_one({"name": name, "url": url, "secret": with_database(work)}, json_output=json_output)
    click.echo(ONCE, err=True)


def _make(run: Runtime, **given: Any) -> tuple[Endpoint, str]:
    """Return a new endpoint and its secret; exit over what it cannot be."""
    from pydantic import ValidationError

    from tollhouse.endpoints.declared import problems_of
    from tollhouse.endpoints.endpoints import Endpoint, types_of
    from tollhouse.endpoints.secrets import Secret, create_secret, seal_secrets
    from tollhouse.settings_structures import EndpointSettings

    secret = create_secret()
    try:
        wanted = EndpointSettings.model_validate({**given, "secret": secret})
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        fail(f"{str(problem['loc'][0]).upper()}: {problem['msg']}.")
    for problem in problems_of(wanted.url, wanted.event_types, is_private=wanted.private_network):
        fail(plain(f"{wanted.name}: {problem}"))
    endpoint = Endpoint(
        name=wanted.name,
        url=wanted.url,
        secrets=seal_secrets(run.keys, wanted.name, [Secret(secret)]),
        event_types=types_of(wanted.event_types),
        with_address=int(wanted.with_address),
        private_network=int(wanted.private_network),
        is_declared=0,
        disabled_at=None,
        disabled_because=None,
        created_at=run.now_us,
        enabled_at=run.now_us,
    )
    return endpoint, secret


@click.command(name="new-secret")
def new_secret() -> None:
    """Print a new secret, for an endpoint in tollhouse.toml; it is kept nowhere.

    \b
    Example:
      tollhouse endpoints new-secret
    """
    from tollhouse.endpoints.secrets import create_secret

    click.echo(create_secret())


@click.command()
@NAME
@click.option(
    "--overlap-hours",
    default=24,
    show_default=True,
    type=click.IntRange(0, OVERLAP_HOURS_MAX),
    help="So long the secrets from before sign as well; 0 where one was stolen.",
)
@as_json
def roll(name: str, overlap_hours: int, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Give an endpoint a new secret and print it, once.

    \b
    Example:
      tollhouse endpoints roll app --overlap-hours 48
    """

    async def work(run: Runtime) -> tuple[str, int]:
        from tollhouse.clock import HOUR
        from tollhouse.endpoints import endpoints as domain
        from tollhouse.endpoints import rolling

        if (await domain.find(run, name)).is_declared:
            fail_declared(name, "put a new secret before the old one there")
        return await rolling.roll(run, name, overlap_us=overlap_hours * HOUR)

    secret, dropped = with_database(work)
    print_one({"name": name, "secret": secret}, json_output=json_output)
    click.echo(ONCE, err=True)
    if overlap_hours and dropped:
        click.echo("Only 4 sign at once: the oldest one signs no more.", err=True)


def fail_declared(name: str, what_to_do: str, *, is_there: bool = True) -> NoReturn:
    """Say that an endpoint is a matter of the settings, and exit with 1."""
    where = "is" if is_there else "was"
    fail(f"{short(name)} {where} in the settings (`[[endpoints]]` in tollhouse.toml): {what_to_do}.")
