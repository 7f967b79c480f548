"""A stateful stand-in for Stripe, usable alone: it imports nothing of the product."""

from __future__ import annotations

from tollhouse.sandbox.sandbox import Sandbox

__all__ = ["Sandbox"]
