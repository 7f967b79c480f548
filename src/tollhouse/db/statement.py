"""Statements written once in SQLAlchemy Core and compiled once per dialect to what a driver takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

if TYPE_CHECKING:
    from sqlalchemy import Executable
    from sqlalchemy.engine import Dialect

BATCH_SIZE: Final = 500

Row = TypeVar("Row")


class Compiled:
    """SQL text with positional parameters, and the order they go in."""

    __slots__ = ("_constants", "_names", "_required", "sql")

    def __init__(self, core: Executable, dialect: Dialect) -> None:
        """Compile for one dialect; every literal in the statement becomes a constant parameter."""
        compiled = cast(Any, core).compile(dialect=dialect)
        self.sql: str = compiled.string
        self._names: tuple[str, ...] = tuple(compiled.positiontup)
        self._required: set[str] = {bind.key for bind in compiled.bind_names if bind.required}
        constants = [name for name in self._names if name not in self._required]
        self._constants: dict[str, Any] = {name: compiled.params[name] for name in constants}

    @property
    def required(self) -> set[str]:
        """The names of the parameters to be given."""
        return self._required

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values in the order of the SQL text; a missing or unknown name is our own mistake."""
        try:
            if len(parameters) == len(self._required):
                given = {**self._constants, **parameters} if self._constants else parameters
                return tuple([given[name] for name in self._names])
        except KeyError:
            pass
        missing, unknown = self._required - parameters.keys(), parameters.keys() - self._required
        raise TypeError(f"statement parameters: missing {sorted(missing)}, unknown {sorted(unknown)}")


class Statement(Generic[Row]):
    """One SQLAlchemy Core statement and the row type its columns fill, by position."""

    def __init__(self, core: Executable, row: Callable[..., Row]) -> None:
        """Keep the statement; it is compiled when a driver first runs it."""
        self.core = core
        self.row = row

    @cached_property
    def sqlite(self) -> Compiled:
        """The statement for SQLite, with `?` parameters."""
        from sqlalchemy.dialects import sqlite

        return Compiled(self.core, sqlite.dialect(paramstyle="qmark"))

    @cached_property
    def postgres(self) -> Compiled:
        """The statement for PostgreSQL, with `$1` parameters."""
        from sqlalchemy.dialects.postgresql import asyncpg

        return Compiled(self.core, asyncpg.dialect())


def some(key: Any, *conditions: Any) -> tuple[Any, ...]:
    """Return the conditions for at most `BATCH_SIZE` of the rows that meet these; `key` is the primary key.

    Changing all at once would hold the event loop and locks for long, and then break off at the limit of time.
    """
    from sqlalchemy import select

    # Said again outside, for on PostgreSQL a row may change between being chosen and being locked.
    return key.in_(select(key).where(*conditions).limit(BATCH_SIZE)), *conditions


class Together:
    """Several changes that need nothing of each other, in one transaction.

    On PostgreSQL they are one statement, for a round trip costs more there than a change does; each sees the tables as
    they were before all of them. Parameters of one name have one value.
    """

    def __init__(self, *statements: Statement[Any]) -> None:
        """Keep the statements in their order."""
        self.statements = statements

    @cached_property
    def postgres(self) -> Compiled:
        """All but the last one as data-modifying common table expressions of the last."""
        from sqlalchemy.dialects.postgresql import asyncpg

        *first, last = (cast(Any, statement.core) for statement in self.statements)
        steps = [core.cte(f"step_{number}") for number, core in enumerate(first)]
        return Compiled(last.add_cte(*steps), asyncpg.dialect())


def any_of(column: Any, values: Iterable[str]) -> Any:
    """Return the condition that a column is one of some fixed words; `column.in_` is only expanded by an engine."""
    from sqlalchemy import or_

    return or_(*(column == value for value in values))


def none_of(column: Any, values: Iterable[str]) -> Any:
    """Return the condition that a column is none of some fixed words."""
    from sqlalchemy import and_

    return and_(*(column != value for value in values))
