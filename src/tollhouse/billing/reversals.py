"""Refunds and disputes, each a row of its own that only ever moves forward."""

from __future__ import annotations

from typing import Final

from sqlalchemy import and_, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing import clawbacks, payments, refresh
from tollhouse.billing.clawbacks import COLUMNS, Reversal
from tollhouse.billing.facts import ReversalFacts
from tollhouse.billing.outcomes import ACCEPTED, PROCESSED, Outcome, Settled, tell
from tollhouse.billing.tables import payments as paid
from tollhouse.billing.tables import reversals as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction, any_of, none_of

# What comes after no other word of the same stage; words before it may be told in any order.
LAST_WORDS: Final = (
    *("succeeded", "failed", "canceled", "lost", "won"),
    *("warning_closed", "prevented", "charge_refunded"),
)

_insert: Final = upsert(table).values({name: bindparam(name) for name in Reversal.__dataclass_fields__})
_told: Final = _insert.excluded
_is_further: Final = or_(
    table.c.stage < _told.stage,
    and_(table.c.stage == _told.stage, none_of(table.c.status, LAST_WORDS), any_of(_told.status, LAST_WORDS)),
)
NOTE: Final = Statement(
    _insert.on_conflict_do_update(
        index_elements=["id"],
        set_={
            "stage": _told.stage,
            "status": _told.status,
            "amount_minor": _told.amount_minor,
            "payment_intent_id": func.coalesce(table.c.payment_intent_id, _told.payment_intent_id),
            "charge_id": func.coalesce(table.c.charge_id, _told.charge_id),
            "changed_at": _told.changed_at,
        },
        where=and_(table.c.livemode == _told.livemode, _is_further),
    ).returning(*COLUMNS),
    Reversal,
)
FIND: Final = Statement(
    select(*COLUMNS).where(table.c.id == bindparam("reversal_id"), table.c.livemode == bindparam("livemode")), Reversal
)
CORRECT: Final = Statement(
    update(table)
    .where(
        table.c.id == bindparam("reversal_id"),
        table.c.stage == bindparam("told_stage"),
        table.c.amount_minor != bindparam("told_minor"),
    )
    .values(amount_minor=bindparam("told_minor"), changed_at=bindparam("now"))
    .returning(*COLUMNS),
    Reversal,
)
# Two who learn of it at once agree, and only one of them is told.
ATTACH: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("reversal_id"), table.c.payment_id.is_(None))
    .values(payment_id=bindparam("found"), changed_at=bindparam("now"))
    .returning(*COLUMNS),
    Reversal,
)
PAID_BY: Final = Statement(
    select(paid.c.id).where(
        paid.c.payment_intent_id == bindparam("payment_intent_id"), paid.c.livemode == bindparam("livemode")
    ),
    str,
)
PAYER: Final = Statement(select(paid.c.user_id).where(paid.c.id == bindparam("payment_id")), str)


WAITING: Final = Statement(
    select(table.c.id).where(
        table.c.payment_intent_id == bindparam("payment_intent_id"),
        table.c.livemode == bindparam("livemode"),
        table.c.payment_id.is_(None),
    ),
    str,
)


async def note(tx: Transaction, till: Till, facts: ReversalFacts, *, is_current: bool = True) -> Outcome:
    """Note how far a refund or a dispute has come, and have its payment's credits follow.

    Of a payment that is not known it is kept, and counts as soon as that is; Stripe is asked which it is. Facts that
    are not current (an event's, which may be late) never correct an amount: it is read again instead.
    """
    await clawbacks.meet(tx, till, facts.payment_intent_id)
    news = await _write(tx, till, facts)
    reversal = news or await tx.fetch_one(FIND, reversal_id=facts.id, livemode=till.livemode)
    assert reversal is not None, "written by somebody, or just now"
    if news is None and reversal.stage == facts.stage and reversal.amount_minor != facts.amount_minor:
        if not is_current:
            await refresh.want(tx, till, facts.kind, facts.id)
            return Outcome(ACCEPTED)
        news = await tx.fetch_one(
            CORRECT,
            reversal_id=facts.id,
            told_stage=facts.stage,
            told_minor=facts.amount_minor,
            now=till.run.now_us,
        )
    if reversal.payment_id is None:
        attached = await _attach(tx, till, reversal)
        if attached is None:
            return await _ask(tx, till, reversal, is_news=news is not None)
        news = reversal = attached
    assert reversal.payment_id is not None, "attached just now, or before"
    happened = await clawbacks.converge(tx, till, reversal.payment_id, [news] if news else [])
    user_id = await tx.fetch_one(PAYER, payment_id=reversal.payment_id)
    return await tell(tx, till, Settled(Outcome(PROCESSED, user_id=user_id), happened))


async def attach(tx: Transaction, till: Till, payment_intent_id: str, invoice_id: str) -> Outcome:
    """Note that a payment intent has paid an invoice, whose refunds and disputes then count."""
    await clawbacks.meet(tx, till, payment_intent_id)
    payment = await tx.fetch_one(payments.FIND, payment_id=invoice_id)
    if payment is None or payment.livemode != till.livemode:
        if await tx.fetch_one(WAITING, payment_intent_id=payment_intent_id, livemode=till.livemode):
            # Not told of yet, or none of ours: read at Stripe, the invoice names its payment intent itself.
            await refresh.want(tx, till, refresh.INVOICE, invoice_id)
        return Outcome(ACCEPTED)
    happened = await payments.join(tx, till, invoice_id, payment_intent_id)
    return await tell(tx, till, Settled(Outcome(PROCESSED, user_id=payment.user_id), happened))


async def _write(tx: Transaction, till: Till, facts: ReversalFacts) -> Reversal | None:
    """Write the row if this is news, and return it then."""
    return await tx.fetch_one(
        NOTE,
        id=facts.id,
        kind=facts.kind,
        livemode=till.livemode,
        payment_intent_id=facts.payment_intent_id,
        charge_id=facts.charge_id,
        payment_id=None,
        amount_minor=facts.amount_minor,
        currency=facts.currency,
        status=facts.status,
        stage=facts.stage,
        created_at=facts.created_at,
        changed_at=till.run.now_us,
    )


async def _attach(tx: Transaction, till: Till, reversal: Reversal) -> Reversal | None:
    found = await tx.fetch_one(PAID_BY, payment_intent_id=reversal.payment_intent_id, livemode=till.livemode)
    if found is None:
        return None
    return await tx.fetch_one(ATTACH, reversal_id=reversal.id, found=found, now=till.run.now_us)


async def _ask(tx: Transaction, till: Till, reversal: Reversal, *, is_news: bool) -> Outcome:
    """Ask Stripe what was paid, each time that there is news: the payment may be written down at this very moment."""
    if is_news and reversal.payment_intent_id is not None:
        await refresh.want(tx, till, refresh.PAYMENT_INTENT, reversal.payment_intent_id)
        return Outcome(ACCEPTED)
    return Outcome(PROCESSED, "It is about no payment that is known here.")
