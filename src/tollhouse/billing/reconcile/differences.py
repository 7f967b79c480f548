"""What Stripe and our books say differently, each in one sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

KEPT_MAX: Final = 10_000  # differences that a report lists; beyond that it counts them only

# What Stripe has, and we have not or not as it is.
PAYMENT_MISSING: Final = "payment_missing"
PURCHASE_BEHIND: Final = "purchase_behind"
PURCHASE_UNKNOWN: Final = "purchase_unknown"
PAID_TWICE: Final = "paid_twice"
AMOUNT_DIFFERS: Final = "amount_differs"
REVERSAL_MISSING: Final = "reversal_missing"
SUBSCRIPTION_UNKNOWN: Final = "subscription_unknown"
SUBSCRIPTION_DIFFERS: Final = "subscription_differs"
UNREADABLE: Final = "unreadable"
# What we have, and Stripe has not.
PURCHASE_STUCK: Final = "purchase_stuck"
PAYMENT_UNBACKED: Final = "payment_unbacked"
REVERSAL_UNBACKED: Final = "reversal_unbacked"
SUBSCRIPTION_UNBACKED: Final = "subscription_unbacked"
# What our own books say of each other.
CREDITS_DIFFER: Final = "credits_differ"
CLAWBACK_DIFFERS: Final = "clawback_differs"
SUBSCRIBED_TWICE: Final = "subscribed_twice"
BALANCE_DIFFERS: Final = "balance_differs"
LOTS_DIFFER: Final = "lots_differ"
HOLDS_DIFFER: Final = "holds_differ"
ENTRIES_MISSING: Final = "entries_missing"

KINDS: Final = (
    *(PAYMENT_MISSING, PURCHASE_BEHIND, PURCHASE_UNKNOWN, PAID_TWICE, AMOUNT_DIFFERS, REVERSAL_MISSING),
    *(SUBSCRIPTION_UNKNOWN, SUBSCRIPTION_DIFFERS, UNREADABLE),
    *(PURCHASE_STUCK, PAYMENT_UNBACKED, REVERSAL_UNBACKED, SUBSCRIPTION_UNBACKED),
    *(CREDITS_DIFFER, CLAWBACK_DIFFERS, SUBSCRIBED_TWICE),
    *(BALANCE_DIFFERS, LOTS_DIFFER, HOLDS_DIFFER, ENTRIES_MISSING),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not the same on both sides."""

    kind: str
    object_id: str
    user_id: str | None
    detail: str
    is_repairable: bool = False
    is_repaired: bool = False

    def json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "kind": self.kind,
            "object_id": self.object_id,
            "user_id": self.user_id,
            "detail": self.detail,
            "repairable": self.is_repairable,
            "repaired": self.is_repaired,
        }


@dataclass(slots=True)
class Report:
    """What a run compared, and what it found; times in microseconds UTC."""

    since: int
    until: int
    differences: list[Difference] = field(default_factory=list[Difference])
    found: Counter[str] = field(default_factory=Counter[str])  # by kind, also those that the list has no room for
    repaired: Counter[str] = field(default_factory=Counter[str])
    compared: Counter[str] = field(default_factory=Counter[str])  # objects and rows, by what they are

    def add(self, difference: Difference) -> None:
        """Write down one more."""
        self.found[difference.kind] += 1
        if difference.is_repaired:
            self.repaired[difference.kind] += 1
        if len(self.differences) < KEPT_MAX:
            self.differences.append(difference)

    @property
    def remaining(self) -> int:
        """How many differences there still are."""
        return self.found.total() - self.repaired.total()
