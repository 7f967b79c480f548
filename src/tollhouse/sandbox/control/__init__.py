"""The control API: what people, clocks and banks do to a Stripe account, as commands for tests and the dashboard."""

from __future__ import annotations

from tollhouse.sandbox.control.routes import routes

__all__ = ["routes"]
