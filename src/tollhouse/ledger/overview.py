"""What a user has: the balance with the lots that make it, read by one query, so that they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, bindparam, select

from tollhouse.db import Statement
from tollhouse.identity.models import iso
from tollhouse.ledger.entries import LIST, Entry
from tollhouse.ledger.tables import accounts, lots
from tollhouse.runtime import Runtime

PAGE_LENGTH: Final = 20
PAGE_LENGTH_MAX: Final = 100
AFTER_ALL: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Line:
    """A lot beside its account; nothing of a lot where there is none."""

    balance: int
    held_in_all: int
    debt: int
    id: str | None
    kind: str
    source_id: str
    granted: int
    remaining: int
    held: int
    expires_at: int | None
    created_at: int


LINES: Final = Statement(
    select(
        accounts.c.balance,
        accounts.c.held,
        accounts.c.debt,
        *(lots.c[name] for name in ("id", "kind", "source_id", "granted", "remaining", "held")),
        lots.c.expires_at,
        lots.c.created_at,
    )
    .select_from(accounts.outerjoin(lots, and_(lots.c.user_id == accounts.c.user_id, lots.c.remaining > 0)))
    .where(accounts.c.user_id == bindparam("user_id"))
    .order_by(lots.c.expires_at.nulls_last(), lots.c.created_at, lots.c.id),
    Line,
)


async def show(run: Runtime, user_id: str | None) -> dict[str, Any]:
    """Return the balance and the living lots, in the order in which they are spent, as `BalanceReply` describes it.

    What has just expired is not available, even before the schedule has come by and written that down.
    """
    lines = await run.db.fetch_all(LINES, user_id=user_id) if user_id else []
    living = [line for line in lines if line.id is not None and (line.expires_at or AFTER_ALL) > run.now_us]
    account = lines[0] if lines else None
    return {
        "balance": account.balance if account else 0,
        "held": account.held_in_all if account else 0,
        "available": sum(line.remaining - line.held for line in living),
        "debt": account.debt if account else 0,
        "lots": [lot_json(line) for line in living],
    }


async def page(run: Runtime, user_id: str | None, *, before: int | None, limit: int) -> dict[str, Any]:
    """Return a page of entries, the newest first, as `EntriesReply` describes it."""
    rows: list[Entry] = []
    if user_id:
        rows = await run.db.fetch_all(LIST, user_id=user_id, before=before or AFTER_ALL, limit=limit + 1)
    shown = rows[:limit]
    more = len(rows) > limit
    return {"entries": [entry_json(each) for each in shown], "next_cursor": str(shown[-1].number) if more else None}


def lot_json(line: Line) -> dict[str, Any]:
    """Return a lot as `LotBody` describes it."""
    return {
        "id": line.id,
        "kind": line.kind,
        "source_id": line.source_id,
        "granted": line.granted,
        "remaining": line.remaining,
        "held": line.held,
        "expires_at": None if line.expires_at is None else iso(line.expires_at),
        "created_at": iso(line.created_at),
    }


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return an entry as `EntryBody` describes it."""
    return {
        "id": entry.id,
        "number": entry.number,
        "kind": entry.kind,
        "credits": entry.credits,
        "balance_after": entry.balance_after,
        "debt_after": entry.debt_after,
        "source_id": entry.source_id,
        "reference": entry.reference,
        "created_at": iso(entry.created_at),
    }
