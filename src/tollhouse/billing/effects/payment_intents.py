"""Payment intents: a card that was declined while the Checkout page is open."""

from __future__ import annotations

from tollhouse.billing import purchase_events, purchases
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import NOT_OURS, PROCESSED, Outcome, Settled, tell
from tollhouse.billing.reading import PURCHASE_KEY, Raw
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def tell_failed(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Tell the app; the purchase stays open, for the buyer may try another card on the same page.

    What a subscription could not be paid with is told of by its invoice.
    """
    intent = Raw.of("payment_intent", event.data)
    purchase = await purchases.find_own(tx, till, intent.metadata(PURCHASE_KEY))
    if purchase is None or purchase.mode != "payment":
        return NOT_OURS
    error = intent.object_or_none("last_payment_error")
    reason = error and (error.text_or_none("decline_code") or error.text_or_none("code"))
    outcome = Outcome(PROCESSED, user_id=purchase.user_id)
    return await tell(tx, till, Settled(outcome, [purchase_events.failed(purchase, reason)]))
