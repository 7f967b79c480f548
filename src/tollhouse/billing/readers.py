"""From Stripe's objects to facts, whichever of its API versions (2017 to 2026) wrote them.

Nothing is guessed: what must be known and is not there raises `Unreadable`, which names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, cast

from tollhouse.billing.facts import PriceFacts, SessionFacts, StripeEvent, SubscriptionFacts
from tollhouse.billing.readers_invoices import read_invoice, read_line
from tollhouse.billing.readers_reversals import read_dispute, read_refund
from tollhouse.billing.reading import PRICE_KEY, PURCHASE_KEY, USER_KEY, Raw

__all__ = [
    "PRICE_KEY",
    "PURCHASE_KEY",
    "USER_KEY",
    "read_dispute",
    "read_event",
    "read_invoice",
    "read_line",
    "read_price",
    "read_refund",
    "read_session",
    "read_subscription",
]

THIN: Final = "v2.core.event"


def read_event(raw: Any) -> StripeEvent:
    """Return an event; what it tells of is not looked at yet.

    A thin event, which names its object only, is one of a type (`v1.…`, `v2.…`) that nothing here depends on.
    """
    event = Raw.of("event", raw)
    kind = event.value.get("object")
    if kind not in ("event", THIN):
        raise event.broken("object")
    data = event.object_or_none("related_object") if kind == THIN else event.object("data").object("object")
    previous = event.within("data", "previous_attributes") if kind != THIN else None
    return StripeEvent(
        id=event.id("id"),
        type=event.id("type"),
        api_version=event.id_or_none("api_version"),
        livemode=event.flag("livemode"),
        account=event.id_or_none("account"),
        created_at=_iso_time(event) if kind == THIN else event.time("created"),
        data=dict(data.value) if data is not None else {},
        previous=dict(previous.value) if previous is not None else {},
    )


def _iso_time(event: Raw) -> int:
    """Return when a thin event was made, which those give as ISO 8601."""
    try:
        moment = datetime.fromisoformat(event.id("created"))
        return event.microseconds("created", int(moment.timestamp()))
    except (ValueError, OverflowError):
        raise event.broken("created") from None


def read_session(raw: Mapping[str, Any]) -> SessionFacts:
    """Return a Checkout Session."""
    session = Raw.of("session", raw)
    return SessionFacts(
        id=session.id("id"),
        mode=session.id("mode"),
        status=session.id_or_none("status"),
        payment_status=session.id("payment_status"),
        purchase_id=session.metadata(PURCHASE_KEY),
        customer_id=session.id_or_none("customer"),
        payment_intent_id=session.id_or_none("payment_intent"),
        subscription_id=session.id_or_none("subscription"),
        invoice_id=session.id_or_none("invoice"),
        amount_total_minor=session.number_or_none("amount_total"),
        currency=session.id_or_none("currency"),
        url=session.text_or_none("url"),
        expires_at=session.time_or_none("expires_at"),
    )


def read_subscription(raw: Mapping[str, Any]) -> SubscriptionFacts:
    """Return a subscription, with its newest invoice where that came with it."""
    subscription = Raw.of("subscription", raw)
    item = _first_item(subscription)
    price = _price_of(item)
    # The period moved from the subscription to its items with 2025-03-31 (basil).
    period = item if item.value.get("current_period_end") is not None else subscription
    period_end = period.time("current_period_end")
    cancel_at = subscription.time_or_none("cancel_at")
    if cancel_at is None and subscription.flag_or_none("cancel_at_period_end"):
        cancel_at = period_end
    invoice = subscription.value.get("latest_invoice")  # its id, unless it was asked for
    return SubscriptionFacts(
        id=subscription.id("id"),
        status=subscription.id("status"),
        customer_id=subscription.id("customer"),
        stripe_price_id=price.id("id"),
        quantity=_quantity_of(item, price, subscription),
        current_period_start=period.time("current_period_start"),
        current_period_end=period_end,
        cancel_at=cancel_at,
        trial_end=subscription.time_or_none("trial_end"),
        ended_at=subscription.time_or_none("ended_at"),
        created_at=subscription.time("created"),
        purchase_id=subscription.metadata(PURCHASE_KEY),
        user_id=subscription.metadata(USER_KEY),
        latest_invoice=read_invoice(cast("Mapping[str, Any]", invoice)) if isinstance(invoice, Mapping) else None,
        item_id=item.id_or_none("id") if item is not subscription else None,
    )


def _first_item(subscription: Raw) -> Raw:
    """Return its first item, or itself where there are none: in the oldest versions, the plan is on it."""
    items = subscription.within("items")
    found = items.objects("data") if items is not None else []
    if not found and subscription.value.get("plan") is None:
        raise subscription.broken("items")
    return found[0] if found else subscription


def _price_of(item: Raw) -> Raw:
    """Return the price, or the plan where there were none yet; their ids are the same."""
    return item.object_or_none("price") or item.object("plan")


def _quantity_of(item: Raw, price: Raw, subscription: Raw) -> int:
    """Return how many; what is metered has no quantity, and counts once."""
    if item.value.get("quantity") is not None:
        return item.amount("quantity")
    terms = price.object_or_none("recurring") or price
    return 1 if terms.value.get("usage_type") == "metered" else subscription.amount("quantity")


def read_price(raw: Mapping[str, Any]) -> PriceFacts:
    """Return a price."""
    price = Raw.of("price", raw)
    recurring = price.object_or_none("recurring")
    return PriceFacts(
        id=price.id("id"),
        product_id=price.id("product"),
        active=price.flag("active"),
        currency=price.id("currency"),
        unit_amount_minor=price.number_or_none("unit_amount"),
        interval=recurring.id("interval") if recurring is not None else None,
        interval_count=recurring.amount("interval_count") if recurring is not None else 1,
        lookup_key=price.id_or_none("lookup_key"),
        our_id=price.metadata(PRICE_KEY),
    )
