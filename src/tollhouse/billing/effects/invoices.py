"""Invoices: paid, not paid this time, given up."""

from __future__ import annotations

from tollhouse.billing import invoices, refresh
from tollhouse.billing.facts import InvoiceFacts, StripeEvent
from tollhouse.billing.outcomes import ACCEPTED, NOT_OURS, Outcome, Settled, tell
from tollhouse.billing.readers import read_invoice
from tollhouse.billing.till import Till
from tollhouse.db import Transaction


async def settle(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Grant what was paid, and read the subscription, which is paid for now."""
    facts = read_invoice(event.data)
    settled = await invoices.take(tx, till, facts)
    if settled.outcome.user_id is None:
        return settled.outcome
    await _want_subscription(tx, till, facts)
    await tell(tx, till, settled)
    return Outcome(ACCEPTED, user_id=settled.outcome.user_id)


async def tell_failed(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Tell the app that an attempt has failed, each by its own event, and read what became of the subscription."""
    facts = read_invoice(event.data)
    user_id = await invoices.find_user(tx, till, facts)
    if user_id is None:
        return NOT_OURS
    await _want_subscription(tx, till, facts)
    happened = [await invoices.failed(tx, till, facts, user_id)]
    return await tell(tx, till, Settled(Outcome(ACCEPTED, user_id=user_id), happened))


async def read_subscription_again(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Read what became of the subscription of an invoice that will not be paid."""
    facts = read_invoice(event.data)
    user_id = await invoices.find_user(tx, till, facts)
    if user_id is None:
        return NOT_OURS
    await _want_subscription(tx, till, facts)
    return Outcome(ACCEPTED, user_id=user_id)


async def _want_subscription(tx: Transaction, till: Till, facts: InvoiceFacts) -> None:
    assert facts.subscription_id is not None, "else it would be none of ours"
    await refresh.want(tx, till, refresh.SUBSCRIPTION, facts.subscription_id)
