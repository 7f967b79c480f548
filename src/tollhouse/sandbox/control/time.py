"""Commands over time, and over everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tollhouse.sandbox.control.commands import command
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.sandbox import Sandbox

ADVANCE_SECONDS_MAX: Final = 10 * 366 * 24 * 3600


@command("GET", "/clock", "Tells the sandbox's time, in seconds since 1970.")
def read_clock(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Return the time and how far it was turned."""
    return {"now": sandbox.clock.now(), "turned": sandbox.clock.turned, "stands_still": sandbox.clock.stands_still}


@command("POST", "/clock/advance", "Turns the clock forward; what comes due on the way happens.", seconds="integer")
async def advance(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Turn the clock and return the new time."""
    if told["seconds"] < 0:
        raise invalid("Time does not run back.", "seconds")
    if told["seconds"] > ADVANCE_SECONDS_MAX:
        raise invalid(f"The clock is turned by at most {ADVANCE_SECONDS_MAX} seconds at a time.", "seconds")
    sandbox.advance(told["seconds"])
    return read_clock(sandbox, {})


@command("POST", "/reset", "Forgets everything but the clock.")
async def reset(sandbox: Sandbox, told: Obj, /) -> Obj:
    """Forget everything."""
    sandbox.reset()
    return {"reset": True}
