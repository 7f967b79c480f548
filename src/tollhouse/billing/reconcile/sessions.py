"""Checkout Sessions against purchases, and purchases that have waited too long against their sessions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import BigInteger, and_, bindparam, or_, select

from tollhouse.billing import purchases
from tollhouse.billing.checkout_rows import CREATING, ENDED, EXPIRE, FAILED, OPEN, PAID, PROCESSING
from tollhouse.billing.facts import SessionFacts
from tollhouse.billing.purchases import Purchase
from tollhouse.billing.readers import read_session
from tollhouse.billing.reading import Raw
from tollhouse.billing.reconcile.differences import (
    AMOUNT_DIFFERS,
    PAID_TWICE,
    PAYMENT_MISSING,
    PAYMENT_UNBACKED,
    PURCHASE_BEHIND,
    PURCHASE_STUCK,
    PURCHASE_UNKNOWN,
    Difference,
)
from tollhouse.billing.reconcile.run import PAGE_SIZE, Run
from tollhouse.billing.tables import payments
from tollhouse.billing.tables import purchases as table
from tollhouse.clock import HOUR
from tollhouse.db import Statement

PATH: Final = "/v1/checkout/sessions"
REFUSED: Final = ("requires_payment_method", "canceled")  # what a payment intent is after a bank has said no
SLOW_US: Final = HOUR  # so long after its end a purchase may wait for the event that says so


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written down of a payment."""

    user_id: str
    amount_minor: int
    currency: str


PAYMENT: Final = Statement(
    select(payments.c.user_id, payments.c.amount_minor, payments.c.currency).where(
        payments.c.id == bindparam("payment_id")
    ),
    Recorded,
)
_is_over: Final = table.c.expires_at < bindparam("now", type_=BigInteger) - SLOW_US
# Whatever may still change: where money is on its way, and where a page's time is over.
UNSETTLED: Final = Statement(
    select(*purchases.COLUMNS)
    .where(
        table.c.id > bindparam("after"),
        table.c.livemode == bindparam("livemode"),
        or_(
            table.c.status == PROCESSING,
            and_(or_(table.c.status == CREATING, table.c.status == OPEN), _is_over),
        ),
    )
    .order_by(table.c.id)
    .limit(bindparam("limit")),
    Purchase,
)


async def compare_sessions(run: Run) -> None:
    """Compare every session that we have made at Stripe in the window with its purchase."""
    async for raw in run.listed(PATH):
        session = run.read(raw, read_session)
        if session is not None and session.purchase_id is not None:  # others are not ours
            run.see(session.id)
            await compare_session(run, session)


async def compare_session(run: Run, session: SessionFacts) -> None:
    """Compare one session of ours with its purchase."""
    again = partial(run.again, f"{PATH}/{quote(session.id, safe='')}", read_session)
    await run.compare(session, partial(_look, run), partial(_mend, run), again)


async def compare_unsettled(run: Run) -> None:
    """Compare every purchase that waits with its session, however old it is."""
    after = ""
    find = partial(run.till.run.db.fetch_all, UNSETTLED, livemode=run.till.livemode, limit=PAGE_SIZE)
    while page := await find(after=after, now=run.till.run.now_us):
        after = page[-1].id
        run.report.compared["purchases"] += len(page)
        for purchase in page:
            session_id = purchase.checkout_session_id
            if purchase.status == PROCESSING or session_id is None or not run.has_seen(session_id):
                await _compare_unsettled(run, purchase)


async def _compare_unsettled(run: Run, purchase: Purchase) -> None:
    raw = None
    if purchase.checkout_session_id is not None:
        path = f"{PATH}/{quote(purchase.checkout_session_id, safe='')}"
        raw = await run.fetch(path, expand=["payment_intent", "subscription"])
    if raw is None:
        await run.judge(partial(_look_pageless, run, purchase), partial(_give_up, run, purchase))
    elif (session := run.read(raw, read_session)) is not None:
        if _is_refused(raw, session):
            await run.judge(partial(_look_refused, run, session), partial(_fail, run, session))
        else:
            await compare_session(run, session)


