"""What Tollhouse reads in Stripe's objects, the same for every API version; times in microseconds UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StripeEvent:
    """One event as it came; `data` is `data.object`, `previous` is `data.previous_attributes`."""

    id: str
    type: str
    api_version: str | None
    livemode: bool
    account: str | None  # of a connected account, whose events are not ours
    created_at: int
    data: dict[str, Any]
    previous: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def object_id(self) -> str | None:
        """The id of the object that it tells of."""
        value = self.data.get("id")
        return value if isinstance(value, str) else None


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A Checkout Session."""

    id: str
    mode: str  # payment, subscription, setup
    status: str | None  # open, complete, expired
    payment_status: str  # paid, unpaid, no_payment_required
    purchase_id: str | None  # our metadata: None is not ours
    customer_id: str | None
    payment_intent_id: str | None
    subscription_id: str | None
    invoice_id: str | None
    amount_total_minor: int | None
    currency: str | None
    url: str | None
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One line that belongs to a subscription."""

    stripe_price_id: str | None
    quantity: int
    amount_minor: int
    is_proration: bool
    period_start: int
    period_end: int


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """An invoice."""

    id: str
    status: str  # draft, open, paid, uncollectible, void
    customer_id: str
    subscription_id: str | None
    billing_reason: str | None
    amount_paid_minor: int
    currency: str
    payment_intent_id: str | None  # None: not in this shape, or nothing was charged
    lines: tuple[InvoiceLine, ...]
    has_more_lines: bool
    purchase_id: str | None  # of the subscription's metadata
    created_at: int
    paid_at: int | None
    hosted_url: str | None
    number: str | None
    total_minor: int | None = None  # less discounts, before what the customer's balance pays


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription; its first item is its plan."""

    id: str
    status: str
    customer_id: str
    stripe_price_id: str
    quantity: int
    current_period_start: int | None
    current_period_end: int | None
    cancel_at: int | None  # set too when it ends with its period
    trial_end: int | None
    ended_at: int | None
    created_at: int
    purchase_id: str | None  # our metadata
    user_id: str | None  # our metadata
    latest_invoice: InvoiceFacts | None  # where it was fetched with it
    item_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReversalFacts:
    """A refund or a dispute."""

    id: str
    kind: str  # refund, dispute
    payment_intent_id: str | None
    charge_id: str | None
    amount_minor: int
    currency: str
    status: str  # Stripe's word
    stage: int  # 0 nothing moved, 1 the money is gone, 2 it is back
    created_at: int


@dataclass(frozen=True, slots=True)
class PriceFacts:
    """A price at Stripe."""

    id: str
    product_id: str
    active: bool
    currency: str
    unit_amount_minor: int | None
    interval: str | None
    interval_count: int
    lookup_key: str | None
    our_id: str | None  # metadata
