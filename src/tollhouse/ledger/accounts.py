"""Accounts: one row for each user, locked first by whoever changes anything of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.db import Statement
from tollhouse.ledger.tables import accounts as table

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Balance:
    """What a user has: `balance` is the sum of all entries, negative only by a debt."""

    user_id: str
    balance: int
    held: int
    debt: int

    @property
    def available(self) -> int:
        """What can be spent now: in lots and not held."""
        return self.balance + self.debt - self.held


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it is stored."""

    balance: int
    held: int
    debt: int
    entries: int
    expires_next_at: int | None


class Reader(Protocol):
    """A database, or a transaction in it."""

    async def fetch_one(self, statement: Statement[Row], **parameters: object) -> Row | None:
        """Return the first row, or None."""
        ...


COLUMNS: Final = tuple(table.c[name] for name in Account.__dataclass_fields__)
FIND: Final = Statement(
    select(*(table.c[name] for name in Balance.__dataclass_fields__)).where(table.c.user_id == bindparam("user_id")),
    Balance,
)
# Writes nothing new into a row that is there, and locks it until the transaction ends.
LOCK: Final = Statement(
    upsert(table)
    .values(user_id=bindparam("user_id"), balance=0, held=0, debt=0, entries=0, created_at=bindparam("now"))
    .on_conflict_do_update(index_elements=["user_id"], set_={"entries": table.c.entries})
    .returning(*COLUMNS),
    Account,
)
SAVE: Final = Statement(
    update(table)
    .where(table.c.user_id == bindparam("owner"))
    .values({name: bindparam(f"new_{name}") for name in Account.__dataclass_fields__}),
    Account,
)


async def find(reader: Reader, user_id: str) -> Balance:
    """Return a user's balance; zeros for whoever never had credits."""
    return await reader.fetch_one(FIND, user_id=user_id) or Balance(user_id, 0, 0, 0)
