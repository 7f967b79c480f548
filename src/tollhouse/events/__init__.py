"""The outbox: the one way anything happens later."""

from __future__ import annotations

from tollhouse.events.handlers import Handlers
from tollhouse.events.outbox import Event, Outbox
from tollhouse.events.worker import Worker

__all__ = ["Event", "Handlers", "Outbox", "Worker"]
