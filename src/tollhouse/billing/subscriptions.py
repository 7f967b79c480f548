"""Subscriptions as Stripe has them: only ever written from what was read there, in the order it was read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import structlog
from sqlalchemy import BigInteger, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing import customers, invoices, purchases
from tollhouse.billing.catalogue import Price
from tollhouse.billing.catalogue_rows import find_price
from tollhouse.billing.facts import SubscriptionFacts
from tollhouse.billing.outcomes import NOT_OURS, PROCESSED, Outcome, Settled, tell
from tollhouse.billing.tables import subscriptions as table
from tollhouse.billing.till import Till
from tollhouse.clock import DAY
from tollhouse.db import Statement, Transaction, none_of
from tollhouse.identity.models import iso
from tollhouse.identity.tables import users
from tollhouse.runtime import Happened, Runtime
from tollhouse.settings_structures import ProductSettings

log = structlog.get_logger()

PAST_DUE: Final = "past_due"
INCOMPLETE: Final = "incomplete"
ENDED: Final = ("canceled", "incomplete_expired")
ENTITLED: Final = ("trialing", "active")
SEEN: Final = (  # by whoever looks at a subscription from outside
    *("product_id", "price_id", "quantity", "status"),
    *("current_period_start", "current_period_end", "cancel_at", "trial_end", "ended_at"),
)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it is stored; times in microseconds UTC."""

    id: str
    user_id: str
    livemode: int
    customer_id: str
    product_id: str | None
    price_id: str | None
    stripe_price_id: str
    quantity: int
    status: str
    current_period_start: int | None
    current_period_end: int | None
    cancel_at: int | None
    trial_end: int | None
    ended_at: int | None
    past_due_since: int | None
    created_at: int
    changed_at: int


NAMES: Final = tuple(Subscription.__dataclass_fields__)
COLUMNS: Final = tuple(table.c[name] for name in NAMES)
FIND: Final = Statement(select(*COLUMNS).where(table.c.id == bindparam("subscription_id")), Subscription)
# SQLite knows no FOR UPDATE and needs none, for its transactions run one after another.
LOCK: Final = Statement(
    select(*COLUMNS).where(table.c.id == bindparam("subscription_id")).with_for_update(), Subscription
)
LIVING: Final = Statement(
    select(*COLUMNS)
    .where(
        table.c.user_id == bindparam("user_id"),
        table.c.livemode == bindparam("livemode"),
        none_of(table.c.status, (*ENDED, INCOMPLETE)),
    )
    .order_by(table.c.id),
    Subscription,
)
DOUBLES: Final = Statement(
    select(cast(func.count(), BigInteger)).where(
        table.c.user_id == bindparam("user_id"),
        table.c.livemode == bindparam("livemode"),
        table.c.product_id == bindparam("product_id"),
        none_of(table.c.status, (*ENDED, INCOMPLETE)),
    ),
    int,
)
ADD: Final = Statement(
    upsert(table).values({name: bindparam(name) for name in NAMES}).on_conflict_do_nothing(index_elements=["id"]), str
)
SAVE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("subscription_id"))
    .values({name: bindparam(f"new_{name}") for name in NAMES if name not in ("id", "user_id", "created_at")}),
    str,
)
USER_EXISTS: Final = Statement(select(users.c.id).where(users.c.id == bindparam("user_id")), str)


def is_entitled(subscription: Subscription, product: ProductSettings, now_us: int) -> bool:
    """Whether a subscription entitles to its product now: while it is paid, and for a grace after a failed renewal."""
    if subscription.status == PAST_DUE and subscription.past_due_since is not None:
        return now_us < subscription.past_due_since + product.grace_days * DAY
    return subscription.status in ENTITLED


async def living(run: Runtime, user_id: str, livemode: int) -> list[Subscription]:
    """Return a user's subscriptions that have begun and are not over, the oldest first."""
    found = await run.db.fetch_all(LIVING, user_id=user_id, livemode=livemode)
    return sorted(found, key=lambda each: (each.created_at, each.id))


