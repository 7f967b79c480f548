"""`tollhouse catalogue`: products and prices as code."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tollhouse.cli.running import as_json, print_records
from tollhouse.cli.tills import with_till

if TYPE_CHECKING:
    from tollhouse.billing.catalogue_terms import Change, Problem
    from tollhouse.billing.till import Till


@click.group()
def catalogue() -> None:
    """Bring `[[products]]` of tollhouse.toml to Stripe, compare them with it, or take over what is sold there."""


@catalogue.command()
@as_json
def push(json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Make Stripe's products and prices what tollhouse.toml says, in the mode of the key; safe to run again.

    What a price costs can never be changed at Stripe: another amount is a new price, and who subscribed to the old one
    goes on paying that. From test mode to live: run it again with the live key.

    \b
    Example:
      tollhouse catalogue push
    """

    async def work(till: Till) -> list[Change]:
        from tollhouse.billing import catalogue_sync

        return await catalogue_sync.push(till)

    changes = with_till(work)
    if changes or json_output:
        print_records([asdict(change) for change in changes], json_output=json_output)
    else:
        click.echo("Stripe has it all already.")


@catalogue.command()
@as_json
def check(json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Say what at Stripe is not as tollhouse.toml has it; exit with 1 if anything.

    \b
    Example:
      tollhouse catalogue check --json
    """

    async def work(till: Till) -> list[Problem]:
        from tollhouse.billing import catalogue_sync

        return await catalogue_sync.check(till)

    problems = with_till(work)
    if problems or json_output:
        print_records([asdict(problem) for problem in problems], json_output=json_output)
    else:
        click.echo("Stripe has it as tollhouse.toml says.")
    sys.exit(bool(problems))


@catalogue.command()
def pull() -> None:
    """Print what is sold at Stripe as `[[products]]`, to begin with; what they bring you then write yourself.

    \b
    Example:
      tollhouse catalogue pull >> tollhouse.toml
    """

    async def work(till: Till) -> str:
        from tollhouse.billing.catalogue_pull import pull as pull_toml

        return await pull_toml(till)

    click.echo(with_till(work), nl=False)