def _is_refused(raw: dict[str, Any], session: SessionFacts) -> bool:
    """Whether money that was on its way will not come any more, which a session by itself never tells."""
    found = Raw.of("session", raw)
    intent, subscription = found.value.get("payment_intent"), found.value.get("subscription")
    return (session.status, session.payment_status) == ("complete", "unpaid") and (
        (isinstance(intent, dict) and found.object("payment_intent").value.get("status") in REFUSED)
        or (isinstance(subscription, dict) and found.object("subscription").value.get("status") in ENDED)
    )


async def _look(run: Run, session: SessionFacts) -> Difference | None:
    purchase = await run.till.run.db.fetch_one(purchases.FIND, purchase_id=session.purchase_id)
    is_paid = session.status == "complete" and session.payment_status != "unpaid"
    if purchase is None:
        detail = "Stripe was paid for a purchase that is not in this database: it may belong to another one."
        return Difference(PURCHASE_UNKNOWN, session.id, None, detail) if is_paid else None
    if purchase.checkout_session_id not in (None, session.id):
        detail = f"Purchase {purchase.id} was paid on a second page of Stripe's as well: refund one of the two."
        return Difference(PAID_TWICE, session.id, purchase.user_id, detail) if is_paid else None
    if is_paid:
        return await _look_paid(run, session, purchase)
    return _look_unpaid(session, purchase)


async def _look_paid(run: Run, session: SessionFacts, purchase: Purchase) -> Difference | None:
    differ = partial(Difference, object_id=session.id, user_id=purchase.user_id)
    recorded = await run.till.run.db.fetch_one(PAYMENT, payment_id=purchase.id)
    if purchase.status != PAID or (purchase.mode == "payment" and recorded is None):
        detail = f"Stripe was paid for purchase {purchase.id}, which is {purchase.status} here."
        return differ(kind=PAYMENT_MISSING, detail=detail, is_repairable=True)
    if recorded is not None and recorded.amount_minor != (session.amount_total_minor or 0):
        detail = (
            f"Stripe was paid {session.amount_total_minor} {session.currency} for purchase {purchase.id}, "
            f"but {recorded.amount_minor} {recorded.currency} are written down."
        )
        return differ(kind=AMOUNT_DIFFERS, detail=detail)
    return None


def _look_unpaid(session: SessionFacts, purchase: Purchase) -> Difference | None:
    differ = partial(Difference, object_id=session.id, user_id=purchase.user_id)
    if purchase.status == PAID:
        detail = f"Purchase {purchase.id} is paid here, but Stripe says {session.status} and {session.payment_status}."
        return differ(kind=PAYMENT_UNBACKED, detail=detail)
    fitting = {"open": (CREATING, OPEN), "complete": (PROCESSING, FAILED)}.get(
        session.status or "", ("expired", FAILED)
    )
    if purchase.status in fitting:
        return None
    detail = f"Purchase {purchase.id} is {purchase.status} here, but its page at Stripe is {session.status}."
    return differ(kind=PURCHASE_BEHIND, detail=detail, is_repairable=session.status != "open")


async def _look_refused(run: Run, session: SessionFacts) -> Difference | None:
    purchase = await run.till.run.db.fetch_one(purchases.FIND, purchase_id=session.purchase_id)
    if purchase is None or purchase.status == FAILED:
        return None
    detail = f"Purchase {purchase.id} is {purchase.status} here, but the bank has refused the money."
    return Difference(PURCHASE_BEHIND, session.id, purchase.user_id, detail, is_repairable=True)


async def _fail(run: Run, session: SessionFacts) -> None:
    await run.till.run.db.transact(purchases.fail, run.till, session)


async def _mend(run: Run, session: SessionFacts) -> None:
    await run.till.run.db.transact(purchases.settle, run.till, session)


async def _look_pageless(run: Run, purchase: Purchase) -> Difference | None:
    now = await run.till.run.db.fetch_one(purchases.FIND, purchase_id=purchase.id)
    if now is None or now.status not in (CREATING, OPEN, PROCESSING):
        return None
    detail = f"The purchase is {now.status}, but Stripe has no page for it, and its time is over."
    return Difference(PURCHASE_STUCK, now.id, now.user_id, detail, is_repairable=now.status != PROCESSING)


async def _give_up(run: Run, purchase: Purchase) -> None:
    await run.till.run.db.write_one(EXPIRE, purchase_id=purchase.id, now=run.till.run.now_us)
