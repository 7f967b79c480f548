"""What timers do, and what becomes of those that cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.values import Obj

if TYPE_CHECKING:
    from tollhouse.sandbox.state.store import Timer
    from tollhouse.sandbox.state.world import World

Action = Callable[["World", str], None]

FAILED: Final = "failed_timer"
TIME_MAX: Final = 253_402_300_799  # the end of the year 9999

_actions: dict[str, Action] = {}

logger: Final = logging.getLogger(__name__)


def action(name: str) -> Callable[[Action], Action]:
    """Register what a timer of this name does: called with the id it was scheduled for."""

    def register(function: Action) -> Action:
        assert name not in _actions, name
        _actions[name] = function
        return function

    return register


def is_action(name: str) -> bool:
    """Say whether timers of this name do anything."""
    return name in _actions


def run(world: World, timer: Timer) -> None:
    """Do what a timer is for, whole or not at all. One that raises is logged and kept, never tried again.

    Its error is nobody's who happened to ask for something else just then.
    """
    try:
        with world.store.savepoint():
            _actions[timer.action](world, timer.id)
    except Exception as error:
        logger.exception("The timer %s of %s failed.", timer.action, timer.id)
        _keep(world, timer, error)


def check_time(time: int) -> None:
    """Raise `StripeError` 400 for a time beyond the calendar's end."""
    if time > TIME_MAX:
        raise invalid(f"Invalid timestamp: {time} is beyond the year 9999.", code="parameter_invalid_integer")


def read_failed(world: World) -> list[Obj]:
    """Return the timers that failed, newest first: each with `action`, `source` (the object's id), `due`, `error`."""
    return world.every(FAILED)


def _keep(world: World, timer: Timer, error: Exception) -> None:
    told: Obj = {"id": "timer_" + world.ids.text(14), "object": FAILED, "created": world.clock.now()}
    told |= {"action": timer.action, "source": timer.id, "due": timer.due}
    world.save(told | {"error": f"{type(error).__name__}: {error}"})
