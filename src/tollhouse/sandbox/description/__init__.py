"""The description of Stripe's API that requests and replies are held against."""

from __future__ import annotations

from tollhouse.sandbox.description.description import Description, Operation, Schema, is_nullable, load

__all__ = ["Description", "Operation", "Schema", "is_nullable", "load"]
