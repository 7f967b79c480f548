"""The ledger against itself: each account's balance against its entries, its lots and its holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, bindparam, cast, func, select

from tollhouse.billing.reconcile.differences import (
    BALANCE_DIFFERS,
    ENTRIES_MISSING,
    HOLDS_DIFFER,
    LOTS_DIFFER,
    Difference,
)
from tollhouse.billing.reconcile.run import PAGE_SIZE, Run
from tollhouse.db import Statement
from tollhouse.ledger.tables import accounts, entries, holds, lots


@dataclass(frozen=True, slots=True)
class Books:
    """An account, and the sums that it must agree with."""

    user_id: str
    balance: int
    held: int
    debt: int
    entries: int
    entries_sum: int
    entries_count: int
    entries_last: int
    lots_sum: int
    lots_held: int
    holds_sum: int


def _of_account(table: Any, what: Any, *conditions: Any) -> Any:
    # PostgreSQL sums to NUMERIC; the columns hold whole numbers, and so does their sum.
    value = cast(func.coalesce(what, 0), BigInteger)
    return select(value).where(table.c.user_id == accounts.c.user_id, *conditions).scalar_subquery()


_columns: Final = (
    *(accounts.c[name] for name in ("user_id", "balance", "held", "debt", "entries")),
    _of_account(entries, func.sum(entries.c.credits)),
    _of_account(entries, func.count()),
    _of_account(entries, func.max(entries.c.number)),
    _of_account(lots, func.sum(lots.c.remaining), lots.c.remaining > 0),
    _of_account(lots, func.sum(lots.c.held), lots.c.remaining > 0),
    _of_account(holds, func.sum(holds.c.credits - holds.c.captured), holds.c.status == "held"),
)
# One statement sees one moment, so nothing needs to be locked.
PAGE: Final = Statement(
    select(*_columns)
    .where(accounts.c.user_id > bindparam("after"))
    .order_by(accounts.c.user_id)
    .limit(bindparam("limit")),
    Books,
)


async def compare_accounts(run: Run) -> None:
    """Compare every account with what it is made of; nothing here can be repaired without a person."""
    after = ""
    while page := await run.till.run.db.fetch_all(PAGE, after=after, limit=PAGE_SIZE):
        after = page[-1].user_id
        run.report.compared["accounts"] += len(page)
        for books in page:
            for difference in _differences(books):
                run.add(difference)


def _differences(books: Books) -> Iterator[Difference]:
    def differ(kind: str, detail: str) -> Difference:
        return Difference(kind, books.user_id, books.user_id, detail)

    if books.balance != books.entries_sum:
        yield differ(
            BALANCE_DIFFERS,
            f"The balance is {books.balance}, but the entries add up to {books.entries_sum}.",
        )
    if not books.entries == books.entries_count == books.entries_last:
        yield differ(
            ENTRIES_MISSING,
            f"The account counts {books.entries} entries, but there are {books.entries_count}, "
            f"numbered up to {books.entries_last}.",
        )
    if books.balance + books.debt != books.lots_sum:
        yield differ(
            LOTS_DIFFER,
            f"The lots hold {books.lots_sum} credits, but balance and debt make {books.balance + books.debt}.",
        )
    if not books.held == books.lots_held == books.holds_sum:
        yield differ(
            HOLDS_DIFFER,
            f"The account holds back {books.held} credits, its lots {books.lots_held}, its holds {books.holds_sum}.",
        )
