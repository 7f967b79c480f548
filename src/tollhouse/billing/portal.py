"""Stripe's customer portal: where a person changes cards, cancels, and finds invoices and receipts."""

from __future__ import annotations

import secrets

from tollhouse.billing import customers
from tollhouse.billing.errors import NoCustomer, StripeRefused
from tollhouse.billing.till import Till


async def open(till: Till, user_id: str, *, return_url: str) -> str:
    """Return the address of a new portal session of this user's.

    Raises `NoCustomer` where nothing was bought yet, or Stripe has lost the customer, and with that everything there
    was to manage; `StripeUnavailable` and `StripeRefused`.
    """
    customer_id = await customers.find(till, user_id)
    if customer_id is None:
        raise NoCustomer
    fields = {"customer": customer_id, "return_url": return_url}
    try:
        # Each visit is a session of its own; a key that came twice would give one that has ended.
        key = f"tollhouse-portal-{secrets.token_hex(16)}"
        session = await till.stripe.post("/v1/billing_portal/sessions", fields, idempotency_key=key)
    except StripeRefused as error:
        if not (error.is_missing and error.param == "customer"):
            raise
        await customers.forget(till, customer_id)
        raise NoCustomer from None
    return str(session["url"])
