"""Users as an operator sees them: by id and times, with what they have; no address is stored."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from tollhouse.cli.listing import print_list, print_one, with_times
from tollhouse.cli.running import as_json, database_settings_or_exit, fail, with_database

if TYPE_CHECKING:
    from tollhouse.identity.users import User
    from tollhouse.runtime import Runtime
    from tollhouse.settings import Settings

EVENTS_SHOWN: Final = 10
SUBSCRIPTION: Final = ("id", "product_id", "price_id", "quantity", "status", "current_period_end", "cancel_at")
COLUMNS: Final = {
    "subscriptions": ("id", "status", "price_id", "current_period_end"),
    "events": ("id", "created_at", "type"),
}
TIMES: Final = ("current_period_end",)  # whose names do not say so


@click.command(name="list")
@click.option("--blocked", is_flag=True, help="Only those who are blocked.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="How many at most.")
@as_json
def list_users(blocked: bool, limit: int, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List users, the newest first.

    \b
    Example:
      tollhouse users list --limit 10
    """

    async def work(run: Runtime) -> list[User]:
        from tollhouse.identity import user_list

        return await user_list.find_all(run, limit=limit, blocked=blocked)

    print_list(
        [with_times(asdict(user)) for user in with_database(work)],
        columns=("id", "created_at", "signed_in_at"),
        note=lambda user: user["blocked_at"] and f"blocked since {user['blocked_at']}",
        json_output=json_output,
    )


@click.command(name="show")
@click.argument("user", metavar="USER")
@as_json
def show_user(user: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Show a user's credits, features and subscriptions, and what happened last.

    USER is an id of ours, or `{issuer}#{sub}`.

    \b
    Example:
      tollhouse users show usr_019aa3d1f0c67b2e4d8c91f35a60e7d4
    """
    shown = asyncio.run(_find(user))
    if shown is None:
        fail("There is no such user.")
    if json_output:
        print_one(shown, json_output=True)
        return
    lists = {name: shown.pop(name) for name in ("subscriptions", "events") if name in shown}
    print_one(shown | shown.pop("credits"), json_output=False)
    for name, records in lists.items():
        click.echo(f"\n{name}:")
        print_list(records, columns=COLUMNS[name], json_output=False)


async def _find(reference: str) -> dict[str, Any] | None:
    from tollhouse.app import Tollhouse
    from tollhouse.events import history
    from tollhouse.identity import foreign_users, users
    from tollhouse.ledger import overview

    settings = database_settings_or_exit()
    async with Tollhouse(settings).opened() as run:
        user_id = await foreign_users.find(run, reference)
        user = await users.get(run, user_id) if user_id is not None else None
        if user is None:
            return None
        credits = await overview.show(run, user.id)
        del credits["lots"]
        paid = await _find_paid(run, settings, user.id) if settings.has_till else {}
        told = await history.find_all(run.db, user_id=user.id, limit=EVENTS_SHOWN)
        happened = {"events": [with_times(asdict(each)) for each in told]}
        return with_times(asdict(user)) | {"credits": credits} | paid | happened


async def _find_paid(run: Runtime, settings: Settings, user_id: str) -> dict[str, Any]:
    """Return what somebody has from the till, as this database knows it."""
    from tollhouse.billing import entitlements, subscriptions
    from tollhouse.billing.opening import open_till
    from tollhouse.identity.models import iso

    till = await open_till(run, settings)
    try:
        features = sorted(await entitlements.features_of(till, user_id))
        living = await subscriptions.living(run, user_id, till.livemode)
    finally:
        await till.stripe.close()
    shown = [{name: getattr(each, name) for name in SUBSCRIPTION} for each in living]
    for each in shown:
        each |= {name: iso(each[name]) for name in TIMES if each[name] is not None}
    return {"features": features, "subscriptions": [with_times(each) for each in shown]}
