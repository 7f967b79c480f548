"""Commands that break things on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollhouse.sandbox.api.lists import make_list
from tollhouse.sandbox.control.commands import command
from tollhouse.sandbox.faults.kinds import KINDS
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

URL = "/control/faults"


@command("GET", "/faults", "Lists the faults that are set, and all that can be, with their usual fields.")
def list_faults(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the rules with how often each has struck."""
    kinds = {name: {"does": kind.does, "fields": kind.takes} for name, kind in KINDS.items()}
    return make_list(sandbox.faults.every(), URL) | {"kinds": kinds}


@command(
    "POST", "/faults", "Sets a fault: `GET /control/faults` tells which there are and what each takes.",
    is_open=True, fault="string",
)  # fmt: skip
def add_fault(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the rule."""
    return sandbox.faults.add(told)


@command("DELETE", "/faults/{id}", "Lifts a fault.")
def remove_fault(sandbox: Sandbox, told: Obj, /, *, id: str) -> Obj:
    """Return what it was."""
    return sandbox.faults.remove(id)


@command("DELETE", "/faults", "Lifts all faults.")
def clear_faults(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the empty list."""
    sandbox.faults.clear()
    return make_list([], URL)
