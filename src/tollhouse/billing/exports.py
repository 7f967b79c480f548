"""Everything that payments and credits keep about a user, for whoever asks for their data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import Table, bindparam, select

from tollhouse.billing.tables import customers, payments, purchases, subscriptions
from tollhouse.db import Statement
from tollhouse.ledger.tables import accounts, entries, holds, lots
from tollhouse.runtime import Runtime

# How a request is recognised that comes again, and what was asked of Stripe: nothing about the person.
LEFT_OUT: Final = frozenset({"fingerprint", "request", "claim", "idempotency_key"})


def _row_of(names: tuple[str, ...]) -> Callable[..., dict[str, Any]]:
    return partial(_named, names)


def _named(names: tuple[str, ...], *values: Any) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))


def _all_of(table: Table) -> Statement[dict[str, Any]]:
    names = tuple(name for name in table.c.keys() if name not in LEFT_OUT)  # noqa: SIM118 (columns, not a dict)
    of_user = select(*(table.c[name] for name in names)).where(table.c.user_id == bindparam("user_id"))
    return Statement(of_user.order_by(table.c.created_at), _row_of(names))


ACCOUNTS: Final = _all_of(accounts)
LOTS: Final = _all_of(lots)
ENTRIES: Final = _all_of(entries)
HOLDS: Final = _all_of(holds)
CUSTOMERS: Final = _all_of(customers)
PURCHASES: Final = _all_of(purchases)
PAYMENTS: Final = _all_of(payments)
SUBSCRIPTIONS: Final = _all_of(subscriptions)
PARTS: Final[Mapping[str, Statement[dict[str, Any]]]] = {
    "credits": ACCOUNTS,
    "lots": LOTS,
    "entries": ENTRIES,
    "holds": HOLDS,
    "customers": CUSTOMERS,
    "purchases": PURCHASES,
    "payments": PAYMENTS,
    "subscriptions": SUBSCRIPTIONS,
}


async def export(run: Runtime, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """Return a user's credits, purchases, payments and subscriptions, as JSON values; times in microseconds UTC.

    Names, addresses and cards are with Stripe, under the ids in `customers`.
    """
    return {name: await run.db.fetch_all(statement, user_id=user_id) for name, statement in PARTS.items()}
