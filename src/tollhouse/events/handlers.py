"""Handlers in process: functions of the host that get events, each at least once, outside our transactions."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import bindparam, select

from tollhouse.db import Database, Statement
from tollhouse.events.deliveries import Delivery
from tollhouse.events.lanes import Pace
from tollhouse.events.outbox import EVENT_TYPES, Event, Outbox
from tollhouse.events.outcomes import GiveUp
from tollhouse.events.tables import events as table
from tollhouse.events.worker import Worker

PACE: Final = Pace(concurrency=4)

Handler = Callable[[Event], Awaitable[None]]
H = TypeVar("H", bound=Handler)


def event_of(*values: object) -> Event:
    """Make an event of a row."""
    *head, data = values
    return Event(*head, data=json.loads(str(data)))  # type: ignore[arg-type]


FIND_EVENT: Final = Statement(
    select(*(table.c[name] for name in ("id", "type", "user_id", "sequence", "created_at", "data"))).where(
        table.c.id == bindparam("event_id")
    ),
    event_of,
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A handler, the type it wants, and the name its deliveries are kept under."""

    name: str
    event_type: str
    handler: Handler


class Handlers:
    """The handlers that the host has registered with `@toll.on(type)`."""

    def __init__(self) -> None:
        """Start with none."""
        self._registered: dict[str, Registered] = {}

    def on(self, event_type: str, *, name: str | None = None) -> Callable[[H], H]:
        """Register an async function for one type of event.

        Its deliveries are kept under `name` (default: module and function), so renaming it loses what still waits.
        """

        def register(handler: H) -> H:
            if not inspect.iscoroutinefunction(handler):
                raise TypeError(f"{handler!r} must be an async function")
            if event_type not in EVENT_TYPES:
                raise ValueError(f"there is no event {event_type!r}; there are {', '.join(sorted(EVENT_TYPES))}")
            key = f"handler:{name or f'{handler.__module__}.{handler.__qualname__}'}:{event_type}"
            if key in self._registered:
                raise ValueError(f"{key} is registered twice; give one of them another name")
            self._registered[key] = Registered(key, event_type, handler)
            return handler

        return register

    def attach(self, db: Database, outbox: Outbox, worker: Worker) -> None:
        """Give every handler its subscription and its lane."""
        for each in self._registered.values():
            outbox.register(each.name, each.event_type)
            worker.add_lane(each.name, _runner(db, each.handler), pace=PACE)


def _runner(db: Database, handler: Handler) -> Callable[[Delivery], Awaitable[None]]:
    async def run(delivery: Delivery) -> None:
        event = await db.fetch_one(FIND_EVENT, event_id=delivery.event_id)
        if event is None:
            raise GiveUp("Its event is gone.")
        await handler(event)

    return run
