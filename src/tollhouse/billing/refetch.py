"""What is read at Stripe for each kind of object, and what is then to be written.

Refunds and disputes only ever move forward, and a payment is made once, so the order of writes does not matter, but for
the last one: it is written only where nobody has read the object later (see `refreshing`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import structlog
from sqlalchemy import bindparam, select

from tollhouse.billing import customers, entitlements, invoices, refresh, reversals, subscriptions
from tollhouse.billing.errors import StripeRefused
from tollhouse.billing.facts import InvoiceFacts, ReversalFacts, SubscriptionFacts
from tollhouse.billing.readers import read_dispute, read_invoice, read_line, read_refund, read_subscription
from tollhouse.billing.reading import Raw
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction
from tollhouse.identity.tables import users

log = structlog.get_logger()

Write = Callable[[Transaction], Awaitable[Any]]
Reading = Callable[[Till, str], Awaitable[list[Write]]]

LIVING: Final = frozenset({"trialing", "active", "past_due", "unpaid", "paused", "incomplete"})

USER_EXISTS: Final = Statement(select(users.c.id).where(users.c.id == bindparam("user_id")), str)


async def read_subscription_again(till: Till, subscription_id: str) -> list[Write]:
    """Read a subscription with its newest invoice; one whose user is no more is ended at Stripe."""
    path = f"/v1/subscriptions/{quote(subscription_id, safe='')}"
    raw = await _get(till, path, expand=["latest_invoice.payments"])
    if raw is None:
        return []
    facts = read_subscription(raw)
    if facts.status in LIVING and await _is_of_nobody(till, facts):
        log.error("subscription_of_nobody", subscription_id=facts.id, user_id=facts.user_id)
        facts = read_subscription(await till.stripe.delete(path, background=True))
    return [partial(subscriptions.write, till=till, facts=facts)]


async def _is_of_nobody(till: Till, facts: SubscriptionFacts) -> bool:
    """Whether we have sold it, to somebody who has been erased: nobody may be billed for what they cannot use."""
    if facts.user_id is None or facts.purchase_id is None:
        return False
    return await till.run.db.fetch_one(USER_EXISTS, user_id=facts.user_id) is None


async def read_invoice_again(till: Till, invoice_id: str) -> list[Write]:
    """Read an invoice with all of its lines."""
    path = f"/v1/invoices/{quote(invoice_id, safe='')}"
    raw = await _get(till, path, expand=["payments"])
    if raw is None:
        return []
    facts = read_invoice(raw)
    if facts.has_more_lines:
        facts = await _with_all_lines(till, path, facts)
    return [partial(invoices.settle, till=till, facts=facts)]


async def _with_all_lines(till: Till, path: str, facts: InvoiceFacts) -> InvoiceFacts:
    lines = [read_line(raw) async for raw in till.stripe.pages(path + "/lines", background=True)]
    return replace(facts, lines=tuple(line for line in lines if line is not None), has_more_lines=False)


async def read_charge_again(till: Till, charge_id: str) -> list[Write]:
    """Read the refunds and disputes of a charge."""
    return await _reversals_of(till, charge=charge_id)


async def read_payment_intent_again(till: Till, payment_intent_id: str) -> list[Write]:
    """Read the refunds and disputes of a payment intent, and which invoice it has paid."""
    found = await _reversals_of(till, payment_intent=payment_intent_id)
    return [*found, *await _invoice_of(till, payment_intent_id)]


async def read_refund_again(till: Till, refund_id: str) -> list[Write]:
    """Read a refund, and which invoice it is about."""
    raw = await _get(till, f"/v1/refunds/{quote(refund_id, safe='')}")
    return [] if raw is None else await _reversal(till, read_refund(raw))


async def read_dispute_again(till: Till, dispute_id: str) -> list[Write]:
    """Read a dispute, and which invoice it is about."""
    raw = await _get(till, f"/v1/disputes/{quote(dispute_id, safe='')}")
    return [] if raw is None else await _reversal(till, read_dispute(raw))


async def _reversal(till: Till, facts: ReversalFacts) -> list[Write]:
    invoice = [] if facts.payment_intent_id is None else await _invoice_of(till, facts.payment_intent_id)
    return [partial(reversals.note, till=till, facts=facts), *invoice]


async def _reversals_of(till: Till, **of: Any) -> list[Write]:
    refunds = [read_refund(raw) async for raw in till.stripe.pages("/v1/refunds", background=True, **of)]
    disputes = [read_dispute(raw) async for raw in till.stripe.pages("/v1/disputes", background=True, **of)]
    return [partial(reversals.note, till=till, facts=facts) for facts in (*refunds, *disputes)]


async def _invoice_of(till: Till, payment_intent_id: str) -> list[Write]:
    """Return what joins a payment intent to its invoice, which no object of newer versions names by itself."""
    payment: dict[str, Any] = {"type": "payment_intent", "payment_intent": payment_intent_id}
    pages = till.stripe.pages("/v1/invoice_payments", background=True, payment=payment)
    found = [Raw.of("invoice_payment", raw) async for raw in pages]
    return [
        partial(reversals.attach, till=till, payment_intent_id=payment_intent_id, invoice_id=each.id("invoice"))
        for each in found
    ]


async def read_entitlements_again(till: Till, customer_id: str) -> list[Write]:
    """Read all the features that Stripe says a customer has; an event names ten at most."""
    user_id = await customers.find_user(till, customer_id)
    if user_id is None:
        return []
    pages = till.stripe.pages("/v1/entitlements/active_entitlements", background=True, customer=customer_id)
    features = frozenset([Raw.of("entitlement", raw).id("lookup_key") async for raw in pages])
    return [partial(entitlements.replace, till=till, user_id=user_id, features=features)]


async def _get(till: Till, path: str, **parameters: Any) -> dict[str, Any] | None:
    """Return an object, or None where there is none any more."""
    try:
        found = await till.stripe.get(path, background=True, **parameters)
    except StripeRefused as error:
        if not error.is_missing:
            raise
        log.warning("stripe_object_gone", path=path)
        return None
    return None if found.get("deleted") is True else found


READINGS: Final[Mapping[str, Reading]] = {
    refresh.SUBSCRIPTION: read_subscription_again,
    refresh.INVOICE: read_invoice_again,
    refresh.CHARGE: read_charge_again,
    refresh.PAYMENT_INTENT: read_payment_intent_again,
    refresh.REFUND: read_refund_again,
    refresh.DISPUTE: read_dispute_again,
    refresh.CUSTOMER: read_entitlements_again,
}
