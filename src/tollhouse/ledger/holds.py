"""Holds: credits promised to work under way; each is captured, released or expired, once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, insert, literal_column, select, update

from tollhouse.clock import SECOND
from tollhouse.db import Statement, Transaction
from tollhouse.ledger import entries
from tollhouse.ledger.amounts import check_credits, check_seconds
from tollhouse.ledger.book import Book, Parts
from tollhouse.ledger.entries import Entry
from tollhouse.ledger.errors import CreditsInvalid, HoldEnded, HoldUnknown
from tollhouse.ledger.tables import hold_parts
from tollhouse.ledger.tables import holds as table
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

LIFETIME_SECONDS: Final = 900
LIFETIME_SECONDS_MAX: Final = 7 * 86_400
ID: Final = re.compile("hld_[0-9a-f]{32}")
CAPTURED: Final = "captured"
RELEASED: Final = "released"
EXPIRED: Final = "expired"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it is stored; times in microseconds UTC."""

    id: str
    user_id: str
    credits: int
    captured: int
    status: str
    reference: str | None
    entry_id: str | None
    expires_at: int
    created_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """What a hold holds in one lot."""

    lot_id: str
    credits: int


NAMES: Final = tuple(Hold.__dataclass_fields__)
COLUMNS: Final = tuple(table.c[name] for name in NAMES)
# The word in the SQL: a parameter would never meet the index of what is held.
_is_held: Final = table.c.status == literal_column("'held'")
ADD: Final = Statement(insert(table).values({name: bindparam(name) for name in NAMES}), Hold)
ADD_PART: Final = Statement(
    insert(hold_parts).values({name: bindparam(name) for name in ("hold_id", "lot_id", "credits")}), str
)
PARTS: Final = Statement(
    select(hold_parts.c.lot_id, hold_parts.c.credits).where(hold_parts.c.hold_id == bindparam("hold_id")), Part
)
FIND: Final = Statement(select(*COLUMNS).where(table.c.id == bindparam("hold_id")), Hold)
_ended: Final[dict[str, Any]] = {
    "status": bindparam("new_status"),
    "captured": bindparam("new_captured"),
    "entry_id": bindparam("new_entry_id"),
    "ended_at": bindparam("now"),
}
END_LIVING: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("hold_id"), _is_held, table.c.expires_at > bindparam("now"))
    .values(_ended)
    .returning(*COLUMNS),
    Hold,
)
END_DUE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("hold_id"), _is_held, table.c.expires_at <= bindparam("now"))
    .values(_ended)
    .returning(*COLUMNS),
    Hold,
)
DUE_OF: Final = Statement(
    select(*COLUMNS)
    .where(table.c.user_id == bindparam("user_id"), _is_held, table.c.expires_at <= bindparam("now"))
    .order_by(table.c.id),
    Hold,
)


async def place(
    tx: Transaction,
    run: Runtime,
    user_id: str,
    credits: int,
    *,
    lifetime_seconds: int = LIFETIME_SECONDS,
    reference: str | None = None,
) -> Hold:
    """Hold credits, so that nothing else can spend them, and return the hold.

    Raises `CreditsInsufficient` and `CreditsInvalid`.
    """
    check_credits(credits)
    check_seconds(lifetime_seconds, LIFETIME_SECONDS_MAX)
    book = await Book.open(tx, run, user_id)
    if book.available < credits:
        await expire_due_of(book)
    await book.require(credits)
    parts = book.free_parts(credits)
    book.hold(parts)
    hold = Hold(
        id=create_id("hld", book.now),
        user_id=user_id,
        credits=credits,
        captured=0,
        status="held",
        reference=reference,
        entry_id=None,
        expires_at=book.now + lifetime_seconds * SECOND,
        created_at=book.now,
        ended_at=None,
    )
    await tx.execute(ADD, **{name: getattr(hold, name) for name in NAMES})
    await tx.execute_many(ADD_PART, [{"hold_id": hold.id, "lot_id": lot.id, "credits": part} for lot, part in parts])
    await book.close()
    return hold


async def capture(tx: Transaction, run: Runtime, hold_id: str, credits: int | None = None) -> tuple[Hold, list[Entry]]:
    """Spend what is held, or less of it; the rest is free again. Return the hold and the entries.

    Raises `HoldUnknown`, `HoldEnded`, and `CreditsInvalid` for more than is held.
    """
    found = await _find(tx, hold_id)
    credits = found.credits if credits is None else check_credits(credits)
    if credits > found.credits:
        raise CreditsInvalid(f"This hold is of {found.credits} credits.", held=found.credits)
    book = await Book.open(tx, run, found.user_id)
    parts = await _parts(book, hold_id)
    book.hold(parts, sign=-1)
    taken = _first(parts, credits)
    book.take(taken)
    entry = book.note(entries.SPEND, "usage", -credits, taken, reference=found.reference or hold_id)
    ended = await tx.fetch_one(
        END_LIVING,
        hold_id=hold_id,
        new_status=CAPTURED,
        new_captured=credits,
        new_entry_id=entry.id,
        now=book.now,
    )
    if ended is None:  # and what was changed in the book is never written
        raise HoldEnded
    return ended, await book.close()


async def release(tx: Transaction, run: Runtime, hold_id: str) -> Hold:
    """Let go of what is held and return the hold. Raises `HoldUnknown` and `HoldEnded`."""
    found = await _find(tx, hold_id)
    book = await Book.open(tx, run, found.user_id)
    ended = await tx.fetch_one(
        END_LIVING, hold_id=hold_id, new_status=RELEASED, new_captured=0, new_entry_id=None, now=book.now
    )
    if ended is None:
        raise HoldEnded
    book.hold(await _parts(book, hold_id), sign=-1)
    await book.close()
    return ended


async def expire_due_of(book: Book) -> int:
    """Let go of what overdue holds of this account hold, and return how many there were."""
    due = await book.tx.fetch_all(DUE_OF, user_id=book.user_id, now=book.now)
    for hold in due:
        ended = await book.tx.fetch_one(
            END_DUE, hold_id=hold.id, new_status=EXPIRED, new_captured=0, new_entry_id=None, now=book.now
        )
        if ended is not None:
            book.hold(await _parts(book, hold.id), sign=-1)
    book.settle()
    return len(due)


async def _find(tx: Transaction, hold_id: str) -> Hold:
    found = await tx.fetch_one(FIND, hold_id=hold_id) if ID.fullmatch(hold_id) else None
    if found is None:
        raise HoldUnknown
    return found


async def _parts(book: Book, hold_id: str) -> Parts:
    """Return which lots a hold holds from; each still has what it holds, so it is among the living ones."""
    living = {lot.id: lot for lot in book.lots}
    parts = [
        (living[part.lot_id], part.credits)
        for part in await book.tx.fetch_all(PARTS, hold_id=hold_id)
        if part.lot_id in living
    ]
    return sorted(parts, key=lambda part: part[0].turn)


def _first(parts: Parts, credits: int) -> Parts:
    """Return the first so many credits of these parts."""
    taken: Parts = []
    for lot, part in parts:
        if credits:
            taken.append((lot, min(part, credits)))
            credits -= taken[-1][1]
    return taken
