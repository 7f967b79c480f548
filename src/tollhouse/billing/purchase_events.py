"""What the app is told of a purchase."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tollhouse.runtime import Happened

if TYPE_CHECKING:
    from tollhouse.billing.purchases import Purchase


def facts_of(purchase: Purchase) -> dict[str, Any]:
    """Return the data of an event of Checkout."""
    return {
        "user_id": purchase.user_id,
        "purchase_id": purchase.id,
        "checkout_session_id": purchase.checkout_session_id,
        "mode": purchase.mode,
        "product": purchase.product_id,
        "price": purchase.price_id,
        "quantity": purchase.quantity,
        "subscription_id": purchase.subscription_id,
    }


def failed(purchase: Purchase, reason: str | None) -> Happened:
    """Return the event of a payment that was declined, or of a debit that never came; `reason` is Stripe's word."""
    return "payment.failed", {
        "user_id": purchase.user_id,
        "purchase_id": purchase.id,
        "invoice_id": None,
        "subscription_id": purchase.subscription_id,
        "reason": reason,
    }
