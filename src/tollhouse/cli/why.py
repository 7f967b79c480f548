"""`tollhouse why`: what led to somebody's credits and features."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from tollhouse.cli.running import as_json, fail, say
from tollhouse.cli.tills import with_till

if TYPE_CHECKING:
    from tollhouse.billing.till import Till

BRANCHES: Final = {"reversals": "- ", "because": "< ", "became": "> "}  # went back, led to it, came of it
INDENT: Final = "  "


@click.group()
def why() -> None:
    """Explain a user's credits and features: event, payment, grant, lot, spends."""


@why.command()
@click.argument("user")
@as_json
def credits(user: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Explain what a user's credits come from and what became of them; USER is our id or `{issuer}#{sub}`.

    \b
    Example:
      tollhouse why credits usr_019aa3d1f0c67b2e4d8c91f35a60e7d4
    """

    async def work(till: Till) -> dict[str, Any] | None:
        from tollhouse.billing.why import explain_credits

        user_id = await find(till, user)
        return None if user_id is None else await explain_credits(till, user_id)

    _show(with_till(work), json_output=json_output)


@why.command()
@click.argument("user")
@click.argument("feature")
@as_json
def feature(user: str, feature: str, json_output: bool) -> None:  # noqa: FBT001 (click passes flags so)
    """Explain why a user has a feature, or has it not; USER is our id or `{issuer}#{sub}`.

    \b
    Example:
      tollhouse why feature usr_019aa3d1f0c67b2e4d8c91f35a60e7d4 exports
    """

    async def work(till: Till) -> dict[str, Any] | None:
        from tollhouse.billing.why import explain_feature

        user_id = await find(till, user)
        return None if user_id is None else await explain_feature(till, user_id, feature)

    _show(with_till(work), json_output=json_output)


async def find(till: Till, reference: str) -> str | None:
    """Return the id of a user who is there, or None."""
    from tollhouse.identity import foreign_users, users

    user_id = await foreign_users.find(till.run, reference)
    return user_id if user_id is not None and await users.get(till.run, user_id) is not None else None


def _show(chain: Mapping[str, Any] | None, *, json_output: bool) -> None:
    if chain is None:
        fail("There is no such user.")
    click.echo(json.dumps(chain, indent=2) if json_output else "\n".join(lines_of(chain)))


def lines_of(chain: Mapping[str, Any], *, depth: int = 0, mark: str = "") -> Iterator[str]:
    """Return a chain as an indented tree: what it is, what is known of it, then what led to it and came of it."""
    known = [f"{name} {say(value)}" for name, value in chain.items() if name not in ("what", *BRANCHES) and value]
    yield INDENT * depth + mark + str(chain["what"]) + (f"  ({', '.join(known)})" if known else "")
    for name, its_mark in BRANCHES.items():
        for each in chain.get(name, ()):
            yield from lines_of(each, depth=depth + 1, mark=its_mark)
