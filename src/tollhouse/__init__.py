"""Tollhouse: a gate and a till for a small SaaS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollhouse.app import Tollhouse, create_app
    from tollhouse.errors import TollhouseError
    from tollhouse.events import Event
    from tollhouse.identity.sessions import Session
    from tollhouse.settings import Settings

__all__ = ["Event", "Session", "Settings", "Tollhouse", "TollhouseError", "create_app"]

_HOMES = {
    "Event": "tollhouse.events",
    "Session": "tollhouse.identity.sessions",
    "Settings": "tollhouse.settings",
    "Tollhouse": "tollhouse.app",
    "TollhouseError": "tollhouse.errors",
    "create_app": "tollhouse.app",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: `tollhouse --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
