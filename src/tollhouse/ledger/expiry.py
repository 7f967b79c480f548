"""What time ends: lots and holds that are due, found by the schedule where nobody has come by."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, literal_column, select

from tollhouse.db import BATCH_SIZE, Statement, Transaction
from tollhouse.ledger import holds
from tollhouse.ledger.book import Book
from tollhouse.ledger.tables import accounts
from tollhouse.ledger.tables import holds as holds_table
from tollhouse.runtime import Runtime

EVERY_SECONDS: Final = 60
DUE_ACCOUNTS: Final = Statement(
    select(accounts.c.user_id)
    .where(accounts.c.expires_next_at.is_not(None), accounts.c.expires_next_at <= bindparam("now"))
    .order_by(accounts.c.expires_next_at)
    .limit(BATCH_SIZE),
    str,
)
DUE_HOLDERS: Final = Statement(
    select(holds_table.c.user_id)
    .where(holds_table.c.status == literal_column("'held'"), holds_table.c.expires_at <= bindparam("now"))
    .order_by(holds_table.c.expires_at)
    .limit(BATCH_SIZE),
    str,
)


async def expire_due(run: Runtime) -> None:
    """End every lot and hold whose time has passed, account by account. Raises `DatabaseUnavailable`."""
    for statement in (DUE_ACCOUNTS, DUE_HOLDERS):
        while due := await run.db.fetch_all(statement, now=run.now_us):
            for user_id in dict.fromkeys(due):
                await run.db.transact(expire_of, run, user_id)
            if len(due) < BATCH_SIZE:
                break


async def expire_of(tx: Transaction, run: Runtime, user_id: str) -> None:
    """End every lot and hold of one user whose time has passed."""
    book = await Book.open(tx, run, user_id)
    await holds.expire_due_of(book)
    await book.close()
