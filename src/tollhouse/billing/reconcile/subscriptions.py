"""Subscriptions against what is known of them, and those that live here alone."""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import and_, bindparam, func, or_, select

from tollhouse.billing import customers, purchases, refresh, subscriptions
from tollhouse.billing.facts import SubscriptionFacts
from tollhouse.billing.readers import read_subscription
from tollhouse.billing.reconcile.differences import (
    SUBSCRIBED_TWICE,
    SUBSCRIPTION_DIFFERS,
    SUBSCRIPTION_UNBACKED,
    SUBSCRIPTION_UNKNOWN,
    Difference,
)
from tollhouse.billing.reconcile.invoices import compare_invoice
from tollhouse.billing.reconcile.rereading import read_again
from tollhouse.billing.reconcile.run import PAGE_SIZE, Run
from tollhouse.billing.subscriptions import ENDED, Subscription
from tollhouse.billing.tables import subscriptions as table
from tollhouse.db import Statement

PATH: Final = "/v1/subscriptions"
COMPARED: Final = (
    *("status", "stripe_price_id", "quantity", "current_period_start", "current_period_end"),
    *("cancel_at", "trial_end", "ended_at"),
)

_is_not_over: Final = tuple(table.c.status != status for status in ENDED)
LIVING: Final = Statement(
    select(*subscriptions.COLUMNS)
    .where(
        table.c.id > bindparam("after"),
        table.c.livemode == bindparam("livemode"),
        *_is_not_over,
    )
    .order_by(table.c.id)
    .limit(bindparam("limit")),
    Subscription,
)
TWICE: Final = Statement(
    select(table.c.user_id, table.c.product_id, func.count(), func.max(table.c.id))
    .where(
        or_(
            table.c.user_id > bindparam("after"),
            and_(table.c.user_id == bindparam("after"), table.c.product_id > bindparam("after_product")),
        ),
        table.c.livemode == bindparam("livemode"),
        *_is_not_over,
        table.c.status != "incomplete",
        table.c.product_id.is_not(None),
    )
    .group_by(table.c.user_id, table.c.product_id)
    .having(func.count() > 1)
    .order_by(table.c.user_id, table.c.product_id)
    .limit(bindparam("limit")),
    lambda *row: row,
)


async def compare_subscriptions(run: Run) -> None:
    """Compare every subscription that is not over at Stripe, whenever it began, and those of the window that are.

    Their newest invoices are compared too: one of before the window may have been paid only yesterday.
    """
    expanded = ["data.latest_invoice.payments"]
    async for raw in run.listed(PATH, windowed=False, expand=expanded):
        await _compare(run, raw)
    async for raw in run.listed(PATH, status="canceled", expand=expanded):
        await _compare(run, raw)


async def compare_living(run: Run) -> None:
    """Compare every subscription that lives here, and that Stripe has not listed as living."""
    after = ""
    find = partial(run.till.run.db.fetch_all, LIVING, livemode=run.till.livemode, limit=PAGE_SIZE)
    while page := await find(after=after):
        after = page[-1].id
        run.report.compared["own_subscriptions"] += len(page)
        for row in page:
            if not run.has_seen(row.id) and row.created_at < run.report.until:
                await _compare_missed(run, row)


async def compare_doubled(run: Run) -> None:
    """Find who has two living subscriptions of one product, and so pays twice."""
    after = product = ""
    find = partial(run.till.run.db.fetch_all, TWICE, livemode=run.till.livemode, limit=PAGE_SIZE)
    while page := await find(after=after, after_product=product):
        after, product = page[-1][:2]
        for user_id, product_id, count, newest in page:
            detail = f"The user has {count} living subscriptions of {product_id}: cancel and refund what is too much."
            run.add(Difference(SUBSCRIBED_TWICE, newest, user_id, detail))


async def _compare(run: Run, raw: dict[str, Any]) -> None:
    facts = run.read(raw, read_subscription)
    if facts is None or facts.created_at >= run.report.until:
        return
    run.see(facts.id)
    again = partial(run.again, f"{PATH}/{quote(facts.id, safe='')}", read_subscription)
    await run.compare(facts, partial(_look, run), partial(read_again, run, refresh.SUBSCRIPTION), again)
    if facts.latest_invoice is not None:
        await compare_invoice(run, facts.latest_invoice)


async def _compare_missed(run: Run, row: Subscription) -> None:
    raw = await run.fetch(f"{PATH}/{quote(row.id, safe='')}", expand=["latest_invoice.payments"])
    if raw is not None:
        await _compare(run, raw)
        return
    detail = f"The subscription is {row.status} here, but Stripe knows no such subscription."
    run.add(Difference(SUBSCRIPTION_UNBACKED, row.id, row.user_id, detail))


async def _look(run: Run, facts: SubscriptionFacts) -> Difference | None:
    row = await run.till.run.db.fetch_one(subscriptions.FIND, subscription_id=facts.id)
    if row is None:
        user_id = await _find_user(run, facts)
        if user_id is None:
            return None
        detail = f"Stripe has a subscription of this user that is {facts.status}, and here is none."
        return Difference(SUBSCRIPTION_UNKNOWN, facts.id, user_id, detail, is_repairable=True)
    differing = [name for name in COMPARED if getattr(row, name) != getattr(facts, name)]
    if not differing:
        return None
    told = ", ".join(f"{name} {getattr(row, name)} instead of {getattr(facts, name)}" for name in differing)
    detail = f"The subscription is not as Stripe has it: {told}."
    return Difference(SUBSCRIPTION_DIFFERS, facts.id, row.user_id, detail, is_repairable=True)


async def _find_user(run: Run, facts: SubscriptionFacts) -> str | None:
    """Return whose it is, or None: sold by somebody else, maybe to a customer of ours."""
    if facts.purchase_id is not None:
        purchase = await run.till.run.db.fetch_one(purchases.FIND, purchase_id=facts.purchase_id)
        if purchase is not None:
            return purchase.user_id
    elif run.till.catalogue.of_stripe(facts.stripe_price_id) is None:
        return None
    return await customers.find_user(run.till, facts.customer_id)
