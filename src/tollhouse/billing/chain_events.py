"""Events of ours in a chain: with every delivery and every attempt, and the events of Stripe's that led to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, or_, select

from tollhouse.billing import payments, purchases
from tollhouse.billing.tables import reversals, stripe_events
from tollhouse.billing.why import SHOWN_MAX, Cause, Chain
from tollhouse.db import Statement
from tollhouse.endpoints.models import attempt_json
from tollhouse.events import Event, attempts, history, records
from tollhouse.events.attempts import Attempt
from tollhouse.events.handlers import FIND_EVENT
from tollhouse.events.outbox import subject_of
from tollhouse.events.records import DeliveryRecord
from tollhouse.events.tables import WAITING
from tollhouse.identity.models import iso
from tollhouse.runtime import Runtime

# What an event's data names at Stripe.
AT_STRIPE: Final = ("refund_id", "dispute_id", "invoice_id", "checkout_session_id")


@dataclass(frozen=True, slots=True)
class Reversal:
    """A refund or a dispute; `created_at` in microseconds UTC."""

    id: str
    kind: str
    livemode: int
    charge_id: str | None
    payment_id: str | None
    amount_minor: int
    currency: str
    status: str
    created_at: int


REVERSALS: Final = Statement(
    select(*(reversals.c[name] for name in Reversal.__dataclass_fields__))
    .where(or_(reversals.c.id == bindparam("named"), reversals.c.charge_id == bindparam("named")))
    .order_by(reversals.c.id)
    .limit(bindparam("limit")),
    Reversal,
)
OF_OBJECT: Final = Statement(
    select(*(stripe_events.c[name] for name in Cause.__dataclass_fields__))
    .where(stripe_events.c.object_id == bindparam("named"))
    .order_by(stripe_events.c.received_at, stripe_events.c.id)
    .limit(bindparam("limit")),
    Cause,
)


async def explain(run: Runtime, event_id: str) -> Chain | None:
    """Return an event of ours with what was delivered, and Stripe's events about the same; None where there is none."""
    event = await run.db.fetch_one(FIND_EVENT, event_id=event_id)
    if event is None:
        return None
    causes = {cause.id: cause async for cause in _causes(run, event)}
    return {
        "what": f"event {event.id}: {event.type}",
        "id": event.id,
        "type": event.type,
        "user_id": event.user_id,
        "sequence": event.sequence,
        "created_at": iso(event.created_at),
        "data": dict(event.data),
        "because": [
            {"what": f"event {each.id}: {each.type}", "status": each.status, "received_at": iso(each.received_at)}
            for each in sorted(causes.values(), key=lambda each: (each.received_at, each.id))
        ],
        "became": await _deliveries(run, event),
    }


async def about(run: Runtime, subject: str, *, limit: int) -> list[Chain]:
    """Return the events of ours about a purchase, payment or subscription, with their deliveries."""
    return [
        {
            "what": f"event {event.id}: {event.type}",
            "sequence": event.sequence,
            "created_at": iso(event.created_at),
            "became": await _deliveries(run, event),
        }
        for event in await history.about(run.db, subject, limit=limit)
    ]


async def of_delivery(run: Runtime, record: DeliveryRecord) -> Chain:
    """Return a delivery with its attempts."""
    tried = await run.db.fetch_all(attempts.OF_DELIVERY, delivery_id=record.id)
    return {
        "what": f"delivery {record.id} to {record.subscriber}: {record.status}",
        "reason": record.reason,
        "due_at": iso(record.due_at) if record.status == WAITING else None,
        "applied_at": None if record.applied_at is None else iso(record.applied_at),
        "became": [_attempt(each) for each in tried],
    }


def _attempt(attempt: Attempt) -> Chain:
    told = attempt_json(attempt)
    return {"what": f"attempt {attempt.number}: {'succeeded' if attempt.succeeded else 'failed'}"} | {
        name: told[name] for name in ("status", "reason", "started_at", "duration_ms", "reply")
    }


async def _deliveries(run: Runtime, event: Event) -> list[Chain]:
    return [await of_delivery(run, each) for each in await run.db.fetch_all(records.OF_EVENT, event_id=event.id)]


async def _causes(run: Runtime, event: Event) -> AsyncIterator[Cause]:
    for named in await _names_of(run, event):
        for cause in await run.db.fetch_all(OF_OBJECT, named=named, limit=SHOWN_MAX):
            yield cause


async def _names_of(run: Runtime, event: Event) -> set[str]:
    """Return what Stripe calls the things that an event of ours is about."""
    subject = subject_of(event.data) or ""
    named = {subject, *(str(event.data.get(name) or "") for name in AT_STRIPE)}
    purchase = await run.db.fetch_one(purchases.FIND, purchase_id=subject)
    payment = await run.db.fetch_one(payments.FIND, payment_id=subject)
    for each in (purchase, payment):
        named.add((each and each.payment_intent_id) or "")
    named.add((purchase and purchase.checkout_session_id) or "")
    for each in sorted(named):
        for back in await run.db.fetch_all(REVERSALS, named=each, limit=SHOWN_MAX):
            named.add(back.charge_id or "")
    return named - {""}
