"""A host's own SQLAlchemy transaction on the same database, as one of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, TypeVar

from tollhouse.db import Statement, Together

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.ext.asyncio import AsyncConnection

Row = TypeVar("Row")


class HostTransaction:
    """Statements on a connection of the host, which commits them or rolls them back, together with its own.

    On PostgreSQL give it READ COMMITTED, as it is by default. On SQLite the host holds the one write lock until then.
    """

    def __init__(self, connection: AsyncConnection | Connection) -> None:
        """Use the host's connection, inside its transaction."""
        self._connection = connection

    async def fetch_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Return the first row, or None."""
        rows = (await self._run(statement, parameters)).all()
        return statement.row(*rows[0]) if rows else None

    async def fetch_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Return every row."""
        return [statement.row(*row) for row in (await self._run(statement, parameters)).all()]

    async def execute(self, statement: Statement[Any], **parameters: Any) -> int:
        """Return how many rows the statement changed."""
        return (await self._run(statement, parameters)).rowcount

    async def execute_many(self, statement: Statement[Any], parameters: Iterable[Mapping[str, Any]]) -> None:
        """Run the statement once for each set of parameters."""
        for each in parameters:
            await self._run(statement, each)

    async def execute_together(self, together: Together, **parameters: Any) -> int:
        """Run several changes, one after another; return how many rows the last of them changed."""
        changed = 0
        for statement in together.statements:
            changed = await self.execute(statement, **{name: parameters[name] for name in statement.sqlite.required})
        return changed

    async def _run(self, statement: Statement[Any], parameters: Mapping[str, Any]) -> Any:
        result: Any = self._connection.execute(statement.core, dict(parameters))
        return await result if isawaitable(result) else result
