"""Whether what an event tells of is ours at all: other products may share the Stripe account."""

from __future__ import annotations

from tollhouse.billing import customers
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.reading import PURCHASE_KEY, USER_KEY, Raw
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def find_user(tx: Transaction, till: Till, customer_id: str | None) -> str | None:
    """Return whose customer this is, or None."""
    if customer_id is None:
        return None
    return await tx.fetch_one(customers.FIND_USER, customer_id=customer_id, livemode=till.livemode)


async def is_foreign(tx: Transaction, till: Till, event: StripeEvent) -> bool:
    """Whether an object belongs to a customer who is none of ours, and does not say that it is ours."""
    raw = Raw.of("object", event.data)
    customer_id = raw.id_or_none("customer")
    if customer_id is None or raw.metadata(PURCHASE_KEY) or raw.metadata(USER_KEY):
        return False
    return await find_user(tx, till, customer_id) is None
