"""Entitlements: which features somebody has, from what they subscribe to, have bought, and Stripe's own."""

from __future__ import annotations

from collections.abc import Iterable, Set
from typing import Final

from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing import subscriptions
from tollhouse.billing.outcomes import PROCESSED, Outcome
from tollhouse.billing.tables import payments
from tollhouse.billing.tables import stripe_entitlements as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction

# Of a purchase that is paid once; one that was refunded as a whole entitles to nothing any more.
BOUGHT: Final = Statement(
    select(payments.c.product_id)
    .where(
        payments.c.user_id == bindparam("user_id"),
        payments.c.livemode == bindparam("livemode"),
        payments.c.purchase_id == payments.c.id,
        payments.c.product_id.is_not(None),
        or_(payments.c.amount_minor == 0, payments.c.reversed_minor < payments.c.amount_minor),
    )
    .distinct(),
    str,
)
OF_STRIPE: Final = Statement(
    select(table.c.feature).where(table.c.user_id == bindparam("user_id"), table.c.livemode == bindparam("livemode")),
    str,
)
ADD: Final = Statement(
    upsert(table)
    .values({name: bindparam(name) for name in ("user_id", "livemode", "feature")})
    .on_conflict_do_nothing(index_elements=["user_id", "livemode", "feature"]),
    str,
)
REMOVE: Final = Statement(
    delete(table).where(
        table.c.user_id == bindparam("user_id"),
        table.c.livemode == bindparam("livemode"),
        table.c.feature == bindparam("feature"),
    ),
    str,
)


async def features_of(till: Till, user_id: str) -> frozenset[str]:
    """Return the features that a user has now."""
    db, mode, now = till.run.db, till.livemode, till.run.now_us
    products = {product.id: product for product in till.catalogue.products}
    entitling = set(await db.fetch_all(BOUGHT, user_id=user_id, livemode=mode))
    for each in await db.fetch_all(subscriptions.LIVING, user_id=user_id, livemode=mode):
        product = products.get(each.product_id or "")
        if product is not None and subscriptions.is_entitled(each, product, now):
            entitling.add(product.id)
    of_stripe = await db.fetch_all(OF_STRIPE, user_id=user_id, livemode=mode)
    return frozenset(of_stripe).union(*(products[name].features for name in entitling if name in products))


async def replace(tx: Transaction, till: Till, user_id: str, features: Set[str]) -> Outcome:
    """Make the features that Stripe itself says a user has equal to these, as they were just read there."""
    had = frozenset(await tx.fetch_all(OF_STRIPE, user_id=user_id, livemode=till.livemode))
    await _each(tx, REMOVE, till, user_id, had - features)
    await _each(tx, ADD, till, user_id, features - had)
    return Outcome(PROCESSED, user_id=user_id)


async def _each(tx: Transaction, statement: Statement[str], till: Till, user_id: str, features: Iterable[str]) -> None:
    rows = [{"user_id": user_id, "livemode": till.livemode, "feature": feature} for feature in sorted(features)]
    if rows:
        await tx.execute_many(statement, rows)
