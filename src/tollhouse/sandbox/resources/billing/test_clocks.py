"""Test clocks: customers who live in a time of their own. Source: docs.stripe.com/billing/testing/test-clocks.

A clock that is advanced answers at once that it is `advancing`; it is `ready` as soon as anything asks again, and
everything that was due on the way has happened at its own time.
"""

from __future__ import annotations

from typing import Final

from tollhouse.sandbox.durations import DAY_SECONDS
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.billing import billing_cycles
from tollhouse.sandbox.resources.billing import subscription_items as items_of
from tollhouse.sandbox.resources.billing import subscription_states as states
from tollhouse.sandbox.resources.customers import customers
from tollhouse.sandbox.resources.registry import Params, operation, readable
from tollhouse.sandbox.state.world import World, action
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/test_helpers/test_clocks"
KIND: Final = "test_helpers.test_clock"
LIFETIME_SECONDS: Final = 30 * DAY_SECONDS
INTERVALS_MAX: Final = 2  # of the shortest subscription, at once
UNBOUND_YEARS_MAX: Final = 2  # without a subscription

readable(KIND, PATH)


@operation("POST", PATH)
def create(world: World, params: Params, /) -> Obj:
    """Create a clock that stands still at a time."""
    if "customer" in params:
        raise invalid("The sandbox puts customers under a clock when they are created alone.", "customer")
    clock = world.new(KIND, frozen_time=params["frozen_time"], name=params.get("name"), status="ready")
    clock["deletes_after"] = clock["created"] + LIFETIME_SECONDS
    world.save(clock)
    world.schedule("test_clock.lapse", clock, clock["deletes_after"])
    world.emit(KIND + ".created", clock)
    return clock


@operation("POST", PATH + "/{id}/advance")
def advance(world: World, params: Params, /, *, id: str) -> Obj:
    """Turn a clock forward."""
    clock = world.get(KIND, id)
    time: int = params["frozen_time"]
    if clock["status"] != "ready":
        raise invalid("This test clock is advancing already; wait until it is ready.")
    _check_time(world, clock, time)
    clock = world.change(clock, {"status": "advancing", "status_details": {"advancing": {"target_frozen_time": time}}})
    world.emit(KIND + ".advancing", clock)
    world.schedule("test_clock.advance", clock, world.now())
    return clock


@operation("DELETE", PATH + "/{id}")
def delete(world: World, params: Params, /, *, id: str) -> Obj:
    """Delete a clock with the customers who live in it; their subscriptions end."""
    return _remove(world, world.get(KIND, id))


@action("test_clock.advance")
def arrive(world: World, id: str) -> None:
    """Let everything happen that is due until the time a clock is turned to."""
    clock = world.find(KIND, id)
    if clock is None or clock["status"] != "advancing":
        return
    time: int = clock["status_details"]["advancing"]["target_frozen_time"]
    world.run_due(until=time, test_clock=id)
    clock = world.change(clock, {"frozen_time": time, "status": "ready", "status_details": {}})
    world.emit(KIND + ".ready", clock)


@action("test_clock.lapse")
def lapse(world: World, id: str) -> None:
    """Delete a clock after 30 days."""
    clock = world.find(KIND, id)
    if clock is not None:
        _remove(world, clock)


def _check_time(world: World, clock: Obj, time: int) -> None:
    """Raise `StripeError` 400 for a time that is not ahead, or too far."""
    if time <= clock["frozen_time"]:
        raise invalid("The test clock can only be advanced forward in time.", "frozen_time")
    furthest = _furthest(world, clock)
    if time > furthest:
        raise invalid(
            "The frozen time is too far in the future: a test clock can be advanced at most two intervals of its"
            f" shortest subscription at once, here to {furthest}.",
            "frozen_time",
        )


def _furthest(world: World, clock: Obj) -> int:
    """Return the last time that a clock can be turned to at once."""
    now: int = clock["frozen_time"]
    ends = [
        billing_cycles.add(now, items_of.recurring_of(items_of.read(each)), INTERVALS_MAX)
        for each in world.every("subscription", test_clock=clock["id"])
        if each["status"] not in states.ENDED
    ]
    return min(ends, default=billing_cycles.add(now, {"interval": "year"}, UNBOUND_YEARS_MAX))


def _remove(world: World, clock: Obj) -> Obj:
    for customer in world.every("customer", test_clock=clock["id"]):
        with world.within(customer):
            customers.delete(world, {}, id=customer["id"])
    world.cancel("test_clock.lapse", clock)
    return world.remove(clock, KIND + ".deleted")
