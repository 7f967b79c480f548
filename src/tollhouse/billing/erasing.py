"""Before a user is erased: nothing at Stripe may go on costing money that nobody here could end any more."""

from __future__ import annotations

from typing import Any, Final

import structlog
from sqlalchemy import bindparam, select

from tollhouse.billing import customers, refresh
from tollhouse.billing.errors import ErasingNeedsStripe, StripeRefused, StripeUnavailable
from tollhouse.billing.tables import subscriptions as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement

log = structlog.get_logger()

CUSTOMERS: Final = Statement(
    select(table.c.customer_id)
    .where(table.c.user_id == bindparam("user_id"), table.c.livemode == bindparam("livemode"))
    .distinct(),
    str,
)


async def end_all(till: Till, user_id: str) -> None:
    """Cancel a user's subscriptions and close their Checkout pages, at Stripe and in the mode of our key.

    Subscriptions end at once, without a refund of the rest: who wants one asks before. Stripe itself is asked which
    there are, for an event of the newest may be under way. Raises `ErasingNeedsStripe`, and then nothing may be erased.
    """
    try:
        for customer_id in await _customers_of(till, user_id):
            # Pages first: one that is paid meanwhile has its subscription in the list that follows.
            await _close_pages(till, user_id, customer_id)
            await _cancel_subscriptions(till, user_id, customer_id)
    except (StripeUnavailable, StripeRefused) as error:
        log.warning("erasing_refused", user_id=user_id, reason=error.code)
        raise ErasingNeedsStripe from error


async def _customers_of(till: Till, user_id: str) -> set[str]:
    """Return the user's customer, and any that a subscription of theirs belongs to."""
    found = set(await till.run.db.fetch_all(CUSTOMERS, user_id=user_id, livemode=till.livemode))
    own = await customers.find(till, user_id)
    return found | ({own} if own else set())


async def _close_pages(till: Till, user_id: str, customer_id: str) -> None:
    for page_id in await _ids(till, "/v1/checkout/sessions", customer_id, status="open"):
        try:
            await till.stripe.post(
                f"/v1/checkout/sessions/{page_id}/expire", {}, idempotency_key=f"tollhouse-erase-{page_id}"
            )
        except StripeRefused as error:
            # Paid or expired between the two requests, which is what was wanted, or paid: see below.
            log.info("checkout_not_closed", user_id=user_id, checkout_session_id=page_id, code=error.stripe_code)
        else:
            log.info("checkout_closed", user_id=user_id, checkout_session_id=page_id)


async def _cancel_subscriptions(till: Till, user_id: str, customer_id: str) -> None:
    for subscription_id in await _ids(till, "/v1/subscriptions", customer_id):
        try:
            await till.stripe.delete(f"/v1/subscriptions/{subscription_id}")
        except StripeRefused as error:
            if not error.is_missing:  # canceled between the two requests
                raise
        log.info("subscription_canceled", user_id=user_id, subscription_id=subscription_id)
        await till.run.db.transact(refresh.want, till, refresh.SUBSCRIPTION, subscription_id)
        refresh.wake(till.run)


async def _ids(till: Till, path: str, customer_id: str, **wanted: Any) -> list[str]:
    """Return the ids of what a customer has; none where Stripe does not know the customer any more."""
    try:
        return [str(each["id"]) async for each in till.stripe.pages(path, customer=customer_id, **wanted)]
    except StripeRefused as error:
        if error.is_missing:
            return []
        raise
