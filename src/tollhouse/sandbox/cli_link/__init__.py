"""What `stripe listen` listens to."""

from __future__ import annotations

from tollhouse.sandbox.cli_link.listeners import Listeners
from tollhouse.sandbox.cli_link.socket import routes

__all__ = ["Listeners", "routes"]
