"""Stripe's own entitlements."""

from __future__ import annotations

from tollhouse.billing import refresh
from tollhouse.billing.effects.ours import find_user
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import ACCEPTED, NOT_OURS, Outcome
from tollhouse.billing.reading import Raw
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def read_again(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Have all the features of a customer read: the event names ten at most."""
    customer_id = Raw.of("entitlement_summary", event.data).id("customer")
    user_id = await find_user(tx, till, customer_id)
    if user_id is None:
        return NOT_OURS
    await refresh.want(tx, till, refresh.CUSTOMER, customer_id)
    return Outcome(ACCEPTED, user_id=user_id)
