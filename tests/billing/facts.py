"""Facts as they are read from Stripe's objects, and a till without a network that takes them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from sqlalchemy import Table, insert, select

from tests.billing.shop import PRODUCTS
from tests.db.rows import open_database
from tollhouse.billing.catalogue import Catalogue
from tollhouse.billing.facts import InvoiceFacts, InvoiceLine, ReversalFacts, SessionFacts, SubscriptionFacts
from tollhouse.billing.tables import customers, prices, purchases
from tollhouse.billing.till import Till
from tollhouse.clock import DAY, Clock
from tollhouse.db import Database, Statement, Transaction
from tollhouse.events import Outbox
from tollhouse.events.tables import events
from tollhouse.ledger.tables import accounts, entries
from tollhouse.limits import Flood
from tollhouse.runtime import Runtime
from tollhouse.testing.kit_settings import STRIPE, make_settings

ALICE = "usr_alice"
NOW = 1_800_000_000_000_000
MONTH = 30 * DAY
OFTEN: list[dict[str, Any]] = [
    *PRODUCTS,
    {
        "id": "roll",
        "name": "Roll",
        "rollover": True,
        "features": ["rolling"],
        "prices": [
            {"id": "roll-monthly", "mode": "subscription", "unit_amount_minor": 1000, "currency": "eur"}
            | {"interval": "month", "credits": 50, "trial_days": 7, "trial_credits": 5}
        ],
    },
    {
        "id": "kept",
        "name": "Kept",
        "features": ["lasting"],
        "prices": [
            {"id": "kept-once", "unit_amount_minor": 1000, "currency": "eur", "credits": 30}
            | {"credits_lifetime_days": 10}
        ],
    },
]


class StillClock(Clock):
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        super().__init__()
        self.at = NOW

    def now_us(self) -> int:
        return self.at


class FakeAccount:
    """An account in test mode that nobody may ask anything."""

    livemode = False


Work = Callable[[Transaction, Till], Awaitable[Any]]


class Desk:
    """A till over a database: what is written through it, and what then lies there."""

    def __init__(self, db: Database, *, livemode: bool = False) -> None:
        self.db = db
        self.clock = StillClock()
        settings = make_settings(**STRIPE, products=OFTEN)
        outbox = Outbox(db, self.clock)
        run = Runtime(settings, self.clock, db, cast("Any", None), outbox, Flood(settings.redis_url))
        account = FakeAccount()
        account.livemode = livemode
        self.till = Till(run, cast("Any", account), Catalogue(settings, livemode=livemode))

    async def stock(self) -> None:
        """Know Stripe's prices, which are called like ours, and Alice as a customer."""
        rows = [(price, product) for product in OFTEN for price in product["prices"]]
        for price, _ in rows:
            await self.add(
                prices,
                stripe_price_id=f"price_{price['id']}",
                livemode=0,
                price_id=price["id"],
                unit_amount_minor=price["unit_amount_minor"],
                currency=price["currency"],
                is_current=1,
                seen_at=NOW,
            )
        await self.add(customers, user_id=ALICE, livemode=0, customer_id="cus_alice", generation=0, created_at=NOW)
        await self.till.catalogue.learn(self.db)

    async def add(self, table: Table, **row: Any) -> None:
        await self.db.write(Statement(insert(table).values(**row), str))

    async def do(self, work: Callable[..., Awaitable[Any]], *arguments: Any, **more: Any) -> Any:
        return await self.db.transact(work, self.till, *arguments, **more)

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        names = table.c.keys()
        return await self.db.fetch_all(Statement(select(table), lambda *row: dict(zip(names, row, strict=True))))

    async def row(self, table: Table) -> dict[str, Any]:
        (found,) = await self.rows(table)
        return found

    async def told(self) -> list[str]:
        """The types of all events for the app, in order."""
        rows = await self.rows(events)
        return [row["type"] for row in sorted(rows, key=lambda row: row["sequence"])]

    async def balance(self) -> int:
        found = await self.rows(accounts)
        total = sum(row["credits"] for row in await self.rows(entries))
        balance = found[0]["balance"] if found else 0
        assert balance == total
        return balance

    async def begin(self, price: str = "pack-100", **row: Any) -> str:
        """A purchase of Alice's whose page is open."""
        product = next(product for product in OFTEN for each in product["prices"] if each["id"] == price)
        terms = next(each for each in product["prices"] if each["id"] == price)
        usual: dict[str, Any] = {
            "id": "pur_1",
            "user_id": ALICE,
            "livemode": 0,
            "product_id": product["id"],
            "price_id": price,
            "mode": terms.get("mode", "payment"),
            "quantity": 1,
            "credits": terms.get("credits", 0),
            "status": "open",
            "claim": None,
            "fingerprint": b"x",
            "request": "{}",
            "checkout_session_id": "cs_1",
            "created_at": NOW,
            "expires_at": NOW + DAY,
        }
        await self.add(purchases, **usual | row)
        return (usual | row)["id"]


