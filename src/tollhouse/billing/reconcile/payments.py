"""Payments of ours: whether Stripe was paid them, and whether their credits are in the ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import BigInteger, bindparam, cast, func, or_, select

from tollhouse.billing import refresh
from tollhouse.billing.reconcile import invoices, sessions
from tollhouse.billing.reconcile.differences import (
    AMOUNT_DIFFERS,
    CLAWBACK_DIFFERS,
    CREDITS_DIFFER,
    PAYMENT_UNBACKED,
    Difference,
)
from tollhouse.billing.reconcile.rereading import read_again_by_id
from tollhouse.billing.reconcile.run import PAGE_SIZE, Run
from tollhouse.billing.tables import payments as table
from tollhouse.billing.tables import purchases, reversals
from tollhouse.db import Statement
from tollhouse.ledger.entries import CLAWBACK, EXPIRY, GRANT, RESTORE
from tollhouse.ledger.tables import entries

GONE: Final = 1


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment, what went back of it, and what the ledger says was granted and taken back for it."""

    id: str
    user_id: str
    purchase_id: str | None
    payment_intent_id: str | None
    checkout_session_id: str | None
    amount_minor: int
    currency: str
    credits: int
    reversed_minor: int
    reversed_credits: int
    created_at: int
    gone_minor: int
    granted: int
    taken: int
    expired: int

    @property
    def target_minor(self) -> int:
        """What should count as gone."""
        return min(self.amount_minor, self.gone_minor)

    @property
    def target_credits(self) -> int:
        """What should be taken back."""
        if not self.amount_minor:
            return 0
        return self.credits * self.target_minor // self.amount_minor

    @property
    def least_credits(self) -> int:
        """What must be taken back at least: what had expired unused before is not asked for again."""
        return min(self.target_credits, self.granted - self.expired)


def _sum(column: Any, *conditions: Any) -> Any:
    # PostgreSQL sums to NUMERIC; the columns hold whole numbers, and so does their sum.
    return select(cast(func.coalesce(func.sum(column), 0), BigInteger)).where(*conditions).scalar_subquery()


_of_source: Final = entries.c.source_id == table.c.id
_session: Final = (
    select(purchases.c.checkout_session_id).where(purchases.c.id == table.c.id).scalar_subquery().label("session_id")
)
_columns: Final = (
    *(table.c[name] for name in ("id", "user_id", "purchase_id", "payment_intent_id")),
    _session,
    *(table.c[name] for name in ("amount_minor", "currency", "credits", "reversed_minor", "reversed_credits")),
    table.c.created_at,
    _sum(reversals.c.amount_minor, reversals.c.payment_id == table.c.id, reversals.c.stage == GONE),
    _sum(entries.c.credits, _of_source, entries.c.kind == GRANT),
    _sum(-entries.c.credits, _of_source, or_(entries.c.kind == CLAWBACK, entries.c.kind == RESTORE)),
    _sum(-entries.c.credits, _of_source, entries.c.kind == EXPIRY),
)
PAGE: Final = Statement(
    select(*_columns)
    .where(
        table.c.id > bindparam("after"),
        table.c.livemode == bindparam("livemode"),
        table.c.created_at >= bindparam("since"),
        table.c.created_at < bindparam("until"),
    )
    .order_by(table.c.id)
    .limit(bindparam("limit")),
    Payment,
)
FIND: Final = Statement(select(*_columns).where(table.c.id == bindparam("payment_id")), Payment)


async def compare_payments(run: Run) -> None:
    """Compare every payment written down in the window with Stripe's object, unless that was listed, and the ledger."""
    async for payment in _pages(run):
        listed = payment.checkout_session_id if payment.purchase_id == payment.id else payment.id
        if listed is None or not run.has_seen(listed):
            await _compare_missed(run, payment)
        _compare_credits(run, payment)
        mend = None
        if payment.payment_intent_id is not None:
            mend = partial(read_again_by_id, run, refresh.PAYMENT_INTENT, payment.payment_intent_id)
        await run.judge(partial(_look_at_clawback, run, payment.id), mend)


async def _pages(run: Run) -> AsyncIterator[Payment]:
    after = ""
    report = run.report
    while page := await run.till.run.db.fetch_all(
        PAGE, after=after, livemode=run.till.livemode, since=report.since, until=report.until, limit=PAGE_SIZE
    ):
        after = page[-1].id
        report.compared["payments"] += len(page)
        for payment in page:
            yield payment


async def _compare_missed(run: Run, payment: Payment) -> None:
    """Ask Stripe for the session or the invoice of a payment, for neither was made in the window."""
    if payment.purchase_id == payment.id:
        session_id = payment.checkout_session_id
        raw = await run.fetch(f"{sessions.PATH}/{quote(session_id, safe='')}") if session_id else None
        paid, is_paid = (
            (raw or {}).get("amount_total"),
            (raw or {}).get("payment_status") in ("paid", "no_payment_required"),
        )
    else:
        raw = await run.fetch(f"{invoices.PATH}/{quote(payment.id, safe='')}")
        paid, is_paid = (raw or {}).get("amount_paid"), (raw or {}).get("status") == "paid"
    if not is_paid:
        told = "knows nothing of it" if raw is None else "says that it is not paid"
        detail = f"A payment of {payment.amount_minor} {payment.currency} is written down, but Stripe {told}."
        run.add(Difference(PAYMENT_UNBACKED, payment.id, payment.user_id, detail))
    elif paid != payment.amount_minor:
        detail = f"Stripe was paid {paid}, but {payment.amount_minor} {payment.currency} are written down."
        run.add(Difference(AMOUNT_DIFFERS, payment.id, payment.user_id, detail))


def _compare_credits(run: Run, payment: Payment) -> None:
    if payment.granted != payment.credits:
        detail = f"The payment brings {payment.credits} credits, but the ledger was given {payment.granted} for it."
        run.add(Difference(CREDITS_DIFFER, payment.id, payment.user_id, detail))


async def _look_at_clawback(run: Run, payment_id: str) -> Difference | None:
    payment = await run.till.run.db.fetch_one(FIND, payment_id=payment_id)
    if payment is None:
        return None
    differ = partial(Difference, CLAWBACK_DIFFERS, payment.id, payment.user_id)
    if not payment.least_credits <= payment.taken <= payment.target_credits:
        detail = (
            f"{payment.target_minor} of {payment.amount_minor} {payment.currency} went back, "
            f"so {payment.target_credits} of {payment.credits} credits should be taken back, "
            f"but the ledger says {payment.taken}."
        )
        return differ(detail, is_repairable=payment.payment_intent_id is not None)
    if (payment.reversed_minor, payment.reversed_credits) != (payment.target_minor, payment.taken):
        detail = (
            f"The payment counts {payment.reversed_minor} and {payment.reversed_credits} credits as gone back, "
            f"but it is {payment.target_minor} and {payment.taken}."
        )
        return differ(detail, is_repairable=payment.payment_intent_id is not None)
    return None
