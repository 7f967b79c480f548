"""Clawbacks: what all refunds and disputes of a payment come to, worked out anew each time. See decisions/0016."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing import refresh
from tollhouse.billing.tables import payments, stripe_objects
from tollhouse.billing.tables import reversals as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction
from tollhouse.ledger.entries import CLAWED, Entry, told
from tollhouse.ledger.grants import reverse
from tollhouse.runtime import Happened

GONE: Final = 1  # the stage at which the money is not ours any more


@dataclass(frozen=True, slots=True)
class Reversal:
    """A refund or dispute as it is stored; `payment_id` is None until it is known what it is about."""

    id: str
    kind: str
    livemode: int
    payment_intent_id: str | None
    charge_id: str | None
    payment_id: str | None
    amount_minor: int
    currency: str
    status: str
    stage: int
    created_at: int
    changed_at: int


@dataclass(frozen=True, slots=True)
class Paid:
    """What of a payment the clawback depends on."""

    id: str
    user_id: str
    purchase_id: str | None
    subscription_id: str | None
    amount_minor: int
    currency: str
    credits: int
    reversed_minor: int


# Writes nothing new into a row that is there, and locks it until the transaction ends.
MEET: Final = Statement(
    upsert(stripe_objects)
    .values(
        id=bindparam("intent"),
        kind=refresh.PAYMENT_INTENT,
        livemode=bindparam("mode"),
        wanted=0,
        wanted_at=bindparam("now"),
    )
    .on_conflict_do_update(index_elements=["id"], set_={"wanted": stripe_objects.c.wanted}),
    str,
)
COLUMNS: Final = tuple(table.c[name] for name in Reversal.__dataclass_fields__)
CLAIM: Final = Statement(
    update(table)
    .where(
        table.c.payment_intent_id == bindparam("intent"),
        table.c.livemode == bindparam("mode"),
        table.c.payment_id.is_(None),
    )
    .values(payment_id=bindparam("claimed_for"), changed_at=bindparam("now"))
    .returning(*COLUMNS),
    Reversal,
)
# SQLite knows no FOR UPDATE and needs none, for its transactions run one after another.
LOCK: Final = Statement(
    select(*(payments.c[name] for name in Paid.__dataclass_fields__))
    .where(payments.c.id == bindparam("payment_id"))
    .with_for_update(),
    Paid,
)
GONE_MINOR: Final = Statement(
    # PostgreSQL sums to NUMERIC; the columns hold whole numbers, and so does their sum.
    select(cast(func.coalesce(func.sum(table.c.amount_minor), 0), BigInteger)).where(
        table.c.payment_id == bindparam("payment_id"), table.c.stage == GONE
    ),
    int,
)
SAVE: Final = Statement(
    update(payments)
    .where(payments.c.id == bindparam("payment_id"))
    .values(reversed_minor=bindparam("new_minor"), reversed_credits=bindparam("new_credits")),
    str,
)


async def meet(tx: Transaction, till: Till, payment_intent_id: str | None) -> None:
    """Wait for whoever writes of the same payment intent: a payment and its refund, written at once, see each other.

    Call it before the rows of either are looked for, and before they are locked.
    """
    if payment_intent_id is not None:
        await tx.execute(MEET, intent=payment_intent_id, mode=till.livemode, now=till.run.now_us)


async def claim(tx: Transaction, till: Till, payment_id: str, payment_intent_id: str | None) -> list[Reversal]:
    """Take the refunds and disputes that have waited for this payment, and return them by id."""
    if payment_intent_id is None:
        return []
    found = await tx.fetch_all(
        CLAIM, intent=payment_intent_id, mode=till.livemode, claimed_for=payment_id, now=till.run.now_us
    )
    return sorted(found, key=lambda each: each.id)


async def converge(tx: Transaction, till: Till, payment_id: str, news: Sequence[Reversal]) -> list[Happened]:
    """Take back, or give back, until it fits what is gone of a payment; return what is to be told of the news."""
    paid = await tx.fetch_one(LOCK, payment_id=payment_id)
    if paid is None:
        return []
    gone_minor = await tx.fetch_one(GONE_MINOR, payment_id=payment_id) or 0
    minor = min(paid.amount_minor, gone_minor)
    target = target_of(paid.credits, paid.amount_minor, gone_minor)
    reference = news[-1].id if news else payment_id
    entries: list[Entry] = []
    taken = 0  # less than the target where credits had expired unspent
    if paid.credits:
        entries = await reverse(tx, till.run, paid.user_id, source_id=payment_id, target=target, reference=reference)
        taken = await tx.fetch_one(CLAWED, source_id=payment_id, user_id=paid.user_id) or 0
    await tx.execute(SAVE, payment_id=payment_id, new_minor=minor, new_credits=taken)
    is_changed = minor != paid.reversed_minor
    happened: list[Happened] = [
        (_type_of(each), _facts_of(paid, each, minor, taken)) for each in news if _is_told(each, is_changed=is_changed)
    ]
    return [*happened, *told(till.run, *entries)]


def target_of(credits: int, amount_minor: int, gone_minor: int) -> int:
    """Return how many credits are to be taken back: those of the share of the money that is gone, rounded down."""
    return credits * min(amount_minor, gone_minor) // amount_minor if amount_minor else 0


def _is_told(reversal: Reversal, *, is_changed: bool) -> bool:
    """Whether the app hears of it: of a dispute always, for it has to be answered; of a refund when money moves."""
    return reversal.kind == "dispute" or reversal.stage == GONE or is_changed


def _type_of(reversal: Reversal) -> str:
    return "payment.disputed" if reversal.kind == "dispute" else "payment.refunded"


def _facts_of(paid: Paid, reversal: Reversal, minor: int, taken: int) -> dict[str, Any]:
    return {
        "user_id": paid.user_id,
        "payment_id": paid.id,
        "purchase_id": paid.purchase_id,
        "subscription_id": paid.subscription_id,
        f"{reversal.kind}_id": reversal.id,
        "status": reversal.status,
        "amount_minor": reversal.amount_minor,
        "currency": reversal.currency,
        "reversed_minor": minor,
        "reversed_credits": taken,
        "is_fully_reversed": minor >= paid.amount_minor,
    }
