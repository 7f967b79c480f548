"""What every database offers: reads, single writes, and transactions given as functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from tollhouse.db.statement import Statement, Together

Row = TypeVar("Row")
Result = TypeVar("Result")
P = ParamSpec("P")


class Transaction(Protocol):
    """Statements inside one transaction. Await nothing else there: no network, no sleep, no lock."""

    async def fetch_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Return the first row, or None."""
        ...

    async def fetch_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Return every row."""
        ...

    async def execute(self, statement: Statement[Any], **parameters: Any) -> int:
        """Return how many rows the statement changed."""
        ...

    async def execute_many(self, statement: Statement[Any], parameters: Iterable[Mapping[str, Any]]) -> None:
        """Run the statement once for each set of parameters."""
        ...

    async def execute_together(self, together: Together, **parameters: Any) -> int:
        """Run several changes, each with the parameters it names; return how many rows the last of them changed."""
        ...


Work = Callable[Concatenate[Transaction, P], Awaitable[Result]]


class Database(ABC):
    """One database, from any number of tasks of one event loop.

    Everything here raises `DatabaseUnavailable` when the database is down, read-only, full, locked or too slow, and
    works again without a restart when it is back.
    """

    dialect: str
    is_broken = False  # the disk failed in a way that only a restart can judge

    @abstractmethod
    async def open(self) -> None:
        """Connect; call once, in the event loop that will use it."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what is under way and disconnect."""

    @abstractmethod
    async def now_us(self) -> int:
        """Return the database's own time in microseconds UTC."""

    @abstractmethod
    async def fetch_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Return the first row of a query over what is committed, or None."""

    @abstractmethod
    async def fetch_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Return every row of a query over what is committed."""

    @abstractmethod
    async def transact(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Run `work(transaction, …)` in a transaction and return its result once that is durably committed.

        An exception undoes what the work did and comes out here. After a deadlock or a serialisation failure the work
        runs again from its start, so it must have no effect but its statements.
        """

    async def write(self, statement: Statement[Any], **parameters: Any) -> int:
        """Run one statement in a transaction of its own and return how many rows it changed."""
        return await self._run_single(_execute, statement, parameters)

    async def write_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Run one statement with RETURNING in a transaction of its own and return its first row, or None."""
        return await self._run_single(_fetch_one, statement, parameters)

    async def write_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Run one statement with RETURNING in a transaction of its own and return its rows."""
        return await self._run_single(_fetch_all, statement, parameters)

    async def write_together(self, together: Together, **parameters: Any) -> int:
        """Run several changes in a transaction of their own; return how many rows the last of them changed."""
        return await self._run_single(_execute_together, together, parameters)

    async def _run_single(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Run work that is one statement; a database where a statement alone is a transaction needs no BEGIN."""
        return await self.transact(work, *args, **kwargs)


async def _execute(tx: Transaction, statement: Statement[Any], parameters: Mapping[str, Any]) -> int:
    return await tx.execute(statement, **parameters)


async def _execute_together(tx: Transaction, together: Together, parameters: Mapping[str, Any]) -> int:
    return await tx.execute_together(together, **parameters)


async def _fetch_one(tx: Transaction, statement: Statement[Row], parameters: Mapping[str, Any]) -> Row | None:
    return await tx.fetch_one(statement, **parameters)


async def _fetch_all(tx: Transaction, statement: Statement[Row], parameters: Mapping[str, Any]) -> list[Row]:
    return await tx.fetch_all(statement, **parameters)
