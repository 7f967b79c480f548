"""Products and prices at Stripe."""

from __future__ import annotations

from tollhouse.billing import catalogue_rows
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import NOT_OURS, PROCESSED, Outcome
from tollhouse.billing.readers import read_price
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def note_price(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Remember a price that says that it is ours, so that what it sells is known here."""
    return Outcome(PROCESSED) if await catalogue_rows.note_price(tx, till, read_price(event.data)) else NOT_OURS


async def know(_tx: Transaction, _till: Till, _event: StripeEvent) -> Outcome:
    """Keep the event: what is sold is said in the settings, and a price that is gone was still paid."""
    return Outcome(PROCESSED)