async def write(tx: Transaction, till: Till, facts: SubscriptionFacts) -> Outcome:
    """Write a subscription as it was just read at Stripe, and settle its newest invoice where that came with it."""
    known = await tx.fetch_one(LOCK, subscription_id=facts.id)
    if known is not None and known.livemode != till.livemode:
        return NOT_OURS
    price = await find_price(tx, till, facts.stripe_price_id)
    user_id = known.user_id if known is not None else await _find_user(tx, till, facts, price)
    if user_id is None:
        return NOT_OURS
    row = _row(till, facts, user_id, price)
    if known is None and not await tx.execute(ADD, **asdict(row)):
        known = await tx.fetch_one(LOCK, subscription_id=facts.id)  # somebody was faster
    if known is not None:
        row = await _save(tx, known, row)
    await _tell_doubled(tx, row)
    happened = _told(known, row)
    if facts.latest_invoice is not None and facts.latest_invoice.status == invoices.PAID:
        happened += (await invoices.take(tx, till, facts.latest_invoice)).happened
    return await tell(tx, till, Settled(Outcome(PROCESSED, user_id=user_id), happened))


async def _find_user(tx: Transaction, till: Till, facts: SubscriptionFacts, price: Price | None) -> str | None:
    """Return whose a new subscription is, or None: sold by somebody else, maybe to a customer of ours."""
    purchase = await purchases.find_own(tx, till, facts.purchase_id)
    if purchase is not None:
        return purchase.user_id
    if price is None and facts.purchase_id is None:
        return None
    of_customer = await tx.fetch_one(customers.FIND_USER, customer_id=facts.customer_id, livemode=till.livemode)
    if of_customer is not None or facts.user_id is None:
        return of_customer
    return await tx.fetch_one(USER_EXISTS, user_id=facts.user_id)


def _row(till: Till, facts: SubscriptionFacts, user_id: str, price: Price | None) -> Subscription:
    now = till.run.now_us
    return Subscription(
        id=facts.id,
        user_id=user_id,
        livemode=till.livemode,
        customer_id=facts.customer_id,
        product_id=price.product.id if price is not None else None,
        price_id=price.id if price is not None else None,
        stripe_price_id=facts.stripe_price_id,
        quantity=facts.quantity,
        status=facts.status,
        current_period_start=facts.current_period_start,
        current_period_end=facts.current_period_end,
        cancel_at=facts.cancel_at,
        trial_end=facts.trial_end,
        ended_at=facts.ended_at,
        past_due_since=now if facts.status == PAST_DUE else None,
        created_at=facts.created_at,
        changed_at=now,
    )


async def _save(tx: Transaction, known: Subscription, row: Subscription) -> Subscription:
    """Write over what was known, if anything is different; grace counts from the first time it was past due."""
    if row.status == PAST_DUE and known.past_due_since is not None:
        row = replace(row, past_due_since=known.past_due_since)
    if replace(row, changed_at=known.changed_at, created_at=known.created_at) != known:
        changed = {f"new_{name}": value for name, value in asdict(row).items()}
        del changed["new_id"], changed["new_user_id"], changed["new_created_at"]
        await tx.execute(SAVE, subscription_id=row.id, **changed)
    return row


async def _tell_doubled(tx: Transaction, row: Subscription) -> None:
    if row.product_id is None or row.status in (*ENDED, INCOMPLETE):
        return
    count = await tx.fetch_one(DOUBLES, user_id=row.user_id, livemode=row.livemode, product_id=row.product_id) or 0
    if count > 1:
        log.error("subscription_doubled", user_id=row.user_id, product=row.product_id, subscription_id=row.id)


def _told(known: Subscription | None, row: Subscription) -> list[Happened]:
    """Return what the app hears: that it ended, once; else that something has changed which can be seen."""
    if row.status in ENDED:
        is_news = known is None or known.status not in ENDED
        return [("subscription.ended", _facts_of(row))] if is_news else []
    if known is not None and all(getattr(known, name) == getattr(row, name) for name in SEEN):
        return []
    return [("subscription.updated", _facts_of(row))]


def _facts_of(row: Subscription) -> dict[str, Any]:
    times = ("current_period_start", "current_period_end", "cancel_at", "trial_end", "ended_at")
    return {
        "user_id": row.user_id,
        "subscription_id": row.id,
        "product": row.product_id,
        "price": row.price_id,
        "quantity": row.quantity,
        "status": row.status,
        **{name: None if (time := getattr(row, name)) is None else iso(time) for name in times},
    }
