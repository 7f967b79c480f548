"""One account under its lock: read at once, changed in memory, written at once.

Whoever opens a book holds the lock of the account's row until the transaction ends, so what it read stays true.
Balance, lots and holds agree after each change, and a debt and something to spend never stand beside each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tollhouse.db import Transaction
from tollhouse.ledger import accounts, entries, lots
from tollhouse.ledger.entries import Entry
from tollhouse.ledger.errors import CreditsInsufficient
from tollhouse.ledger.lots import Lot
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

Parts = list[tuple[Lot, int]]


class Book:
    """An account with its lots: `book = await Book.open(…)`, then changes, then `await book.close()`."""

    def __init__(
        self, tx: Transaction, now_us: int, user_id: str, account: accounts.Account, living: list[Lot]
    ) -> None:
        """Made by `open`."""
        self.tx, self.now, self.user_id = tx, now_us, user_id
        self.balance, self.held, self.debt = account.balance, account.held, account.debt
        self.lots = living
        self.written: list[Entry] = []
        self._number = account.entries
        self._new: list[Lot] = []
        self._changed: dict[str, Lot] = {}
        self._allocations: list[dict[str, Any]] = []

    @classmethod
    async def open(cls, tx: Transaction, run: Runtime, user_id: str) -> Book:
        """Lock the account, made if need be, and expire what is due."""
        now = run.now_us
        account = await tx.fetch_one(accounts.LOCK, user_id=user_id, now=now)
        assert account is not None, "the upsert returns its row"
        book = cls(tx, now, user_id, account, await tx.fetch_all(lots.LIVING, user_id=user_id))
        if account.expires_next_at is not None and account.expires_next_at <= book.now:
            book.expire()
        return book

    @property
    def available(self) -> int:
        """What can be spent: in lots and not held."""
        return self.balance + self.debt - self.held

    async def require(self, credits: int) -> None:
        """Raise `CreditsInsufficient` unless so many are available."""
        if self.available < credits:
            await self.close()  # what was overdue stays ended where a host goes on with its transaction after this
            raise CreditsInsufficient(available=self.available, requested=credits)

    def add(self, lot: Lot) -> None:
        """Put a new lot in, which `note` then brings into the balance."""
        self.lots.append(lot)
        self._new.append(lot)

    def free_parts(self, credits: int, among: Iterable[Lot] | None = None) -> Parts:
        """Return up to so many credits that are not held, from which lots, in the order of drawing."""
        parts: Parts = []
        for lot in sorted(self.lots if among is None else among, key=lambda lot: lot.turn):
            part = min(credits, lot.free)
            if part > 0:
                parts.append((lot, part))
                credits -= part
        return parts

    def take(self, parts: Parts) -> None:
        """Take credits out of their lots."""
        for lot, part in parts:
            lot.remaining -= part
            self._touch(lot)

    def hold(self, parts: Parts, *, sign: int = 1) -> None:
        """Hold credits in their lots, or with `sign=-1` let go of them."""
        for lot, part in parts:
            lot.held += sign * part
            self.held += sign * part
            self._touch(lot)

    def end(self, lot: Lot) -> None:
        """Let nothing more be drawn from a lot; what is held in it can still be captured."""
        lot.expires_at = self.now
        self._touch(lot)

    def expire(self) -> None:
        """Take out what is free in lots whose time has passed, an entry for each lot."""
        for lot in self.lots:
            if lot.is_over(self.now) and lot.free > 0:
                parts = [(lot, lot.free)]
                self.take(parts)
                self.note(entries.EXPIRY, "expired", -parts[0][1], parts, source_id=lot.source_id)

    def settle(self) -> None:
        """Bring lots and debt to rest: a debt is repaid first, then what is over expires."""
        self.repay()
        self.expire()

    def repay(self) -> None:
        """Repay a debt with what is free, be it about to expire."""
        parts = self.free_parts(self.debt)
        if parts:
            self.take(parts)
            self.debt -= sum(part for _, part in parts)
            self.note(entries.REPAY, "debts", 0, parts)

    def note(
        self,
        kind: str,
        counter: str,
        credits: int,
        parts: Parts | None = None,
        *,
        source_id: str | None = None,
        reference: str | None = None,
    ) -> Entry:
        """Append an entry of signed credits, drawn from these parts of lots."""
        self.balance += credits
        self._number += 1
        entry = Entry(
            create_id("ent", self.now),
            self.user_id,
            self._number,
            kind,
            counter,
            credits,
            self.balance,
            self.debt,
            source_id,
            reference,
            self.now,
        )
        self.written.append(entry)
        self._allocations += [{"entry_id": entry.id, "lot_id": lot.id, "credits": part} for lot, part in parts or ()]
        return entry

    async def close(self) -> list[Entry]:
        """Write everything down and return the new entries."""
        self.settle()
        if self._new:
            await self.tx.execute_many(lots.ADD, [_row(lots.NAMES, lot) for lot in self._new])
        fresh = {lot.id for lot in self._new}
        changed = sorted((lot for lot in self._changed.values() if lot.id not in fresh), key=lambda lot: lot.id)
        if changed:
            await self.tx.execute_many(lots.SAVE, [_changes(lot) for lot in changed])
        if self.written:
            await self.tx.execute_many(entries.ADD, [_row(entries.NAMES, entry) for entry in self.written])
        if self._allocations:
            await self.tx.execute_many(entries.ALLOCATE, self._allocations)
        ends = [lot.expires_at for lot in self.lots if lot.expires_at is not None and lot.free > 0]
        await self.tx.execute(
            accounts.SAVE,
            owner=self.user_id,
            new_balance=self.balance,
            new_held=self.held,
            new_debt=self.debt,
            new_entries=self._number,
            new_expires_next_at=min(ends, default=None),
        )
        return self.written

    def _touch(self, lot: Lot) -> None:
        self._changed[lot.id] = lot


def _row(names: Sequence[str], record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in names}


def _changes(lot: Lot) -> dict[str, Any]:
    return {
        "lot_id": lot.id,
        "new_remaining": lot.remaining,
        "new_held": lot.held,
        "new_expires_at": lot.expires_at,
    }
