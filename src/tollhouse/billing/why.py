"""Why somebody has what they have: from Stripe's event over the payment to the lot, and what was drawn from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, or_, select

from tollhouse.billing import entitlements, payments, subscriptions
from tollhouse.billing.payments import Payment
from tollhouse.billing.subscriptions import Subscription
from tollhouse.billing.tables import payments as paid
from tollhouse.billing.tables import purchases, stripe_events
from tollhouse.billing.tables import reversals as reversed_by
from tollhouse.billing.till import Till
from tollhouse.clock import DAY
from tollhouse.db import Statement
from tollhouse.identity.models import iso
from tollhouse.ledger import accounts, tables
from tollhouse.ledger.lots import COLUMNS, Lot

SHOWN_MAX: Final = 100

Chain = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """An event of Stripe's."""

    id: str
    type: str
    status: str
    received_at: int


@dataclass(frozen=True, slots=True)
class Draw:
    """What one entry took from a lot; negative where it gave."""

    entry_id: str
    kind: str
    credits: int
    reference: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Back:
    """A refund or a dispute."""

    id: str
    kind: str
    status: str
    amount_minor: int
    currency: str
    created_at: int


LOTS: Final = Statement(
    select(*COLUMNS)
    .where(tables.lots.c.user_id == bindparam("user_id"))
    .order_by(tables.lots.c.created_at.desc(), tables.lots.c.id.desc())
    .limit(bindparam("limit")),
    Lot,
)
DRAWS: Final = Statement(
    select(
        tables.entries.c.id,
        tables.entries.c.kind,
        tables.allocations.c.credits,
        tables.entries.c.reference,
        tables.entries.c.created_at,
    )
    .join_from(tables.allocations, tables.entries, tables.entries.c.id == tables.allocations.c.entry_id)
    .where(tables.allocations.c.lot_id == bindparam("lot_id"))
    .order_by(tables.entries.c.number)
    .limit(bindparam("limit")),
    Draw,
)
SESSION: Final = Statement(
    select(purchases.c.checkout_session_id).where(purchases.c.id == bindparam("purchase_id")), str
)
CAUSES: Final = Statement(
    select(*(stripe_events.c[name] for name in Cause.__dataclass_fields__))
    .where(or_(stripe_events.c.object_id == bindparam("first"), stripe_events.c.object_id == bindparam("second")))
    .order_by(stripe_events.c.received_at, stripe_events.c.id)
    .limit(bindparam("limit")),
    Cause,
)
BACKS: Final = Statement(
    select(*(reversed_by.c[name] for name in Back.__dataclass_fields__))
    .where(reversed_by.c.payment_id == bindparam("payment_id"))
    .order_by(reversed_by.c.id)
    .limit(bindparam("limit")),
    Back,
)
BOUGHT: Final = Statement(
    select(*payments.COLUMNS)
    .where(
        paid.c.user_id == bindparam("user_id"),
        paid.c.livemode == bindparam("livemode"),
        paid.c.purchase_id == paid.c.id,
    )
    .order_by(paid.c.id)
    .limit(bindparam("limit")),
    Payment,
)
OF_SUBSCRIPTION: Final = Statement(
    select(*payments.COLUMNS)
    .where(paid.c.subscription_id == bindparam("subscription_id"))
    .order_by(paid.c.paid_at.desc(), paid.c.id)
    .limit(bindparam("limit")),
    Payment,
)


async def explain_credits(till: Till, user_id: str) -> Chain:
    """Return the chain behind a balance: each lot, newest first, what was paid or given for it, and what it became."""
    balance = await accounts.find(till.run.db, user_id)
    found = await till.run.db.fetch_all(LOTS, user_id=user_id, limit=SHOWN_MAX)
    what = f"{balance.available} credits available, {balance.held} held, {balance.debt} owed"
    return {"what": what, "because": [await _explain_lot(till, lot) for lot in found]}


async def explain_feature(till: Till, user_id: str, feature: str) -> Chain:
    """Return what entitles a user to a feature, with the payments behind it; or what does not any more."""
    has_it = feature in await entitlements.features_of(till, user_id)
    because = [
        *await _explain_subscriptions(till, user_id, feature),
        *await _explain_bought(till, user_id, feature),
        *await _explain_stripe(till, user_id, feature),
    ]
    return {"what": f"{feature}: {'entitled' if has_it else 'not entitled'}", "because": because}


