"""`tollhouse stripe`: the Stripe account itself."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from tollhouse.cli.running import as_json, print_record
from tollhouse.cli.tills import with_account

if TYPE_CHECKING:
    from tollhouse.billing.setup import Endpoint
    from tollhouse.billing.stripe_account import StripeAccount
    from tollhouse.settings import Settings


@click.group()
def stripe() -> None:
    """Set up your Stripe account."""


@stripe.command()
@click.option("--url", metavar="URL", help="Public address of Tollhouse; TOLLHOUSE_URL unless given.")
@click.option("--disable-others", is_flag=True, help="Switch off endpoints at this URL with another API version.")
@as_json
def setup(url: str | None, disable_others: bool, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Create or update the webhook endpoint: its events, its API version; needs TOLLHOUSE_STRIPE_API_KEY alone.

    Prints the signing secret of a new endpoint, which Stripe tells once, as the setting that takes it.

    \b
    Example:
      tollhouse stripe setup --url https://auth.example.com
    """

    async def work(account: StripeAccount, settings: Settings) -> Endpoint:
        from tollhouse.billing import setup as domain

        endpoint = await domain.set_up(account, (url or settings.url).rstrip("/") + domain.WEBHOOK_PATH)
        for other in endpoint.others if disable_others else ():
            await domain.disable(account, other)
        return endpoint

    endpoint = with_account(work, needs_url=url is None)
    if json_output:
        print_record(asdict(endpoint), json_output=True)
        return
    click.echo(f"{endpoint.id} at {endpoint.url}: {endpoint.action}.")
    if endpoint.secret is not None:
        click.echo(f"TOLLHOUSE_STRIPE_WEBHOOK_SECRETS={endpoint.secret}")
    if endpoint.others:
        _tell_others(endpoint, disabled=disable_others)


def _tell_others(endpoint: Endpoint, *, disabled: bool) -> None:
    names = ", ".join(endpoint.others)
    click.echo(f"Of another API version, which Stripe cannot change: {names}.", err=True)
    if disabled:
        click.echo("Disabled. What they have under way still comes; keep their secrets for three days.", err=True)
    else:
        click.echo("Add the new secret to theirs, restart, then run this again with --disable-others.", err=True)
