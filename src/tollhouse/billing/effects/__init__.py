"""What each type of Stripe's events brings about, in the transaction that keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from tollhouse.billing.effects import (
    catalogue,
    charges,
    checkout_sessions,
    customers,
    entitlements,
    invoices,
    payment_intents,
    subscriptions,
)
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import Outcome
from tollhouse.billing.till import Till
from tollhouse.db import Transaction

Effect = Callable[[Transaction, Till, StripeEvent], Awaitable[Outcome]]

EFFECTS: Final[Mapping[str, Effect]] = MappingProxyType(
    {
        "checkout.session.completed": checkout_sessions.settle,
        "checkout.session.async_payment_succeeded": checkout_sessions.settle,
        "checkout.session.async_payment_failed": checkout_sessions.fail,
        "checkout.session.expired": checkout_sessions.settle,
        "payment_intent.payment_failed": payment_intents.tell_failed,
        "invoice.paid": invoices.settle,
        "invoice.payment_failed": invoices.tell_failed,
        "invoice.voided": invoices.read_subscription_again,
        "invoice.marked_uncollectible": invoices.read_subscription_again,
        "customer.subscription.created": subscriptions.read_again,
        "customer.subscription.updated": subscriptions.read_again,
        "customer.subscription.deleted": subscriptions.read_again,
        "customer.subscription.paused": subscriptions.read_again,
        "customer.subscription.resumed": subscriptions.read_again,
        "customer.subscription.trial_will_end": subscriptions.read_again,
        "customer.subscription.pending_update_applied": subscriptions.read_again,
        "customer.subscription.pending_update_expired": subscriptions.read_again,
        "customer.updated": customers.note,
        "customer.deleted": customers.forget,
        "charge.refunded": charges.read_again,
        "refund.created": charges.note_refund,
        "refund.updated": charges.note_refund,
        "refund.failed": charges.note_refund,
        "charge.dispute.created": charges.note_dispute,
        "charge.dispute.updated": charges.note_dispute,
        "charge.dispute.closed": charges.note_dispute,
        "charge.dispute.funds_withdrawn": charges.note_dispute,
        "charge.dispute.funds_reinstated": charges.note_dispute,
        "entitlements.active_entitlement_summary.updated": entitlements.read_again,
        "product.created": catalogue.know,
        "product.updated": catalogue.know,
        "product.deleted": catalogue.know,
        "price.created": catalogue.note_price,
        "price.updated": catalogue.note_price,
        "price.deleted": catalogue.know,
    }
)