@asynccontextmanager
async def open_desk(url: str) -> AsyncIterator[Desk]:
    """A stocked desk on a migrated database."""
    db = await open_database(url)
    try:
        desk = Desk(db)
        await desk.stock()
        yield desk
    finally:
        await db.close()


def session(**changes: Any) -> SessionFacts:
    usual: dict[str, Any] = {
        "id": "cs_1",
        "mode": "payment",
        "status": "complete",
        "payment_status": "paid",
        "purchase_id": "pur_1",
        "customer_id": "cus_alice",
        "payment_intent_id": "pi_1",
        "subscription_id": None,
        "invoice_id": None,
        "amount_total_minor": 500,
        "currency": "usd",
        "url": None,
        "expires_at": None,
    }
    return SessionFacts(**usual | changes)


def line(price: str = "pro-monthly", **changes: Any) -> InvoiceLine:
    usual: dict[str, Any] = {
        "stripe_price_id": f"price_{price}",
        "quantity": 1,
        "amount_minor": 900,
        "is_proration": False,
        "period_start": NOW,
        "period_end": NOW + MONTH,
    }
    return InvoiceLine(**usual | changes)


def invoice(*lines: InvoiceLine, **changes: Any) -> InvoiceFacts:
    usual: dict[str, Any] = {
        "id": "in_1",
        "status": "paid",
        "customer_id": "cus_alice",
        "subscription_id": "sub_1",
        "billing_reason": "subscription_create",
        "amount_paid_minor": 900,
        "currency": "eur",
        "payment_intent_id": None,
        "lines": lines or (line(),),
        "has_more_lines": False,
        "purchase_id": None,
        "created_at": NOW,
        "paid_at": NOW,
        "hosted_url": None,
        "number": None,
    }
    return InvoiceFacts(**usual | changes)


def subscription(**changes: Any) -> SubscriptionFacts:
    usual: dict[str, Any] = {
        "id": "sub_1",
        "status": "active",
        "customer_id": "cus_alice",
        "stripe_price_id": "price_pro-monthly",
        "quantity": 1,
        "current_period_start": NOW,
        "current_period_end": NOW + MONTH,
        "cancel_at": None,
        "trial_end": None,
        "ended_at": None,
        "created_at": NOW,
        "purchase_id": None,
        "user_id": ALICE,
        "latest_invoice": None,
    }
    return SubscriptionFacts(**usual | changes)


def refund(amount: int = 500, stage: int = 1, **changes: Any) -> ReversalFacts:
    usual: dict[str, Any] = {
        "id": "re_1",
        "kind": "refund",
        "payment_intent_id": "pi_1",
        "charge_id": "ch_1",
        "amount_minor": amount,
        "currency": "usd",
        "status": ("pending", "succeeded", "failed")[stage],
        "stage": stage,
        "created_at": NOW,
    }
    return ReversalFacts(**usual | changes)


def dispute(amount: int = 500, stage: int = 1, **changes: Any) -> ReversalFacts:
    status = ("needs_response", "lost", "won")[stage]
    return refund(amount, stage, **{"id": "du_1", "kind": "dispute", "status": status} | changes)
