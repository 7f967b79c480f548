"""Subscriptions: whatever happens to one, it is read at Stripe, for events come in any order."""

from __future__ import annotations

from tollhouse.billing import refresh
from tollhouse.billing.effects.ours import is_foreign
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import ACCEPTED, NOT_OURS, Outcome
from tollhouse.billing.reading import Raw
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def read_again(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Have the subscription read."""
    if await is_foreign(tx, till, event):
        return NOT_OURS
    await refresh.want(tx, till, refresh.SUBSCRIPTION, Raw.of("subscription", event.data).id("id"))
    return Outcome(ACCEPTED)
