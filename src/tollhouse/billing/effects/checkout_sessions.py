"""Checkout Sessions: completed, paid later, failed later, expired."""

from __future__ import annotations

from tollhouse.billing import purchases
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import Outcome
from tollhouse.billing.readers import read_session
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def settle(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Settle the purchase as its session is."""
    return await purchases.settle(tx, till, read_session(event.data))


async def fail(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Note that a bank debit did not go through."""
    return await purchases.fail(tx, till, read_session(event.data))
