"""One connection to an SQLite file, and a transaction on it: what `db.sqlite` runs its groups with."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Coroutine, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from tollhouse.db.database import Row
from tollhouse.db.statement import Statement, Together
from tollhouse.errors import DatabaseUnavailable

STATEMENT_TIMEOUT_SECONDS: Final = 5.0
OPCODES_BETWEEN_CHECKS: Final = 100_000

T = TypeVar("T")


@contextmanager
def translated_errors() -> Generator[None]:
    """Turn the driver's operational errors into `DatabaseUnavailable`; our own mistakes stay what they are."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError):
        raise
    except sqlite3.DatabaseError as error:
        # The driver's own errors (text that is no UTF-8) have no code.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:
            raise
        raise DatabaseUnavailable(f"SQLite: {error.sqlite_errorname}.") from error


def is_busy(error: DatabaseUnavailable) -> bool:
    """Whether somebody else held the file's lock."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


class Connection:
    """One sqlite3 connection, its statements bounded in time."""

    def __init__(self, path: str, *, busy_timeout_seconds: float) -> None:
        """Open the file, or an empty one, in WAL mode."""
        self._connection = sqlite3.connect(
            path, timeout=busy_timeout_seconds, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self._deadline = 0.0
        try:
            self._set_up()
        except BaseException:
            self._connection.close()
            raise

    def _set_up(self) -> None:
        (mode,) = self._connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":  # SQLite says so in place of an error, and would go on without what we rely on
            raise DatabaseUnavailable(f"SQLite: this file system keeps no write-ahead log (journal mode {mode}).")
        for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        self._connection.set_progress_handler(self._too_slow, OPCODES_BETWEEN_CHECKS)

    def wait_for_no_lock(self) -> None:
        """Fail at once from now on where somebody else holds the file, for use in an event loop."""
        self._connection.execute("PRAGMA busy_timeout=0").close()

    def _too_slow(self) -> bool:
        return time.monotonic() > self._deadline

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; SQLite ends it by itself when the disk fails or is full."""
        return self._connection.in_transaction

    def run(self, sql: str, arguments: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Execute one statement; the deadline counts from here."""
        self._deadline = time.monotonic() + STATEMENT_TIMEOUT_SECONDS
        return self._connection.execute(sql, arguments)

    def one(self, statement: Statement[Row], parameters: Mapping[str, Any]) -> Row | None:
        """Return the first row; all are fetched, so that a RETURNING statement has run to its end."""
        compiled = statement.sqlite
        rows = self.run(compiled.sql, compiled.arguments(parameters)).fetchall()
        return statement.row(*rows[0]) if rows else None

    def all(self, statement: Statement[Row], parameters: Mapping[str, Any]) -> list[Row]:
        """Return every row."""
        compiled = statement.sqlite
        row = statement.row
        return [row(*values) for values in self.run(compiled.sql, compiled.arguments(parameters)).fetchall()]

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class SqliteTransaction:
    """Statements on the writer, run in place: nothing here ever gives control back to the event loop."""

    def __init__(self, connection: Connection) -> None:
        """Use the writer, inside the savepoint that is open on it."""
        self._connection = connection

    async def fetch_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Return the first row, or None."""
        return self._connection.one(statement, parameters)

    async def fetch_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Return every row."""
        return self._connection.all(statement, parameters)

    async def execute(self, statement: Statement[Any], **parameters: Any) -> int:
        """Return how many rows the statement changed."""
        compiled = statement.sqlite
        return self._connection.run(compiled.sql, compiled.arguments(parameters)).rowcount

    async def execute_many(self, statement: Statement[Any], parameters: Iterable[Mapping[str, Any]]) -> None:
        """Run the statement once for each set of parameters."""
        for each in parameters:
            await self.execute(statement, **each)

    async def execute_together(self, together: Together, **parameters: Any) -> int:
        """Run several changes, one after another; return how many rows the last of them changed."""
        changed = 0
        for statement in together.statements:
            changed = await self.execute(statement, **{name: parameters[name] for name in statement.sqlite.required})
        return changed


def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing; one that does is our own mistake, and its transaction is undone."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    work.close()
    raise AssertionError("a transaction awaited something other than its own statements")
