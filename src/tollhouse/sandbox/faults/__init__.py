"""What goes wrong on purpose, the same way in every run with the same seed."""

from __future__ import annotations

from tollhouse.sandbox.faults.rules import AttemptFault, DeliveryFault, FaultRules

__all__ = ["AttemptFault", "DeliveryFault", "FaultRules"]
