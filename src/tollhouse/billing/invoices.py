"""Invoices: what a subscription has paid, and the credits that come with each period. See decisions/0017."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import floor
from typing import Final

from sqlalchemy import bindparam, select

from tollhouse.billing import customers, payments, purchases, refresh
from tollhouse.billing.catalogue import Price
from tollhouse.billing.catalogue_rows import find_price
from tollhouse.billing.facts import InvoiceFacts, InvoiceLine
from tollhouse.billing.outcomes import ACCEPTED, NOT_OURS, PROCESSED, Outcome, Settled, tell
from tollhouse.billing.payments import Grant
from tollhouse.billing.tables import subscriptions
from tollhouse.billing.till import Till
from tollhouse.clock import DAY
from tollhouse.db import Statement, Transaction
from tollhouse.ledger.grants import Source
from tollhouse.runtime import Happened

PAID: Final = "paid"
CREATE: Final = "subscription_create"
UPDATE: Final = "subscription_update"

Prices = Mapping[str | None, Price | None]  # ours, by the id at Stripe

SUBSCRIBER: Final = Statement(
    select(subscriptions.c.user_id).where(
        subscriptions.c.id == bindparam("subscription_id"), subscriptions.c.livemode == bindparam("livemode")
    ),
    str,
)


async def settle(tx: Transaction, till: Till, facts: InvoiceFacts) -> Outcome:
    """Write a paid invoice of a subscription down and grant its credits: once, whoever learns of it how often."""
    return await tell(tx, till, await take(tx, till, facts))


async def take(tx: Transaction, till: Till, facts: InvoiceFacts) -> Settled:
    """Do what `settle` does for a caller who tells the app of more than this."""
    user_id = await find_user(tx, till, facts)
    if user_id is None or facts.subscription_id is None:
        return Settled(NOT_OURS)
    if facts.status != PAID:
        return Settled(Outcome(PROCESSED, f"It is {facts.status}, so nothing is granted for it.", user_id))
    if facts.has_more_lines:
        await refresh.want(tx, till, refresh.INVOICE, facts.id)
        return Settled(Outcome(ACCEPTED, user_id=user_id))
    # Asked once more of the database: a price may have been pushed elsewhere just now, and this is written once only.
    prices = {line.stripe_price_id: await find_price(tx, till, line.stripe_price_id) for line in facts.lines}
    grants = list(grants_of(prices, facts))
    payment = _payment(till, facts, user_id, grants, prices, await _own_purchase_id(tx, till, facts, user_id))
    happened = await payments.record(tx, till, payment, grants)
    return Settled(Outcome(PROCESSED, user_id=user_id), happened)


async def find_user(tx: Transaction, till: Till, facts: InvoiceFacts) -> str | None:
    """Return whose subscription an invoice is for, or None: none of ours."""
    if facts.subscription_id is None:
        return None
    subscriber = await tx.fetch_one(SUBSCRIBER, subscription_id=facts.subscription_id, livemode=till.livemode)
    if subscriber is not None:
        return subscriber
    of_customer = await tx.fetch_one(customers.FIND_USER, customer_id=facts.customer_id, livemode=till.livemode)
    if of_customer is not None:
        return of_customer
    purchase = await purchases.find_own(tx, till, facts.purchase_id)
    return purchase.user_id if purchase is not None else None


async def _own_purchase_id(tx: Transaction, till: Till, facts: InvoiceFacts, user_id: str) -> str | None:
    """Return the purchase that an invoice is of, or None: anybody with Stripe's dashboard may write into metadata."""
    purchase = await purchases.find_own(tx, till, facts.purchase_id)
    return purchase.id if purchase is not None and purchase.user_id == user_id else None


async def failed(tx: Transaction, till: Till, facts: InvoiceFacts, user_id: str) -> Happened:
    """Return the event that an invoice could not be collected this time."""
    return "payment.failed", {
        "user_id": user_id,
        "purchase_id": await _own_purchase_id(tx, till, facts, user_id),
        "invoice_id": facts.id,
        "subscription_id": facts.subscription_id,
        "reason": facts.billing_reason,
    }


