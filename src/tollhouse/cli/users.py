"""`tollhouse users`: listed, and found by address through its digest, for nothing else names them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from tollhouse.cli.running import as_json, fail, print_record, settings_or_exit, with_database
from tollhouse.cli.users_shown import list_users, show_user

if TYPE_CHECKING:
    from tollhouse.runtime import Runtime


@click.group()
def users() -> None:
    """List, find, show, invite, export, block and erase users."""


users.add_command(list_users)
users.add_command(show_user)


@users.command()
@click.argument("email")
@as_json
def find(email: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Find a user by address.

    \b
    Example:
      tollhouse users find alice@example.com
    """

    async def work(run: Runtime) -> dict[str, Any] | None:
        from tollhouse.identity import addresses, suppressions
        from tollhouse.identity import users as domain
        from tollhouse.identity.models import iso

        address = addresses.parse(email)
        user = await domain.find(run, address)
        suppressed = await suppressions.find(run, run.keys.digest_address(address))
        if user is None and suppressed is None:
            return None
        return {
            "id": user.id if user else None,
            "created_at": iso(user.created_at) if user else None,
            "signed_in_at": iso(user.signed_in_at) if user and user.signed_in_at else None,
            "blocked_at": iso(user.blocked_at) if user and user.blocked_at else None,
            "no_mail_until": iso(suppressed.expires_at) if suppressed else None,
            "no_mail_because": suppressed.reason if suppressed else None,
        }

    found = with_database(work)
    if found is None:
        fail("Nobody has this address.")
    print_record(found, json_output=json_output)


@users.command()
@click.argument("email")
def invite(email: str) -> None:
    """Let an address sign up while TOLLHOUSE_SIGN_UP is `closed`.

    \b
    Example:
      tollhouse users invite alice@example.com
    """

    async def work(run: Runtime) -> bool:
        from tollhouse.identity import addresses
        from tollhouse.identity import users as domain

        return await domain.invite(run, addresses.parse(email))

    click.echo("Invited. They can sign in now." if with_database(work) else "Was invited already.")


@users.command(name="allow-mail")
@click.argument("email")
def allow_mail(email: str) -> None:
    """Send mail again to an address whose mail server had refused it.

    \b
    Example:
      tollhouse users allow-mail alice@example.com
    """

    async def work(run: Runtime) -> bool:
        from tollhouse.identity import addresses, suppressions

        return await suppressions.remove(run, run.keys.digest_address(addresses.parse(email)))

    click.echo("Mail goes there again." if with_database(work) else "Mail was not held back.")


@users.command()
@click.argument("user_id", metavar="ID")
def export(user_id: str) -> None:
    """Print everything stored about a user, as JSON.

    \b
    Example:
      tollhouse users export usr_019aa3d1f0c67b2e4d8c91f35a60e7d4 > user.json
    """

    async def work(run: Runtime) -> dict[str, Any] | None:
        from tollhouse.access import exports as access
        from tollhouse.billing import exports as billing
        from tollhouse.identity import users as domain

        exported = await domain.export(run, user_id)
        return exported and exported | await access.export(run, user_id) | await billing.export(run, user_id)

    exported = with_database(work)
    if exported is None:
        fail("There is no such user.")
    click.echo(json.dumps(exported, indent=2))


@users.command()
@click.argument("user_id", metavar="ID")
def block(user_id: str) -> None:
    """Refuse a user, and end their sessions at once.

    \b
    Example:
      tollhouse users block usr_019aa3d1f0c67b2e4d8c91f35a60e7d4
    """
    _change("block", user_id, done="Blocked.", else_="There is no such user, or they are blocked already.")


@users.command()
@click.argument("user_id", metavar="ID")
def unblock(user_id: str) -> None:
    """Admit a blocked user again.

    \b
    Example:
      tollhouse users unblock usr_019aa3d1f0c67b2e4d8c91f35a60e7d4
    """
    _change("unblock", user_id, done="Unblocked.", else_="There is no such blocked user.")


@users.command()
@click.argument("user_id", metavar="ID")
@click.confirmation_option(prompt="Erase this user for good?")
def erase(user_id: str) -> None:
    """Cancel a user's subscriptions, then delete the user with their sessions, links and invitation.

    While Stripe does not answer nothing is deleted. What was paid stays in the books, under an id of nobody.

    \b
    Example:
      tollhouse users erase usr_019aa3d1f0c67b2e4d8c91f35a60e7d4 --yes
    """
    if not asyncio.run(_erase(user_id)):
        fail("There is no such user.")
    click.echo("Erased.")


async def _erase(user_id: str) -> bool:
    from tollhouse.app import Tollhouse
    from tollhouse.identity import users as domain

    settings = settings_or_exit()
    async with Tollhouse(settings).opened() as run, AsyncExitStack() as stack:
        if settings.has_till:
            from tollhouse.billing import erasing
            from tollhouse.billing.opening import open_till

            till = await open_till(run, settings)
            stack.push_async_callback(till.stripe.close)
            run.hooks.before_erase.append(partial(erasing.end_all, till))
        return await domain.erase(run, user_id)


def _change(verb: str, user_id: str, *, done: str, else_: str) -> None:
    async def work(run: Runtime) -> bool:
        from tollhouse.identity import users as domain

        change = {"block": domain.block, "unblock": domain.unblock}[verb]
        return await change(run, user_id)

    if not with_database(work):
        fail(else_)
    click.echo(done)
