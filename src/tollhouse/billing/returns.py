"""What a buyer who comes back from Stripe's page is told: what became of the payment, and never anything personal."""

from __future__ import annotations

import re
from typing import Final

import structlog

from tollhouse.billing import applied, sync
from tollhouse.billing.checkout_rows import CREATING, FAILED, OPEN, PAID, PROCESSING
from tollhouse.billing.errors import PurchaseUnknown, StripeRefused, StripeUnavailable, Unreadable
from tollhouse.billing.purchases import FIND_BY_SESSION, Purchase
from tollhouse.billing.till import Till
from tollhouse.errors import RateLimited

log = structlog.get_logger()

CHECKING: Final = "checking"  # Stripe does not answer just now, so nobody knows
EXPIRED: Final = "expired"
SESSION_ID: Final = re.compile(r"cs_[A-Za-z0-9_]{1,250}")
SYNCS_PER_MINUTE: Final = 60  # of one session: its page asks every two seconds at most, in each tab
STAYS: Final = frozenset({PAID, FAILED, EXPIRED})  # what Stripe need not be asked about again


async def look(till: Till, checkout_session_id: str | None) -> tuple[Purchase, str]:
    """Return the purchase of a session and what became of it: `ReturnStatusReply` lists the words.

    Raises `PurchaseUnknown` for a session that is not one of ours.
    """
    if checkout_session_id is None or not SESSION_ID.fullmatch(checkout_session_id):
        raise PurchaseUnknown
    purchase = await till.run.db.fetch_one(FIND_BY_SESSION, checkout_session_id=checkout_session_id)
    if purchase is None or purchase.livemode != till.livemode:
        raise PurchaseUnknown
    if purchase.status in STAYS:
        return purchase, purchase.status
    try:
        await till.run.flood.per_minute("return_syncs", checkout_session_id, SYNCS_PER_MINUTE)
        purchase = await sync.sync_session(till, checkout_session_id)
    except (StripeUnavailable, StripeRefused, Unreadable, RateLimited) as error:
        log.warning("return_not_synced", purchase_id=purchase.id, code=error.code)
        return purchase, PROCESSING if purchase.status == PROCESSING else CHECKING
    return purchase, OPEN if purchase.status == CREATING else purchase.status


async def is_applied(till: Till, purchase: Purchase, status: str) -> bool | None:
    """Return whether the app has what was paid; None while it is not paid, and where nobody will tell."""
    if status != PAID:
        return None
    return (await applied.of_purchase(till.run.db, purchase)).is_applied
