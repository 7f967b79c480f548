"""A ledger on a database, with a clock that stands still unless it is turned, and everything in its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from tollhouse import db as databases
from tollhouse.clock import SECOND, Clock
from tollhouse.db import Statement
from tollhouse.events import Outbox
from tollhouse.events.tables import events
from tollhouse.identity.tables import users
from tollhouse.ledger import grants, spends
from tollhouse.ledger.accounts import find
from tollhouse.ledger.entries import Entry
from tollhouse.ledger.grants import Source
from tollhouse.ledger.tables import accounts, allocations, entries, hold_parts, holds, lots
from tollhouse.limits import Flood
from tollhouse.runtime import Runtime
from tollhouse.signing import keyring
from tollhouse.signing.tokens import create_id, create_token
from tollhouse.testing.kit_settings import make_settings

SECRET = create_token()  # one for all, so that two can open one database
START = 1_800_000_000 * SECOND


class StillClock(Clock):
    """Time that passes only when a test says so."""

    def __init__(self) -> None:
        self.time = START

    def now_us(self) -> int:
        return self.time

    def set(self, now_us: int) -> None:
        pass

    def advance(self, seconds: float) -> None:
        self.time += round(seconds * SECOND)


def rows_of(table: Any, belongs: Any = None) -> Statement[dict[str, Any]]:
    """All rows of a table that belong to a user."""
    names = [column.name for column in table.c]
    mine = table.c.user_id == bindparam("user_id") if belongs is None else belongs
    return Statement(select(*table.c).where(mine), lambda *row: dict(zip(names, row, strict=True)))


def belonging(column: Any, parent: Any) -> Any:
    return column.in_(select(parent.c.id).where(parent.c.user_id == bindparam("user_id")))


ACCOUNTS, LOTS, ENTRIES, HOLDS, EVENTS = (rows_of(each) for each in (accounts, lots, entries, holds, events))
ALLOCATIONS = rows_of(allocations, belonging(allocations.c.entry_id, entries))
PARTS = rows_of(hold_parts, belonging(hold_parts.c.hold_id, holds))
COUNT_USERS = Statement(select(func.count()).select_from(users), int)
ADD_USER = Statement(insert(users).values(id=bindparam("user_id"), created_at=START), str)


@dataclass
class Ledger:
    run: Runtime

    async def new_user(self) -> str:
        user_id = create_id("usr", self.run.now_us)
        await self.run.db.write(ADD_USER, user_id=user_id)
        return user_id

    async def give(self, user_id: str, credits: int, **more: Any) -> list[Entry]:
        source = more.pop("source", None) or Source("grant", create_id("gra", self.run.now_us))
        return await self.run.db.transact(grants.grant, self.run, user_id, credits, source=source, **more)

    async def spend(self, user_id: str, credits: int, **more: Any) -> list[Entry]:
        return await self.run.db.transact(spends.spend, self.run, user_id, credits, **more)

    async def reverse(self, user_id: str, source_id: str, target: int) -> list[Entry]:
        given: dict[str, Any] = {"source_id": source_id, "target": target, "reference": "re_1"}
        return await self.run.db.transact(grants.reverse, self.run, user_id, **given)

    async def balance(self, user_id: str) -> tuple[int, int, int]:
        """What is available, held and owed."""
        found = await find(self.run.db, user_id)
        return found.available, found.held, found.debt

    async def rows(self, statement: Statement[dict[str, Any]], user_id: str) -> list[dict[str, Any]]:
        return await self.run.db.fetch_all(statement, user_id=user_id)

    async def entries(self, user_id: str) -> list[dict[str, Any]]:
        return sorted(await self.rows(ENTRIES, user_id), key=lambda row: row["number"])

    async def events(self, user_id: str) -> list[str]:
        happened = sorted(await self.rows(EVENTS, user_id), key=lambda row: row["sequence"])
        return [row["type"] for row in happened]

    async def check(self, user_id: str) -> None:
        """Everything that must hold of an account, whatever has happened."""
        db = self.run.db
        balance = await find(db, user_id)
        written, owned = await self.entries(user_id), await self.rows(LOTS, user_id)
        assert [row["number"] for row in written] == list(range(1, len(written) + 1)), "a gap"
        running = 0
        for row in written:
            running += row["credits"]
            assert row["balance_after"] == running
        assert balance.balance == running
        assert (written[-1]["debt_after"] if written else 0) == balance.debt
        assert sum(lot["remaining"] for lot in owned) == balance.balance + balance.debt
        assert sum(lot["held"] for lot in owned) == balance.held
        assert balance.debt == 0 or balance.available == 0
        assert balance.available >= 0
        await self._check_holds(user_id, owned)
        await self._check_lots(user_id, written, owned)

    async def _check_holds(self, user_id: str, owned: list[dict[str, Any]]) -> None:
        living = {row["id"] for row in await self.rows(HOLDS, user_id) if row["status"] == "held"}
        parts = [row for row in await self.rows(PARTS, user_id) if row["hold_id"] in living]
        for lot in owned:
            assert lot["held"] == sum(row["credits"] for row in parts if row["lot_id"] == lot["id"])

    async def _check_lots(self, user_id: str, written: list[dict[str, Any]], owned: list[dict[str, Any]]) -> None:
        drawn = await self.rows(ALLOCATIONS, user_id)
        for lot in owned:
            taken = sum(row["credits"] for row in drawn if row["lot_id"] == lot["id"])
            assert taken == lot["granted"] - lot["remaining"]
        ends = [lot["expires_at"] for lot in owned if lot["expires_at"] and lot["remaining"] > lot["held"]]
        for row in await self.rows(ACCOUNTS, user_id):
            assert row["entries"] == len(written)
            assert not ends or row["expires_next_at"] <= min(ends), "a lot would never expire"


@asynccontextmanager
async def open_ledger(url: str, **settings: Any) -> AsyncIterator[Ledger]:
    clock, checked = StillClock(), make_settings(database_url=url, secret=SECRET, **settings)
    db = databases.connect(checked)
    await db.open()
    try:
        keys = await keyring.load(db, checked.secret, now_us=clock.now_us())
        run = Runtime(checked, clock, db, keys, Outbox(db, clock), Flood(None))
        await run.outbox.learn()
        yield Ledger(run)
    finally:
        await db.close()
