"""Events. Source: docs.stripe.com/api/events."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

from tollhouse.sandbox.api.lists import Page, read_page
from tollhouse.sandbox.api.parameters import TEXT
from tollhouse.sandbox.errors import invalid
from tollhouse.sandbox.resources.registry import Params, operation, undescribed
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

PATH: Final = "/v1/events"
HORIZON_SECONDS: Final = 30 * 24 * 3600
TYPES_MAX: Final = 20
PATTERN: Final = re.compile(r"[*?\[]")


@operation("GET", PATH + "/{id}")
def retrieve(world: World, params: Params, /, *, id: str) -> Obj:
    """Return an event of whatever age: its webhook may have come just now, while the clock was turned far ahead."""
    return world.get("event", id)


@operation("GET", PATH)
def index(world: World, params: Params, /) -> Page:
    """List the events of the last 30 days: by type, with `*` for a part of it, and by whether all are delivered."""
    types = _read_types(params)
    # One whole type is looked up, parts of types and several are compared.
    equal = {"type": types[0]} if types is not None and len(types) == 1 and not PATTERN.search(types[0]) else {}
    delivered = params.get("delivery_success")

    def fits(event: Obj) -> bool:
        is_of_type = types is None or any(fnmatchcase(event["type"], each) for each in types)
        is_as_delivered = delivered is None or (event["pending_webhooks"] == 0) == delivered
        return is_of_type and is_as_delivered and _is_recent(world, event)

    return read_page(world, "event", params, PATH, where=fits, **equal)


@undescribed("POST", PATH + "/{id}/retry", webhook_endpoint=TEXT)
def retry(world: World, params: Params, /, *, id: str) -> Obj:
    """Send an event again, as `stripe events resend` asks: to what listens, or to one endpoint."""
    event = world.get("event", id)
    endpoint = params.get("webhook_endpoint")
    if endpoint:
        world.get("webhook_endpoint", str(endpoint), param="webhook_endpoint")
        world.on_resend(event, str(endpoint))
    else:
        world.on_resend(event, None)
    return event


def _is_recent(world: World, event: Obj) -> bool:
    return event[HIDDEN]["at"] > world.clock.now() - HORIZON_SECONDS


def _read_types(params: Params) -> list[str] | None:
    if "type" in params and "types" in params:
        raise invalid("You may only specify one of these parameters: type, types.", "types")
    types: list[str] | None = [params["type"]] if "type" in params else params.get("types")
    if types is not None and len(types) > TYPES_MAX:
        raise invalid(f"You may specify up to {TYPES_MAX} types.", "types")
    return types
