"""Payments: money that arrived, written down once for a purchase or an invoice, with the credits that it brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing import clawbacks
from tollhouse.billing.tables import payments as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction
from tollhouse.ledger.entries import Entry, told
from tollhouse.ledger.grants import Source, grant
from tollhouse.runtime import Happened


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it is stored; its id is that of the purchase or the invoice that it is for."""

    id: str
    user_id: str
    livemode: int
    purchase_id: str | None
    subscription_id: str | None
    payment_intent_id: str | None
    product_id: str | None
    price_id: str | None
    amount_minor: int
    currency: str
    credits: int
    reversed_minor: int
    reversed_credits: int
    paid_at: int
    created_at: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits that a payment brings, as a lot of their own."""

    credits: int
    source: Source
    expires_at: int | None


COLUMNS: Final = tuple(table.c[name] for name in Payment.__dataclass_fields__)
FIND: Final = Statement(select(*COLUMNS).where(table.c.id == bindparam("payment_id")), Payment)
LIST: Final = Statement(
    select(*COLUMNS)
    .where(table.c.user_id == bindparam("user_id"), table.c.livemode == bindparam("livemode"))
    .order_by(table.c.created_at.desc(), table.c.id.desc())
    .limit(bindparam("limit")),
    Payment,
)
RETURNED: Final = Statement(
    select(*COLUMNS)
    .where(
        table.c.user_id == bindparam("user_id"),
        table.c.livemode == bindparam("livemode"),
        table.c.id == table.c.purchase_id,
        table.c.reversed_minor > 0,
    )
    .order_by(table.c.created_at.desc(), table.c.id.desc())
    .limit(bindparam("limit")),
    Payment,
)
ADD: Final = Statement(
    upsert(table)
    .values({name: bindparam(name) for name in Payment.__dataclass_fields__})
    .on_conflict_do_nothing(index_elements=["id"]),
    str,
)
JOIN: Final = Statement(
    update(table)
    .where(
        table.c.id == bindparam("payment_id"),
        table.c.livemode == bindparam("mode"),
        table.c.payment_intent_id.is_(None),
    )
    .values(payment_intent_id=bindparam("found")),
    str,
)


async def record(tx: Transaction, till: Till, payment: Payment, grants: Sequence[Grant]) -> list[Happened]:
    """Write a payment down and grant its credits, unless somebody has; return what is to be told.

    Refunds and disputes that came before it count at once.
    """
    await clawbacks.meet(tx, till, payment.payment_intent_id)
    if not await tx.execute(ADD, **{name: getattr(payment, name) for name in Payment.__dataclass_fields__}):
        return await join(tx, till, payment.id, payment.payment_intent_id)
    # Claimed before the ledger is locked; an amount that is gone already is taken back after the grant.
    earlier = await clawbacks.claim(tx, till, payment.id, payment.payment_intent_id)
    entries: list[Entry] = []
    for each in grants:
        entries += await grant(
            tx, till.run, payment.user_id, each.credits, source=each.source, expires_at=each.expires_at
        )
    happened: list[Happened] = [("payment.succeeded", facts_of(payment)), *told(till.run, *entries)]
    if earlier:
        happened += await clawbacks.converge(tx, till, payment.id, earlier)
    return happened


async def join(tx: Transaction, till: Till, payment_id: str, payment_intent_id: str | None) -> list[Happened]:
    """Note which payment intent has paid, where that was not known; refunds and disputes that waited for it count."""
    if payment_intent_id is None:
        return []
    await tx.execute(JOIN, payment_id=payment_id, mode=till.livemode, found=payment_intent_id)
    waiting = await clawbacks.claim(tx, till, payment_id, payment_intent_id)
    return await clawbacks.converge(tx, till, payment_id, waiting) if waiting else []


def facts_of(payment: Payment) -> dict[str, Any]:
    """Return what an event tells of a payment."""
    return {
        "user_id": payment.user_id,
        "payment_id": payment.id,
        "purchase_id": payment.purchase_id,
        "subscription_id": payment.subscription_id,
        "product": payment.product_id,
        "price": payment.price_id,
        "amount_minor": payment.amount_minor,
        "currency": payment.currency,
        "credits": payment.credits,
    }
