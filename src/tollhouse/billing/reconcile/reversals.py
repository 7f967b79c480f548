"""Refunds and disputes against what was taken back for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import and_, bindparam, or_, select

from tollhouse.billing import refresh
from tollhouse.billing.facts import ReversalFacts
from tollhouse.billing.readers import read_dispute, read_refund
from tollhouse.billing.reading import Raw
from tollhouse.billing.reconcile.differences import (
    AMOUNT_DIFFERS,
    REVERSAL_MISSING,
    REVERSAL_UNBACKED,
    Difference,
)
from tollhouse.billing.reconcile.rereading import read_again
from tollhouse.billing.reconcile.run import PAGE_SIZE, Run
from tollhouse.billing.tables import payments
from tollhouse.billing.tables import reversals as table
from tollhouse.db import Statement

REFUNDS: Final = "/v1/refunds"
DISPUTES: Final = "/v1/disputes"
READERS: Final[dict[str, Callable[[dict[str, Any]], ReversalFacts]]] = {REFUNDS: read_refund, DISPUTES: read_dispute}
PATHS: Final = {refresh.REFUND: REFUNDS, refresh.DISPUTE: DISPUTES}
MOVED: Final = ("nothing has moved", "the money is gone", "the money is back")
BACK: Final = 2


@dataclass(frozen=True, slots=True)
class Noted:
    """A refund or dispute as it was written down."""

    id: str
    kind: str
    payment_id: str | None
    amount_minor: int
    stage: int


_columns: Final = tuple(table.c[name] for name in Noted.__dataclass_fields__)
FIND: Final = Statement(select(*_columns).where(table.c.id == bindparam("reversal_id")), Noted)
PAYER: Final = Statement(
    select(payments.c.user_id).where(
        payments.c.payment_intent_id == bindparam("payment_intent_id"), payments.c.livemode == bindparam("livemode")
    ),
    str,
)
OWNER: Final = Statement(select(payments.c.user_id).where(payments.c.id == bindparam("payment_id")), str)
# Those of the window, and older ones that are not over: disputes take months.
OWN: Final = Statement(
    select(*_columns)
    .where(
        table.c.id > bindparam("after"),
        table.c.livemode == bindparam("livemode"),
        table.c.payment_id.is_not(None),
        or_(
            and_(table.c.created_at >= bindparam("since"), table.c.created_at < bindparam("until")),
            and_(table.c.kind == refresh.DISPUTE, table.c.stage < BACK, table.c.status != "lost"),
            and_(
                table.c.kind == refresh.REFUND,
                or_(table.c.status == "pending", table.c.status == "requires_action"),
            ),
        ),
    )
    .order_by(table.c.id)
    .limit(bindparam("limit")),
    Noted,
)


async def compare_refunds(run: Run) -> None:
    """Compare every refund of the window with what was noted of it."""
    async for raw in run.listed(REFUNDS):
        await _compare(run, raw, read_refund)


async def compare_disputes(run: Run) -> None:
    """Compare every dispute of the window with what was noted of it."""
    async for raw in run.listed(DISPUTES):
        await _compare(run, raw, read_dispute)


async def compare_own(run: Run) -> None:
    """Compare every refund and dispute of ours that Stripe has not listed, and that should be there or may change."""
    after = ""
    db, report = run.till.run.db, run.report
    while page := await db.fetch_all(
        OWN, after=after, livemode=run.till.livemode, since=report.since, until=report.until, limit=PAGE_SIZE
    ):
        after = page[-1].id
        report.compared["reversals"] += len(page)
        for noted in page:
            if not run.has_seen(noted.id):
                await _compare_missed(run, noted)


async def _compare(run: Run, raw: dict[str, Any], reader: Callable[[dict[str, Any]], ReversalFacts]) -> None:
    facts = run.read(raw, reader)
    if facts is None:
        return
    run.see(facts.id)
    user_id = await _find_payer(run, facts)
    if user_id is not None:  # else it is of a payment that is not ours, or is missed itself
        again = partial(run.again, f"{PATHS[facts.kind]}/{quote(facts.id, safe='')}", reader)
        await run.compare(facts, partial(_look, run, user_id), partial(read_again, run, facts.kind), again)


async def _find_payer(run: Run, facts: ReversalFacts) -> str | None:
    """Return who had paid what goes back, by our own books or by the invoice that Stripe says it was."""
    db, intent_id = run.till.run.db, facts.payment_intent_id
    if intent_id is None:
        return None
    own = await db.fetch_one(PAYER, payment_intent_id=intent_id, livemode=run.till.livemode)
    if own is not None:
        return own
    payment = {"type": "payment_intent", "payment_intent": intent_id}
    async for raw in run.till.stripe.pages("/v1/invoice_payments", background=True, payment=payment):
        invoice_id = Raw.of("invoice_payment", raw).id_or_none("invoice")
        if invoice_id is not None:
            return await db.fetch_one(OWNER, payment_id=invoice_id)
    return None


async def _compare_missed(run: Run, noted: Noted) -> None:
    path = PATHS[noted.kind]
    raw = await run.fetch(f"{path}/{quote(noted.id, safe='')}")
    if raw is not None:
        await _compare(run, raw, READERS[path])
        return
    detail = f"The {noted.kind} counts here against payment {noted.payment_id}, but Stripe knows no such {noted.kind}."
    run.add(Difference(REVERSAL_UNBACKED, noted.id, None, detail))


async def _look(run: Run, user_id: str, facts: ReversalFacts) -> Difference | None:
    noted = await run.till.run.db.fetch_one(FIND, reversal_id=facts.id)
    differ = partial(Difference, object_id=facts.id, user_id=user_id)
    if noted is None or noted.payment_id is None or noted.stage < facts.stage:
        known = "nothing" if noted is None or noted.payment_id is None else MOVED[noted.stage]
        detail = f"Of this {facts.kind} Stripe says that {MOVED[facts.stage]}; noted here is: {known}."
        return differ(kind=REVERSAL_MISSING, detail=detail, is_repairable=True)
    if noted.stage > facts.stage:
        detail = f"Of this {facts.kind} Stripe says that {MOVED[facts.stage]}; noted here is: {MOVED[noted.stage]}."
        return differ(kind=REVERSAL_UNBACKED, detail=detail)
    if noted.amount_minor != facts.amount_minor:
        detail = f"The {facts.kind} is over {facts.amount_minor} at Stripe, and over {noted.amount_minor} here."
        return differ(kind=AMOUNT_DIFFERS, detail=detail, is_repairable=True)
    return None