async def _explain_lot(till: Till, lot: Lot) -> Chain:
    draws = await till.run.db.fetch_all(DRAWS, lot_id=lot.id, limit=SHOWN_MAX)
    return {
        "what": f"lot {lot.id}: {lot.remaining} of {lot.granted} left",
        "kind": lot.kind,
        "source_id": lot.source_id,
        "created_at": iso(lot.created_at),
        "expires_at": None if lot.expires_at is None else iso(lot.expires_at),
        "because": await _explain_source(till, lot),
        "became": [
            {
                "what": f"{draw.kind} of {draw.credits}",
                "entry_id": draw.entry_id,
                "reference": draw.reference,
                "created_at": iso(draw.created_at),
            }
            for draw in draws
        ],
    }


async def _explain_source(till: Till, lot: Lot) -> list[Chain]:
    payment = await till.run.db.fetch_one(payments.FIND, payment_id=lot.source_id)
    if payment is None:
        return [{"what": f"{lot.kind} {lot.source_id}"}]
    return [await _explain_payment(till, payment)]


async def _explain_payment(till: Till, payment: Payment) -> Chain:
    """Return a payment with the events that told of it and what went back of it; Stripe's object has its own name."""
    db = till.run.db
    told_of = payment.id
    if payment.purchase_id == payment.id:
        told_of = await db.fetch_one(SESSION, purchase_id=payment.id) or payment.id
    causes = await db.fetch_all(CAUSES, first=told_of, second=payment.payment_intent_id or told_of, limit=SHOWN_MAX)
    backs = await db.fetch_all(BACKS, payment_id=payment.id, limit=SHOWN_MAX)
    return {
        "what": f"payment {payment.id} of {payment.amount_minor} {payment.currency} for {payment.credits} credits",
        "product": payment.product_id,
        "price": payment.price_id,
        "subscription_id": payment.subscription_id,
        "stripe_object_id": told_of,
        "payment_intent_id": payment.payment_intent_id,
        "reversed_minor": payment.reversed_minor,
        "reversed_credits": payment.reversed_credits,
        "paid_at": iso(payment.paid_at),
        "reversals": [
            {
                "what": f"{back.kind} {back.id} of {back.amount_minor} {back.currency}: {back.status}",
                "created_at": iso(back.created_at),
            }
            for back in backs
        ],
        "because": _events(causes),
    }


def _events(causes: Sequence[Cause]) -> list[Chain]:
    """Return the events; none where the return page, a refresh or a reconciliation was there first."""
    return [
        {"what": f"event {each.id}: {each.type}", "status": each.status, "received_at": iso(each.received_at)}
        for each in causes
    ]


async def _explain_subscriptions(till: Till, user_id: str, feature: str) -> list[Chain]:
    db, products = till.run.db, {product.id: product for product in till.catalogue.products}
    chains: list[Chain] = []
    for each in await subscriptions.living(till.run, user_id, till.livemode):
        product = products.get(each.product_id or "")
        if product is None or feature not in product.features:
            continue
        entitles = subscriptions.is_entitled(each, product, till.run.now_us)
        found = await db.fetch_all(OF_SUBSCRIPTION, subscription_id=each.id, limit=SHOWN_MAX)
        chains.append(
            {
                "what": f"subscription {each.id} of {product.id}: {each.status}",
                "entitles": entitles,
                "until": _until(each, product.grace_days),
                "because": [await _explain_payment(till, payment) for payment in found],
            }
        )
    return chains


def _until(subscription: Subscription, grace_days: int) -> str | None:
    """Return when a subscription stops entitling as things stand, or None: it goes on."""
    if subscription.status == subscriptions.PAST_DUE and subscription.past_due_since is not None:
        return iso(subscription.past_due_since + grace_days * DAY)
    return None if subscription.cancel_at is None else iso(subscription.cancel_at)


async def _explain_bought(till: Till, user_id: str, feature: str) -> list[Chain]:
    giving = {product.id for product in till.catalogue.products if feature in product.features}
    found = await till.run.db.fetch_all(BOUGHT, user_id=user_id, livemode=till.livemode, limit=SHOWN_MAX)
    return [
        {
            "what": f"purchase {payment.id} of {payment.product_id}",
            "entitles": payment.amount_minor == 0 or payment.reversed_minor < payment.amount_minor,
            "because": [await _explain_payment(till, payment)],
        }
        for payment in found
        if payment.product_id in giving
    ]


async def _explain_stripe(till: Till, user_id: str, feature: str) -> list[Chain]:
    own = await till.run.db.fetch_all(entitlements.OF_STRIPE, user_id=user_id, livemode=till.livemode)
    return [{"what": "an entitlement at Stripe", "entitles": True, "because": []}] if feature in own else []
