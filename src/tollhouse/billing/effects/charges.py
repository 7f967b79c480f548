"""Charges: refunded, disputed."""

from __future__ import annotations

from tollhouse.billing import refresh, reversals
from tollhouse.billing.effects.ours import is_foreign
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import ACCEPTED, NOT_OURS, Outcome
from tollhouse.billing.readers import read_dispute, read_refund
from tollhouse.billing.reading import Raw
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def read_again(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Have the charge's refunds read, of which this event names none."""
    if await is_foreign(tx, till, event):
        return NOT_OURS
    await refresh.want(tx, till, refresh.CHARGE, Raw.of("charge", event.data).id("id"))
    return Outcome(ACCEPTED)


async def note_refund(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Note how far a refund has come."""
    return await reversals.note(tx, till, read_refund(event.data, event.type), is_current=False)


async def note_dispute(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Note how far a dispute has come."""
    return await reversals.note(tx, till, read_dispute(event.data, event.type), is_current=False)
