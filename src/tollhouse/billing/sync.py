"""A Checkout Session as Stripe has it this moment: for whoever comes back before the webhook, or without it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import structlog

from tollhouse.billing import purchases, refresh
from tollhouse.billing.errors import PurchaseUnknown, StripeRefused, StripeUnavailable, Unreadable
from tollhouse.billing.purchases import FIND, FIND_BY_SESSION, Purchase
from tollhouse.billing.readers import read_session
from tollhouse.billing.reading import Raw
from tollhouse.billing.refreshing import WANTED, read_again
from tollhouse.billing.till import Till

log = structlog.get_logger()

SYNC_SECONDS_MAX: Final = 5.0  # a person waits
# What a debit that the bank refused leaves behind (docs.stripe.com/payments/paymentintents/lifecycle); the session
# itself says `unpaid` as it did before.
REFUSED: Final = ("requires_payment_method", "canceled")


async def sync_session(till: Till, checkout_session_id: str) -> Purchase:
    """Return the purchase of a session, settled by what Stripe says of it now; its webhooks then change nothing.

    Raises `PurchaseUnknown` for a session that is not ours, `StripeUnavailable`, `StripeRefused` and `Unreadable`.
    """
    purchase = await till.run.db.fetch_one(FIND_BY_SESSION, checkout_session_id=checkout_session_id)
    if purchase is None or purchase.livemode != till.livemode:
        raise PurchaseUnknown
    try:
        async with asyncio.timeout(SYNC_SECONDS_MAX):
            raw = await till.stripe.get(f"/v1/checkout/sessions/{checkout_session_id}", expand=["payment_intent"])
    except TimeoutError:
        raise StripeUnavailable from None
    session = read_session(raw)
    await till.run.db.transact(purchases.fail if _was_refused(raw) else purchases.settle, till, session)
    till.run.outbox.wake_for_events()
    if session.subscription_id is not None:
        await _sync_subscription(till, session.subscription_id)
    settled = await till.run.db.fetch_one(FIND, purchase_id=purchase.id)
    assert settled is not None, "purchases are never deleted"
    return settled


def _was_refused(raw: dict[str, Any]) -> bool:
    """Whether a completed session's money will not come."""
    session = Raw.of("session", raw)
    intent = session.object_or_none("payment_intent")
    if session.id_or_none("status") != "complete" or intent is None:
        return False
    return intent.id_or_none("status") in REFUSED


async def _sync_subscription(till: Till, subscription_id: str) -> None:
    """Read a subscription now, if settling has asked for that, so that its credits and features are there at once.

    Whatever fails here is left to the worker, which was asked for the same.
    """
    wanted = await till.run.db.fetch_one(WANTED, object_id=subscription_id, livemode=till.livemode)
    if wanted is None:
        return
    try:
        async with asyncio.timeout(SYNC_SECONDS_MAX):
            await read_again(till, refresh.SUBSCRIPTION, subscription_id, wanted)
    except (TimeoutError, StripeUnavailable, StripeRefused, Unreadable) as error:
        log.info("subscription_not_synced", subscription_id=subscription_id, error=type(error).__name__)
        refresh.wake(till.run)
