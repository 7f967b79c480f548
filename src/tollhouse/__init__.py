"""Tollhouse: a gate and a till for a small SaaS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollhouse.access.callers import Caller
    from tollhouse.access.issuers import Issuer
    from tollhouse.access.verifier import Verifier
    from tollhouse.app import Tollhouse, create_app
    from tollhouse.errors import TollhouseError
    from tollhouse.events import Event
    from tollhouse.ledger.dependencies import Hold
    from tollhouse.settings import Settings

__all__ = ["Caller", "Event", "Hold", "Issuer", "Settings", "Tollhouse", "TollhouseError", "Verifier", "create_app"]

_HOMES = {
    "Caller": "tollhouse.access.callers",
    "Event": "tollhouse.events",
    "Hold": "tollhouse.ledger.dependencies",
    "Issuer": "tollhouse.access.issuers",
    "Settings": "tollhouse.settings",
    "Tollhouse": "tollhouse.app",
    "TollhouseError": "tollhouse.errors",
    "Verifier": "tollhouse.access.verifier",
    "create_app": "tollhouse.app",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used: `tollhouse --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