def grants_of(prices: Prices, facts: InvoiceFacts) -> Iterator[Grant]:
    """Return the credits of an invoice: a lot for each line that is a period, and one for a change."""
    share = _paid_share(facts)
    for line in sorted(facts.lines, key=lambda line: line.period_start):
        price = prices[line.stripe_price_id]
        if price is not None and not line.is_proration:
            credits = floor(share * _credits_of_period(price, line, is_first=facts.billing_reason == CREATE))
            if credits > 0:
                yield _grant(price, facts, line, credits, renews=not price.product.rollover)
    change = _change(prices, facts, share)
    if change is not None:
        yield change


def _paid_share(facts: InvoiceFacts) -> Fraction:
    """Return which share of a change brings credits: what is paid with money, not with what a change gave back.

    Going down puts money on the customer's balance and takes no credits; going up again from that balance must bring
    none, or the two in turns would bring credits for nothing.
    """
    if facts.billing_reason != UPDATE or facts.total_minor is None:
        return Fraction(1)
    if facts.total_minor > 0:
        return min(Fraction(1), Fraction(facts.amount_paid_minor, facts.total_minor))
    return Fraction(0) if any(line.amount_minor < 0 for line in facts.lines) else Fraction(1)


def _credits_of_period(price: Price, line: InvoiceLine, *, is_first: bool) -> int:
    """Return what a period brings; one that costs nothing although its price does is a trial.

    A coupon leaves the amount of the line as it is, so a month for nothing brings what a paid one does.
    """
    is_trial = line.amount_minor == 0 and price.terms.unit_amount_minor > 0
    if not is_trial:
        return price.terms.credits * line.quantity
    return price.terms.trial_credits * line.quantity if is_first else 0


def _change(prices: Prices, facts: InvoiceFacts, share: Fraction) -> Grant | None:
    """Return what a change of plan brings that was invoiced at once: credits follow the money, up only."""
    if facts.billing_reason != UPDATE:
        return None
    total, newest = Fraction(0), None
    for line in facts.lines:
        price = prices[line.stripe_price_id]
        if price is None or not line.is_proration or not price.terms.unit_amount_minor:
            continue
        total += Fraction(price.terms.credits * line.amount_minor, price.terms.unit_amount_minor)
        if line.amount_minor > 0:
            newest = price, line
    credits = floor(share * total)
    if newest is None or credits <= 0:
        return None
    return _grant(newest[0], facts, newest[1], credits, renews=False)


def _grant(price: Price, facts: InvoiceFacts, line: InvoiceLine, credits: int, *, renews: bool) -> Grant:
    product = price.product
    expires_at = None if product.rollover else line.period_end + product.grace_days * DAY
    source = Source("subscription", facts.id, series=facts.subscription_id, series_at=line.period_start, renews=renews)
    return Grant(credits, source, expires_at)


def _payment(
    till: Till, facts: InvoiceFacts, user_id: str, grants: list[Grant], prices: Prices, purchase_id: str | None
) -> payments.Payment:
    price = _main_price(prices, facts)
    return payments.Payment(
        id=facts.id,
        user_id=user_id,
        livemode=till.livemode,
        purchase_id=purchase_id,
        subscription_id=facts.subscription_id,
        payment_intent_id=facts.payment_intent_id,
        product_id=price.product.id if price is not None else None,
        price_id=price.id if price is not None else None,
        amount_minor=facts.amount_paid_minor,
        currency=facts.currency,
        credits=sum(each.credits for each in grants),
        reversed_minor=0,
        reversed_credits=0,
        paid_at=facts.paid_at or till.run.now_us,
        created_at=till.run.now_us,
    )


def _main_price(prices: Prices, facts: InvoiceFacts) -> Price | None:
    """Return what an invoice is mostly for: the line with the greatest amount."""
    known = [(line, prices[line.stripe_price_id]) for line in facts.lines]
    found = [(line.amount_minor, price) for line, price in known if price is not None]
    return max(found, key=lambda each: each[0])[1] if found else None
