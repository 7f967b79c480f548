"""Spending credits."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sqlalchemy import BigInteger, bindparam, insert, or_, select, update

from tollhouse.db import Statement, Together, Transaction
from tollhouse.ledger import accounts, entries, holds, lots
from tollhouse.ledger.amounts import check_credits
from tollhouse.ledger.book import Book
from tollhouse.ledger.entries import Entry
from tollhouse.ledger.tables import accounts as accounts_table
from tollhouse.ledger.tables import allocations
from tollhouse.ledger.tables import lots as lots_table
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

_account, _lot = accounts_table.c, lots_table.c
_credits: Final = bindparam("taken", type_=BigInteger)
# This one statement decides; it also locks the account until the transaction ends.
DRAW: Final = Statement(
    update(accounts_table)
    .where(
        _account.user_id == bindparam("owner"),
        _account.balance + _account.debt - _account.held >= _credits,
        or_(_account.expires_next_at.is_(None), _account.expires_next_at > bindparam("now")),
    )
    .values(balance=_account.balance - _credits, entries=_account.entries + 1)
    .returning(*accounts.COLUMNS),
    accounts.Account,
)
_next: Final = (
    select(_lot.id)
    .where(_lot.user_id == bindparam("owner"), _lot.remaining > 0, _lot.remaining > _lot.held)
    .order_by(_lot.expires_at.nulls_last(), _lot.created_at, _lot.id)
    .limit(1)
    .scalar_subquery()
)
DRAW_LOT: Final = Statement(
    update(lots_table)
    .where(_lot.id == _next, _lot.remaining - _lot.held >= _credits)
    .values(remaining=_lot.remaining - _credits)
    .returning(_lot.id),
    str,
)
ALLOCATE: Final = Statement(
    insert(allocations).values(entry_id=bindparam("id"), lot_id=bindparam("lot_id"), credits=_credits), str
)
WRITE: Final = Together(entries.ADD, ALLOCATE)


async def spend(
    tx: Transaction, run: Runtime, user_id: str, credits: int, *, reference: str | None = None
) -> list[Entry]:
    """Spend credits and return the entries, the spend the last of its kind among them.

    Raises `CreditsInsufficient` and `CreditsInvalid`.
    """
    check_credits(credits)
    now = run.now_us
    drawn = await tx.fetch_one(DRAW, owner=user_id, taken=credits, now=now)
    if drawn is None:  # too few, or something is overdue that must end first
        return await _spend_by_book(await Book.open(tx, run, user_id), credits, reference)
    lot_id = await tx.fetch_one(DRAW_LOT, owner=user_id, taken=credits)
    if lot_id is None:  # more than the next lot holds
        before = replace(drawn, balance=drawn.balance + credits, entries=drawn.entries - 1)
        book = Book(tx, now, user_id, before, await tx.fetch_all(lots.LIVING, user_id=user_id))
        return await _spend_by_book(book, credits, reference)
    entry_id = create_id("ent", now)
    after = (drawn.balance, drawn.debt)
    entry = Entry(entry_id, user_id, drawn.entries, entries.SPEND, "usage", -credits, *after, None, reference, now)
    await tx.execute_together(WRITE, **entries.row_of(entry), lot_id=lot_id, taken=credits)
    return [entry]


async def _spend_by_book(book: Book, credits: int, reference: str | None) -> list[Entry]:
    if book.available < credits:
        await holds.expire_due_of(book)  # what overdue holds still hold is free again
    await book.require(credits)
    parts = book.free_parts(credits)
    book.take(parts)
    book.note(entries.SPEND, "usage", -credits, parts, reference=reference)
    return await book.close()
