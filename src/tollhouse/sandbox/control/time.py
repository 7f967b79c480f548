"""Commands over time, and over everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollhouse.sandbox.api.lists import make_list
from tollhouse.sandbox.control.commands import command
from tollhouse.sandbox.durations import TURN_SECONDS_MAX
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.state import timers
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox


@command("GET", "/clock", "Tells the sandbox's time, in seconds since 1970.")
def read_clock(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the time and how far it was turned."""
    return {"now": sandbox.clock.now(), "turned": sandbox.clock.turned, "stands_still": sandbox.clock.stands_still}


@command(
    "POST",
    "/clock/advance",
    "Turns the clock forward; what comes due on the way happens, and its webhooks arrive.",
    seconds="integer",
    waits=True,
)
async def advance(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Turn the clock and return the new time, and whether the webhooks were `settled` before time was up."""
    if told["seconds"] < 0:
        raise invalid("Time does not run back.", "seconds")
    if told["seconds"] > TURN_SECONDS_MAX:
        raise invalid(f"The clock is turned by at most {TURN_SECONDS_MAX} seconds at a time.", "seconds")
    settled = await sandbox.advance_and_settle(told["seconds"])
    return read_clock(sandbox, {}) | {"settled": settled}


@command("GET", "/timers/failed", "Lists what time should have brought and could not; none is tried again.")
def list_failed_timers(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the timers that failed, newest first."""
    return make_list(timers.read_failed(sandbox.world), "/control/timers/failed")


@command("POST", "/reset", "Forgets everything but the clock.", waits=True)
async def reset(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Forget everything."""
    sandbox.reset()
    return {"reset": True}
