"""`tollhouse credits`: what users have, and gifts by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.running import as_json, print_record, print_records, with_database

if TYPE_CHECKING:
    from tollhouse.runtime import Runtime

KEY = click.option("--key", help="Does it once: the same key again changes nothing.")
REFERENCE = click.option("--reference", help="Your own words, kept with the entry.")


@click.group()
def credits() -> None:
    """Show, grant and spend credits; USER is an id (usr_…, or ISSUER#SUB) or an address."""


@credits.command()
@click.argument("user")
@as_json
def show(user: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Show a user's balance.

    \b
    Example:
      tollhouse credits show alice@example.com
    """
    shown = _show(user)
    del shown["lots"]
    print_record(shown, json_output=json_output)


@credits.command()
@click.argument("user")
@as_json
def lots(user: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List a user's lots, in the order in which they are spent.

    \b
    Example:
      tollhouse credits lots alice@example.com --json
    """
    print_records(_show(user)["lots"], json_output=json_output)


@credits.command()
@click.argument("user")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many at most.")
@as_json
def entries(user: str, limit: int, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """List the changes of a user's balance, the newest first.

    \b
    Example:
      tollhouse credits entries alice@example.com --limit 100
    """

    async def work(run: Runtime) -> dict[str, Any]:
        from tollhouse.ledger import overview

        return await overview.page(run, await _find(run, user), before=None, limit=limit)

    print_records(with_database(work)["entries"], json_output=json_output)


@credits.command()
@click.argument("user")
@click.argument("count", metavar="CREDITS", type=int)
@click.option("--days", type=click.IntRange(1, 36_500), help="They expire after so many days.")
@REFERENCE
@KEY
@as_json
def grant(
    user: str,
    count: int,
    days: int | None,
    reference: str | None,
    key: str | None,
    json_output: bool,  # noqa: FBT001 (click passes flags so)
) -> None:
    """Give a user credits.

    \b
    Example:
      tollhouse credits grant alice@example.com 100 --days 90 --reference "sorry for Monday"
    """

    async def work(run: Runtime) -> dict[str, Any]:
        from tollhouse.ledger.api import Credits

        expires_at = None
        if days is not None:  # to the day, so that the same key an hour later asks for the same
            today = datetime.fromtimestamp(run.now_us // 1_000_000, tz=UTC).replace(hour=0, minute=0, second=0)
            expires_at = today + timedelta(days=days + 1)
        book = Credits(lambda: run, caller="cli")
        return await book.grant(await _find(run, user), count, key=key, expires_at=expires_at, reference=reference)

    print_record(with_database(work), json_output=json_output)


@credits.command()
@click.argument("user")
@click.argument("count", metavar="CREDITS", type=int)
@REFERENCE
@KEY
@as_json
def spend(user: str, count: int, reference: str | None, key: str | None, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Spend a user's credits.

    \b
    Example:
      tollhouse credits spend alice@example.com 3 --reference "taken back by hand"
    """

    async def work(run: Runtime) -> dict[str, Any]:
        from tollhouse.ledger.api import Credits

        book = Credits(lambda: run, caller="cli")
        return await book.spend(await _find(run, user), count, key=key, reference=reference)

    print_record(with_database(work), json_output=json_output)


def _show(user: str) -> dict[str, Any]:
    async def work(run: Runtime) -> dict[str, Any]:
        from tollhouse.ledger import overview

        return await overview.show(run, await _find(run, user))

    return with_database(work)


async def _find(run: Runtime, user: str) -> str:
    """Return the user's id, by id or by address through its digest; raise `UserUnknown`."""
    from tollhouse.identity import addresses, foreign_users, users
    from tollhouse.ledger.errors import UserUnknown

    if foreign_users.is_own(user) or foreign_users.is_reference(user):
        user_id = await foreign_users.find(run, user)
        found = await users.get(run, user_id) if user_id else None
    else:
        found = await users.find(run, addresses.parse(user))
    if found is None:
        raise UserUnknown
    return found.id
