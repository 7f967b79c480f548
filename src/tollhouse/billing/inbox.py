"""The inbox of Stripe's events: each is written down once, with all that it brings about, in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing import refresh
from tollhouse.billing.effects import EFFECTS
from tollhouse.billing.errors import Unreadable
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import ACCEPTED, IGNORED, PARKED, PROCESSED, Outcome
from tollhouse.billing.reading import Raw
from tollhouse.billing.tables import stripe_events as table
from tollhouse.billing.till import Till
from tollhouse.clock import SECOND
from tollhouse.db import Statement, Transaction
from tollhouse.errors import DatabaseUnavailable, TollhouseError
from tollhouse.events.outbox import ADD_DELIVERY, delivery_row
from tollhouse.events.outcomes import storable
from tollhouse.events.retries import RETRY_SECONDS
from tollhouse.failpoints import reach
from tollhouse.telemetry import metrics

log = structlog.get_logger()

PARKED_SUBSCRIBER: Final = "stripe.parked"
RECEIVE_SECONDS_MAX: Final = 8.0  # Stripe holds the buyer's way back for ten
DUPLICATE: Final = "duplicate"
ABOUT: Final = frozenset(name.partition(".")[0] for name in EFFECTS)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of an event that came before."""

    status: str
    reason: str | None


ROW: Final = (
    *("id", "type", "api_version", "livemode", "object_id", "status", "reason", "user_id"),
    *("sealed", "stripe_created_at", "received_at", "processed_at"),
)
STATUS: Final = Statement(select(table.c.status, table.c.reason).where(table.c.id == bindparam("event_id")), Kept)
ADD: Final = Statement(
    upsert(table).values({name: bindparam(name) for name in ROW}).on_conflict_do_nothing(index_elements=["id"]),
    str,
)
SETTLE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("event_id"))
    .values(
        status=bindparam("new_status"),
        reason=bindparam("new_reason"),
        user_id=bindparam("new_user_id"),
        processed_at=bindparam("new_processed_at"),
    ),
    str,
)


async def receive(till: Till, event: StripeEvent, body: bytes) -> Outcome:
    """Return what came of an event; once this returns, it is kept and will not be lost.

    An event whose effect fails is kept as parked, and tried again by the worker. Raise `DatabaseUnavailable` when
    nothing could be written, so that Stripe sends it again.
    """
    known = await till.run.db.fetch_one(STATUS, event_id=event.id)
    if known is not None:
        outcome = _again(known)
    else:
        try:
            async with asyncio.timeout(RECEIVE_SECONDS_MAX):
                outcome = await _take(till, event, till.run.keys.seal_stripe_event(body, event_id=event.id))
        except TimeoutError as error:
            raise DatabaseUnavailable("It took too long to write an event down.") from error
        reach("webhook.committed")
        wake(till, outcome)
    metrics.stripe_events.labels(about=about(event), status=outcome.status).inc()
    return outcome


def object_id_of(event: StripeEvent) -> str | None:
    """Return the id of what an event tells of, where it is one."""
    try:
        return Raw("object", event.data).id_or_none("id")
    except Unreadable:
        return None


def about(event: StripeEvent) -> str:
    """Return the kind of object that an event tells of, from a fixed vocabulary."""
    kind = event.type.partition(".")[0]
    return kind if kind in ABOUT else "other"


def _again(known: Kept) -> Outcome:
    return Outcome(PARKED, known.reason) if known.status == PARKED else Outcome(DUPLICATE)


def wake(till: Till, outcome: Outcome) -> None:
    """Have what an event has left for later done at once."""
    if outcome.status == ACCEPTED:
        refresh.wake(till.run)
    if outcome.status != IGNORED:
        till.run.outbox.wake_for_events()


async def _take(till: Till, event: StripeEvent, sealed: bytes) -> Outcome:
    try:
        outcome = await till.run.db.transact(_write, till, event, sealed)
    except DatabaseUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is: the event is kept, and seen to later)
        outcome = await till.run.db.transact(_park, till, event, sealed, reason_of(error))
        if outcome.status == PARKED:
            tell_parked(event, outcome.reason, error)
        return outcome
    if outcome.status == PARKED:
        tell_parked(event, outcome.reason)
    return outcome


async def _write(tx: Transaction, till: Till, event: StripeEvent, sealed: bytes) -> Outcome:
    """Keep the event and do what it asks for; whoever comes second with the same id changes nothing."""
    if not await _add(tx, till, event, sealed, Outcome(PROCESSED)):
        return Outcome(DUPLICATE)
    outcome = await apply(tx, till, event)
    if outcome != Outcome(PROCESSED):
        await settle(tx, till, event.id, outcome)
    reach("webhook.before_commit")
    return outcome


async def _park(tx: Transaction, till: Till, event: StripeEvent, sealed: bytes, reason: str) -> Outcome:
    """Keep an event whose effect has failed and was undone, and have the worker try it again."""
    if not await _add(tx, till, event, sealed, Outcome(PARKED, reason)):
        return Outcome(DUPLICATE)
    now = till.run.now_us
    await tx.execute(
        ADD_DELIVERY,
        **delivery_row(
            now_us=now, subscriber=PARKED_SUBSCRIBER, event_id=event.id, due_at=now + RETRY_SECONDS[0] * SECOND
        ),
    )
    reach("webhook.before_commit")
    return Outcome(PARKED, reason)


async def _add(tx: Transaction, till: Till, event: StripeEvent, sealed: bytes, outcome: Outcome) -> bool:
    now = till.run.now_us
    return bool(
        await tx.execute(
            ADD,
            id=event.id,
            type=event.type,
            api_version=event.api_version,
            livemode=int(event.livemode),
            object_id=object_id_of(event),
            status=outcome.status,
            reason=outcome.reason,
            user_id=None,
            sealed=sealed,
            stripe_created_at=event.created_at,
            received_at=now,
            processed_at=None if outcome.status == PARKED else now,
        )
    )


async def settle(tx: Transaction, till: Till, event_id: str, outcome: Outcome) -> None:
    """Write down what came of an event."""
    await tx.execute(
        SETTLE,
        event_id=event_id,
        new_status=outcome.status,
        new_reason=outcome.reason,
        new_user_id=outcome.user_id,
        new_processed_at=None if outcome.status == PARKED else till.run.now_us,
    )


async def apply(tx: Transaction, till: Till, event: StripeEvent) -> Outcome:
    """Do what an event asks for, unless it is none of ours."""
    if event.account is not None:
        return Outcome(IGNORED, "It is not ours: it tells of a connected account.")
    if event.livemode != till.stripe.livemode:
        mode = "live" if event.livemode else "test"
        return Outcome(PARKED, f"It is of {mode} mode, and STRIPE_API_KEY is of the other one.")
    effect = EFFECTS.get(event.type)
    if effect is None:
        is_thin = event.type.startswith(("v1.", "v2."))
        return Outcome(IGNORED, "It is a thin event." if is_thin else "Nothing here depends on such events.")
    return await effect(tx, till, event)


def reason_of(error: Exception) -> str:
    """Return why an effect failed, for an operator; of errors that are not ours the kind alone, for they may quote."""
    return storable(error.detail if isinstance(error, TollhouseError) else f"It raised {type(error).__name__}.")


def tell_parked(event: StripeEvent, reason: str | None, error: Exception | None = None) -> None:
    """Raise the alarm."""
    unforeseen = None if isinstance(error, TollhouseError) else error
    log.error("stripe_event_parked", event_id=event.id, type=event.type, reason=reason, exc_info=unforeseen)
