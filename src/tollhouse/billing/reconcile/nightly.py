"""Every night, on one replica."""

from __future__ import annotations

from typing import Final

from tollhouse.billing.reconcile.reconciling import reconcile
from tollhouse.billing.till import Till

EVERY_SECONDS: Final = 24 * 3600
DAYS: Final = 3


async def run(till: Till) -> None:
    """Compare the last days, and repair what Stripe has and we have not; for the schedule.

    It repairs as well as reports: a buyer who has paid should not wait for an operator to wake up, and the repair is
    what the lost webhook would have done. What would take a decision is never repaired, only told.
    """
    await reconcile(till, days=DAYS, repair=True)
