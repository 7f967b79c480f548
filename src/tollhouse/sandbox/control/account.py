"""Commands over the account's settings, which Stripe's dashboard has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollhouse.sandbox.control.commands import command
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.state.world import AFTER_DUNNING
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox


@command("GET", "/account", "Tells the account's settings.")
def read_account(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return them."""
    return {"after_dunning": sandbox.world.after_dunning}


@command(
    "POST", "/account", "Sets what becomes of a subscription that was not paid after all attempts: `cancel` (usual),"
    " `unpaid` or `past_due`.", after_dunning="string",
)  # fmt: skip
def change_account(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the settings."""
    if told["after_dunning"] not in AFTER_DUNNING:
        raise invalid(f"Invalid after_dunning: must be one of {', '.join(AFTER_DUNNING)}", "after_dunning")
    sandbox.world.after_dunning = told["after_dunning"]
    return read_account(sandbox, {})
