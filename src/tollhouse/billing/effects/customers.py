"""Customers: changed, or deleted by hand."""

from __future__ import annotations

from tollhouse.billing import customers
from tollhouse.billing.effects.ours import find_user
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import NOT_OURS, PROCESSED, Outcome
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def note(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Tell whose it is; what Stripe knows of a customer is kept there alone."""
    user_id = await find_user(tx, till, event.object_id)
    return NOT_OURS if user_id is None else Outcome(PROCESSED, user_id=user_id)


async def forget(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Let go of the customer, so that the next purchase makes another one."""
    outcome = await note(tx, till, event)
    if event.object_id is not None:
        await customers.forget_in(tx, till, event.object_id)
    return outcome
