"""Purchases: begun before Stripe is asked, settled once when the money is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Text, bindparam, func, or_, select, update

from tollhouse.billing import payments, refresh
from tollhouse.billing.facts import SessionFacts
from tollhouse.billing.outcomes import ACCEPTED, NOT_OURS, PARKED, PROCESSED, Outcome, Settled, tell
from tollhouse.billing.purchase_events import facts_of, failed
from tollhouse.billing.tables import purchases as table
from tollhouse.billing.till import Till
from tollhouse.clock import DAY
from tollhouse.db import Statement, Transaction
from tollhouse.ledger.grants import Source
from tollhouse.runtime import Happened


@dataclass(frozen=True, slots=True)
class Purchase:
    """A purchase as it is stored; times in microseconds UTC."""

    id: str
    user_id: str
    livemode: int
    product_id: str
    price_id: str
    mode: str
    quantity: int
    credits: int
    status: str
    fingerprint: bytes
    request: str
    success_url: str | None
    cancel_url: str | None
    url: str | None
    checkout_session_id: str | None
    payment_intent_id: str | None
    subscription_id: str | None
    amount_minor: int | None
    currency: str | None
    created_at: int
    expires_at: int
    completed_at: int | None
    paid_at: int | None


COLUMNS: Final = tuple(table.c[name] for name in Purchase.__dataclass_fields__)
FIND: Final = Statement(select(*COLUMNS).where(table.c.id == bindparam("purchase_id")), Purchase)
FIND_BY_SESSION: Final = Statement(
    select(*COLUMNS).where(table.c.checkout_session_id == bindparam("checkout_session_id")), Purchase
)
LIST: Final = Statement(
    select(*COLUMNS)
    .where(table.c.user_id == bindparam("user_id"), table.c.livemode == bindparam("livemode"))
    .order_by(table.c.created_at.desc(), table.c.id.desc())
    .limit(bindparam("limit")),
    Purchase,
)


def _move(*conditions: Any, **values: Any) -> Statement[Purchase]:
    """Return what moves a purchase on, if its session is this one, or is not known yet: its maker may have died."""
    core = (
        update(table)
        .where(
            table.c.id == bindparam("purchase_id"),
            table.c.livemode == bindparam("mode"),
            or_(table.c.checkout_session_id.is_(None), table.c.checkout_session_id == bindparam("session_id")),
            *conditions,
        )
        .values(
            claim=None,
            checkout_session_id=bindparam("session_id"),
            payment_intent_id=func.coalesce(bindparam("new_payment_intent_id", type_=Text), table.c.payment_intent_id),
            subscription_id=func.coalesce(bindparam("new_subscription_id", type_=Text), table.c.subscription_id),
            **values,
        )
        .returning(*COLUMNS)
    )
    return Statement(core, Purchase)


_is_new: Final = table.c.completed_at.is_(None)
_paid: Final[dict[str, Any]] = {
    "status": "paid",
    "paid_at": bindparam("now"),
    "amount_minor": bindparam("new_amount_minor"),
    "currency": bindparam("new_currency"),
}
# Whatever it was, even expired by our own clock: the money is there. Whether it was completed before is for the events.
PAY_NEW: Final = _move(_is_new, table.c.status != "paid", **_paid, completed_at=bindparam("now"))
PAY_COMPLETED: Final = _move(~_is_new, table.c.status != "paid", **_paid)
AWAIT: Final = _move(_is_new, table.c.status != "paid", status="processing", completed_at=bindparam("now"))
FAIL_NEW: Final = _move(_is_new, table.c.status != "paid", status="failed", completed_at=bindparam("now"))
FAIL_COMPLETED: Final = _move(table.c.status == "processing", status="failed")
EXPIRE: Final = _move(or_(table.c.status == "creating", table.c.status == "open"), status="expired")


async def settle(tx: Transaction, till: Till, facts: SessionFacts) -> Outcome:
    """Bring a purchase to where its Checkout Session is, and grant what was paid: once, whoever comes how often."""
    if facts.purchase_id is None:
        return NOT_OURS
    if facts.status == "complete":
        return await (_await_money if facts.payment_status == "unpaid" else _pay)(tx, till, facts)
    if facts.status == "expired":
        purchase = await _try(tx, till, EXPIRE, facts)
        if purchase is not None:
            return await tell(tx, till, _settled(purchase, ("checkout.expired", facts_of(purchase))))
    return await _as_it_was(tx, till, facts)


async def fail(tx: Transaction, till: Till, facts: SessionFacts) -> Outcome:
    """Note that the money of a completed session will not come, unless it is there: final for that session."""
    if facts.purchase_id is None:
        return NOT_OURS
    if facts.payment_status != "unpaid":
        return await settle(tx, till, facts)
    if (purchase := await _try(tx, till, FAIL_NEW, facts, now=till.run.now_us)) is not None:
        happened = [("checkout.completed", facts_of(purchase)), failed(purchase, None)]
        return await tell(tx, till, _settled(purchase, *happened))
    if (purchase := await _try(tx, till, FAIL_COMPLETED, facts)) is not None:
        return await tell(tx, till, _settled(purchase, failed(purchase, None)))
    return await _as_it_was(tx, till, facts)


async def _pay(tx: Transaction, till: Till, facts: SessionFacts) -> Outcome:
    money = {
        "now": till.run.now_us,
        "new_amount_minor": facts.amount_total_minor or 0,
        "new_currency": facts.currency,
    }
    happened: list[Happened] = []
    if (purchase := await _try(tx, till, PAY_NEW, facts, **money)) is not None:
        happened.append(("checkout.completed", facts_of(purchase)))
    else:
        purchase = await _try(tx, till, PAY_COMPLETED, facts, **money)
    if purchase is None:
        known = await _own(tx, till, facts)
        # Paid already: its payment is there too, unless somebody has lost it, and then it is made good.
        if known is None or known.mode != "payment":
            return await _as_it_was(tx, till, facts)
        purchase = known
    if purchase.mode != "payment":
        if facts.subscription_id is not None:  # whose credits come with its invoice, and with nothing else
            await refresh.want(tx, till, refresh.SUBSCRIPTION, facts.subscription_id)
        return await tell(tx, till, Settled(Outcome(ACCEPTED, user_id=purchase.user_id), happened))
    happened += await payments.record(tx, till, _payment(till, purchase, facts), _grants(till, purchase))
    return await tell(tx, till, _settled(purchase, *happened))


def _payment(till: Till, purchase: Purchase, facts: SessionFacts) -> payments.Payment:
    return payments.Payment(
        id=purchase.id,
        user_id=purchase.user_id,
        livemode=purchase.livemode,
        purchase_id=purchase.id,
        subscription_id=None,
        payment_intent_id=facts.payment_intent_id,
        product_id=purchase.product_id,
        price_id=purchase.price_id,
        amount_minor=facts.amount_total_minor or 0,
        currency=facts.currency or "",
        credits=purchase.credits,
        reversed_minor=0,
        reversed_credits=0,
        paid_at=till.run.now_us,
        created_at=till.run.now_us,
    )


def _grants(till: Till, purchase: Purchase) -> list[payments.Grant]:
    if purchase.credits <= 0:
        return []
    price = till.catalogue.prices.get(purchase.price_id)
    days = price.terms.credits_lifetime_days if price is not None else None
    expires_at = None if days is None else till.run.now_us + days * DAY
    return [payments.Grant(purchase.credits, Source("purchase", purchase.id), expires_at)]


async def _await_money(tx: Transaction, till: Till, facts: SessionFacts) -> Outcome:
    purchase = await _try(tx, till, AWAIT, facts, now=till.run.now_us)
    if purchase is None:
        return await _as_it_was(tx, till, facts)
    return await tell(tx, till, _settled(purchase, ("checkout.completed", facts_of(purchase))))


async def _try(
    tx: Transaction, till: Till, statement: Statement[Purchase], facts: SessionFacts, **more: Any
) -> Purchase | None:
    return await tx.fetch_one(
        statement,
        purchase_id=facts.purchase_id,
        mode=till.livemode,
        session_id=facts.id,
        new_payment_intent_id=facts.payment_intent_id,
        new_subscription_id=facts.subscription_id,
        **more,
    )


async def find_own(tx: Transaction, till: Till, purchase_id: str | None) -> Purchase | None:
    """Return the purchase that metadata names, or None: of the other mode, or of another database."""
    found = await tx.fetch_one(FIND, purchase_id=purchase_id) if purchase_id is not None else None
    return found if found is not None and found.livemode == till.livemode else None


async def _own(tx: Transaction, till: Till, facts: SessionFacts) -> Purchase | None:
    found = await find_own(tx, till, facts.purchase_id)
    return found if found is not None and found.checkout_session_id in (None, facts.id) else None


async def _as_it_was(tx: Transaction, till: Till, facts: SessionFacts) -> Outcome:
    """Return the outcome where nothing was to be changed; money for a second page of a purchase needs a person."""
    purchase = await find_own(tx, till, facts.purchase_id)
    if purchase is None:
        return NOT_OURS
    if purchase.checkout_session_id in (None, facts.id):
        return Outcome(PROCESSED, user_id=purchase.user_id)
    if facts.status == "complete" and facts.payment_status != "unpaid":
        reason = f"Purchase {purchase.id} was paid on a second page as well: refund one of the two."
        return Outcome(PARKED, reason, purchase.user_id)
    return Outcome(PROCESSED, "The purchase has another page.", purchase.user_id)


def _settled(purchase: Purchase, *happened: Happened) -> Settled:
    return Settled(Outcome(PROCESSED, user_id=purchase.user_id), happened)
