"""What came of an event of Stripe's: what it was about, the lots that it brought, and what your app was told of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import bindparam, or_, select

from tollhouse.billing import chain_events, inbox, parked, payments, purchases, subscriptions
from tollhouse.billing.errors import EventPruned, Unreadable
from tollhouse.billing.outcomes import IGNORED
from tollhouse.billing.parked import EventRecord
from tollhouse.billing.payments import Payment
from tollhouse.billing.purchases import Purchase
from tollhouse.billing.readers import read_event, read_invoice
from tollhouse.billing.reading import PURCHASE_KEY, Raw
from tollhouse.billing.subscriptions import Subscription
from tollhouse.billing.tables import payments as paid
from tollhouse.billing.tables import purchases as bought
from tollhouse.billing.why import BACKS, DRAWS, OF_SUBSCRIPTION, SHOWN_MAX, Chain, Draw
from tollhouse.db import Statement
from tollhouse.events import records
from tollhouse.identity.models import iso
from tollhouse.ledger import lots
from tollhouse.ledger.entries import GRANT
from tollhouse.ledger.lots import Lot
from tollhouse.ledger.tables import entries
from tollhouse.runtime import Runtime

PERIODS_MAX: Final = 5  # of a subscription, the newest

PURCHASES: Final = Statement(
    select(*purchases.COLUMNS)
    .where(
        or_(
            bought.c.id == bindparam("named"),
            bought.c.checkout_session_id == bindparam("named"),
            bought.c.payment_intent_id == bindparam("named"),
        )
    )
    .order_by(bought.c.id)
    .limit(bindparam("limit")),
    Purchase,
)
PAYMENTS: Final = Statement(
    select(*payments.COLUMNS)
    .where(or_(paid.c.id == bindparam("named"), paid.c.payment_intent_id == bindparam("named")))
    .order_by(paid.c.id)
    .limit(bindparam("limit")),
    Payment,
)
# Of lots only what is taken from them is written down; this is what made them.
GRANTED: Final = Statement(
    select(entries.c.id, entries.c.kind, entries.c.credits, entries.c.reference, entries.c.created_at)
    .where(
        entries.c.source_id == bindparam("source_id"),
        entries.c.user_id == bindparam("user_id"),
        entries.c.kind == GRANT,
    )
    .order_by(entries.c.number),
    Draw,
)


async def explain(run: Runtime, event_id: str, *, with_payload: bool = False) -> Chain | None:
    """Return an event of Stripe's with what it was about and all that came of that; None where there is none.

    Raises `EventPruned` where its body is asked for and not kept any more.
    """
    record = await run.db.fetch_one(parked.FIND, event_id=event_id)
    if record is None:
        return None
    times = ("stripe_created_at", "received_at", "processed_at")
    payload = {"payload": json.loads(await parked.open_body(run, event_id))} if with_payload else {}
    again = await run.db.fetch_all(records.OF_EVENT, event_id=event_id)  # where it is or was parked
    return {
        "what": f"event {record.id}: {record.type}",
        **asdict(record),
        **{name: None if (time := getattr(record, name)) is None else iso(time) for name in times},
        **payload,
        "became": [
            *[await chain_events.of_delivery(run, each) for each in again],
            *[each async for each in _Teller(run, record).tell()],
        ],
    }


async def _names_in(run: Runtime, record: EventRecord) -> tuple[str | None, str | None]:
    """Return the purchase and the subscription that the body of an event names, as long as it is kept."""
    if record.status == IGNORED:  # what it names, it has no right to
        return None, None
    try:
        event = read_event(json.loads(await parked.open_body(run, record.id)))
        if inbox.about(event) == "invoice":
            facts = read_invoice(event.data)
            return facts.purchase_id, facts.subscription_id
        return Raw.of("object", event.data).metadata(PURCHASE_KEY), None
    except (EventPruned, Unreadable):  # then what its object's id leads to is all there is
        return None, None


class _Teller:
    """Tells each thing once, where it comes up first."""

    def __init__(self, run: Runtime, record: EventRecord) -> None:
        self._run = run
        self._record = record
        # An invoice's event is about that one period.
        self._periods = 0 if record.type.startswith("invoice.") else PERIODS_MAX
        self._told: set[str] = set()

    def _is_new(self, thing_id: str) -> bool:
        is_new = thing_id not in self._told
        self._told.add(thing_id)
        return is_new

    async def tell(self) -> AsyncIterator[Chain]:
        """Yield what an event is about, by its object's id; else by the purchase that it names."""
        purchase_id, subscription_id = await _names_in(self._run, self._record)
        async for each in self._tell_named(self._record.object_id):
            yield each
        if not self._told:
            async for each in self._tell_named(purchase_id):
                yield each
        async for each in self._tell_named(subscription_id):
            yield each

    async def _tell_named(self, named: str | None) -> AsyncIterator[Chain]:
        db = self._run.db
        if named is None:
            return
        found = [
            *await db.fetch_all(chain_events.REVERSALS, named=named, limit=SHOWN_MAX),
            *await db.fetch_all(PURCHASES, named=named, limit=SHOWN_MAX),
            *await db.fetch_all(PAYMENTS, named=named, limit=SHOWN_MAX),
            *await db.fetch_all(subscriptions.FIND, subscription_id=named),
        ]
        for each in found:
            if each.livemode == self._record.livemode and self._is_new(each.id):
                yield await self._tell_of(each)

    async def _tell_of(self, thing: chain_events.Reversal | Purchase | Payment | Subscription) -> Chain:
        if isinstance(thing, Purchase):
            return await self._purchase(thing)
        if isinstance(thing, Payment):
            return await self._payment(thing)
        if isinstance(thing, Subscription):
            return await self._subscription(thing)
        return await self._reversal(thing)

    async def _reversal(self, back: chain_events.Reversal) -> Chain:
        of = back.payment_id and await self._run.db.fetch_one(payments.FIND, payment_id=back.payment_id)
        return {
            "what": f"{back.kind} {back.id} of {back.amount_minor} {back.currency}: {back.status}",
            "created_at": iso(back.created_at),
            "became": [await self._payment(of)] if of and self._is_new(of.id) else [],
        }

    async def _purchase(self, purchase: Purchase) -> Chain:
        db, became = self._run.db, list[Chain]()
        payment = await db.fetch_one(payments.FIND, payment_id=purchase.id)
        if payment is not None:
            became.append(await self._payment(payment))
        else:
            became += await self._events(purchase.id)
        sold = purchase.subscription_id and await db.fetch_one(
            subscriptions.FIND, subscription_id=purchase.subscription_id
        )
        if sold and self._is_new(sold.id):
            became.append(await self._subscription(sold))
        return {
            "what": f"purchase {purchase.id} of {purchase.product_id}: {purchase.status}",
            "price": purchase.price_id,
            "user_id": purchase.user_id,
            "checkout_session_id": purchase.checkout_session_id,
            "subscription_id": purchase.subscription_id,
            "created_at": iso(purchase.created_at),
            "became": became,
        }

    async def _subscription(self, subscription: Subscription) -> Chain:
        found = await self._run.db.fetch_all(OF_SUBSCRIPTION, subscription_id=subscription.id, limit=self._periods)
        return {
            "what": f"subscription {subscription.id} of {subscription.product_id}: {subscription.status}",
            "price": subscription.price_id,
            "user_id": subscription.user_id,
            "created_at": iso(subscription.created_at),
            "became": [
                *[await self._payment(each) for each in found if self._is_new(each.id)],
                *await self._events(subscription.id),
            ],
        }

    async def _payment(self, payment: Payment) -> Chain:
        db, told = self._run.db, {"source_id": payment.id, "user_id": payment.user_id}
        backs = await db.fetch_all(BACKS, payment_id=payment.id, limit=SHOWN_MAX)
        return {
            "what": f"payment {payment.id} of {payment.amount_minor} {payment.currency}: {payment.credits} credits",
            "product": payment.product_id,
            "price": payment.price_id,
            "user_id": payment.user_id,
            "purchase_id": payment.purchase_id,
            "subscription_id": payment.subscription_id,
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
            "became": [
                *[_entry(entry) for entry in await db.fetch_all(GRANTED, **told)],
                *[await self._lot(lot) for lot in await db.fetch_all(lots.OF_SOURCE, **told)],
                *await self._events(payment.id),
            ],
        }

    async def _lot(self, lot: Lot) -> Chain:
        draws = await self._run.db.fetch_all(DRAWS, lot_id=lot.id, limit=SHOWN_MAX)
        return {
            "what": f"lot {lot.id}: {lot.remaining} of {lot.granted} left",
            "kind": lot.kind,
            "created_at": iso(lot.created_at),
            "expires_at": None if lot.expires_at is None else iso(lot.expires_at),
            "became": [_entry(draw) for draw in draws],
        }

    async def _events(self, subject: str) -> Sequence[dict[str, Any]]:
        return await chain_events.about(self._run, subject, limit=SHOWN_MAX)


def _entry(draw: Draw) -> Chain:
    return {
        "what": f"{draw.kind} of {abs(draw.credits)}",
        "entry_id": draw.entry_id,
        "reference": draw.reference,
        "created_at": iso(draw.created_at),
    }
