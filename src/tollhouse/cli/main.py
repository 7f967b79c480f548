"""The `tollhouse` command."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Final

import click

from tollhouse.cli.catalogue import catalogue
from tollhouse.cli.clients import clients
from tollhouse.cli.credits import credits
from tollhouse.cli.deliveries import deliveries
from tollhouse.cli.doctor import doctor
from tollhouse.cli.endpoints import endpoints
from tollhouse.cli.events import events
from tollhouse.cli.keys import api_keys, keys
from tollhouse.cli.reconcile import reconcile
from tollhouse.cli.running import settings_or_exit
from tollhouse.cli.sandbox import sandbox
from tollhouse.cli.stripe import stripe
from tollhouse.cli.users import users
from tollhouse.cli.why import why
from tollhouse.errors import TollhouseError

CONTEXT: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=CONTEXT)
@click.version_option(package_name="tollhouse", message="tollhouse %(version)s")
def cli() -> None:
    """A gate and a till for a small SaaS: sign-in by mail, payments through Stripe, credits."""


@cli.command()
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65_534),
    help="Port of the product, on loopback; the sandbox takes the next one.",
)
@click.option(
    "--data", default=".tollhouse", show_default=True, type=click.Path(path_type=Path), help="Where everything is kept."
)
@click.option("--reset", is_flag=True, help="Forget everything kept there first.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def dev(port: int, data: Path, reset: bool, command: tuple[str, ...]) -> None:  # noqa: FBT001 (click passes flags so)
    """Run everything here, with nothing to configure: database, secret, mail catcher and Stripe's sandbox.

    With COMMAND, your app is started too and stops with it.

    \b
    Examples:
      tollhouse dev
      tollhouse dev --port 9000 -- npm run dev
    """
    from tollhouse.dev.server import serve as serve_dev
    from tollhouse.telemetry import logs

    logs.configure("console")
    sys.exit(asyncio.run(serve_dev(port=port, data=data, reset=reset, command=command)))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Processes.")
def serve(host: str, port: int, workers: int) -> None:
    """Run the production server, with settings from the environment, `.env` or tollhouse.toml.

    Refuses to start on settings that are missing or not safe, and names each one with its fix.

    \b
    Example:
      TOLLHOUSE_URL=https://auth.example.com tollhouse serve --workers 2
    """
    from tollhouse.cli.running import check_schema, run_server

    settings = settings_or_exit()
    asyncio.run(check_schema(settings))
    click.echo(f"Tollhouse serves {settings.url} at {host}:{port}.", err=True)
    run_server(host=host, port=port, workers=workers)


@cli.command()
def migrate() -> None:
    """Bring the database to the newest schema; safe while old replicas serve, and from many at once.

    \b
    Example:
      tollhouse migrate
    """
    from tollhouse.db.migrations import head
    from tollhouse.db.migrations import migrate as run_migrations

    settings = settings_or_exit()
    url = settings.migration_database_url or settings.database_direct_url or settings.database_url
    asyncio.run(run_migrations(url))
    click.echo(f"The database is at {head()}.")


cli.add_command(users)
cli.add_command(credits)
cli.add_command(deliveries)
cli.add_command(endpoints)
cli.add_command(events)
cli.add_command(doctor)
cli.add_command(keys)
cli.add_command(api_keys, "api-keys")
cli.add_command(clients)
cli.add_command(sandbox)
cli.add_command(catalogue)
cli.add_command(reconcile)
cli.add_command(why)
cli.add_command(stripe)


def main() -> None:
    """Run a command; an error of ours is one clear text and exit code 1."""
    try:
        cli()
    except TollhouseError as error:
        click.echo(error.detail, err=True)
        sys.exit(1)
