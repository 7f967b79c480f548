"""Entries: every change of a balance, appended and never altered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, func, insert, or_, select

from tollhouse.db import Statement
from tollhouse.ledger.tables import allocations
from tollhouse.ledger.tables import entries as table
from tollhouse.runtime import Happened, Runtime

GRANT: Final = "grant"
SPEND: Final = "spend"
EXPIRY: Final = "expiry"
CLAWBACK: Final = "clawback"
RESTORE: Final = "restore"
REPAY: Final = "repay"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change: `credits` is signed; `balance_after` and `debt_after` are the account's then."""

    id: str
    user_id: str
    number: int
    kind: str
    counter: str
    credits: int
    balance_after: int
    debt_after: int
    source_id: str | None
    reference: str | None
    created_at: int


NAMES: Final = tuple(Entry.__dataclass_fields__)
COLUMNS: Final = tuple(table.c[name] for name in NAMES)
ADD: Final = Statement(insert(table).values({name: bindparam(name) for name in NAMES}), Entry)
ALLOCATE: Final = Statement(
    insert(allocations).values({name: bindparam(name) for name in ("entry_id", "lot_id", "credits")}), str
)
LIST: Final = Statement(
    select(*COLUMNS)
    .where(table.c.user_id == bindparam("user_id"), table.c.number < bindparam("before"))
    .order_by(table.c.number.desc())
    .limit(bindparam("limit")),
    Entry,
)
CLAWED: Final = Statement(
    select(-func.coalesce(func.sum(table.c.credits), 0)).where(
        table.c.source_id == bindparam("source_id"),
        table.c.user_id == bindparam("user_id"),
        or_(table.c.kind == CLAWBACK, table.c.kind == RESTORE),
    ),
    int,
)
EXPIRED: Final = Statement(
    select(-func.coalesce(func.sum(table.c.credits), 0)).where(
        table.c.source_id == bindparam("source_id"),
        table.c.user_id == bindparam("user_id"),
        table.c.kind == EXPIRY,
    ),
    int,
)


def row_of(entry: Entry) -> dict[str, Any]:
    """Return an entry as the parameters of `ADD`."""
    return {name: getattr(entry, name) for name in NAMES}


def told(run: Runtime, *entries: Entry) -> list[Happened]:
    """Return what the app is told of these entries: `credits.granted`, `credits.spent`, `credits.low`."""
    happened: list[Happened] = []
    for entry in entries:
        facts = {
            "user_id": entry.user_id,
            "entry_id": entry.id,
            "credits": abs(entry.credits),
            "balance": entry.balance_after,
            "reference": entry.reference,
        }
        if entry.kind in (GRANT, RESTORE):
            happened.append(("credits.granted", facts | {"source_id": entry.source_id}))
        elif entry.kind == SPEND:
            happened.append(("credits.spent", facts))
            if max(entry.balance_after, 0) < run.settings.credits_low <= entry.balance_after - entry.credits:
                facts = {"user_id": entry.user_id, "balance": entry.balance_after, "below": run.settings.credits_low}
                happened.append(("credits.low", facts))
    return happened
