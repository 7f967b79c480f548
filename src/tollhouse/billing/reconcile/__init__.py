"""Comparing Stripe's objects with what was granted, in both directions, and repairing what differs.

Nothing here relies on events: it lists the objects themselves, so it also finds what no event ever told of.
"""

from __future__ import annotations

from tollhouse.billing.reconcile.differences import KINDS, Difference, Report
from tollhouse.billing.reconcile.reconciling import reconcile

__all__ = ["KINDS", "Difference", "Report", "reconcile"]
