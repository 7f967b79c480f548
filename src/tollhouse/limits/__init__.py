"""Limits: exact ones in the database, flood limits in memory."""

from __future__ import annotations

from tollhouse.limits.exact import Limit, take
from tollhouse.limits.flood import Flood

__all__ = ["Flood", "Limit", "take"]
