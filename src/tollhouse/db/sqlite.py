"""SQLite: reads in place on one connection, writes in groups on another, one COMMIT for each group.

The driver is the interpreter's own `sqlite3`, because a second copy of the SQLite library in the process (APSW brings
one) would break the file locks that a host's own connection to the same file holds. See decisions/0002.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from tollhouse.db.database import Database, P, Result, Row, Work
from tollhouse.db.statement import Statement
from tollhouse.errors import DatabaseUnavailable

BUSY_TIMEOUT_SECONDS: Final = 5.0
STATEMENT_TIMEOUT_SECONDS: Final = 5.0
GROUP_SIZE_MAX: Final = 128
QUEUE_SIZE_MAX: Final = 10_000
OPCODES_BETWEEN_CHECKS: Final = 100_000
READ_PAUSES_SECONDS: Final = (0.01, 0.05, 0.2)  # only when another process recovers or truncates the WAL

T = TypeVar("T")


@contextmanager
def translated_errors() -> Generator[None]:
    """Turn the driver's operational errors into `DatabaseUnavailable`; our own mistakes stay what they are."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except (sqlite3.OperationalError, sqlite3.InternalError) as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_ERROR:  # a mistake in the SQL itself
            raise
        raise DatabaseUnavailable(f"SQLite: {error.sqlite_errorname}.") from error
    except sqlite3.DatabaseError as error:
        raise DatabaseUnavailable(f"SQLite: {error}.") from error


class Connection:
    """One sqlite3 connection, its statements bounded in time."""

    def __init__(self, path: str, *, busy_timeout_seconds: float) -> None:
        """Open the file, or an empty one, in WAL mode."""
        self._connection = sqlite3.connect(
            path, timeout=busy_timeout_seconds, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self._deadline = 0.0
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        self._connection.set_progress_handler(self._too_slow, OPCODES_BETWEEN_CHECKS)

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


@dataclass(slots=True)
class Job:
    """One queued transaction, and who waits for it."""

    start: Callable[[], Coroutine[Any, Any, Any]]
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


def settle(jobs: Iterable[Job], failure: Exception | None) -> None:
    """Tell every waiter how its job went; a failure of the group is everybody's, and undid even the refusals."""
    for job in jobs:
        if job.future.done():  # cancelled: nobody waits any more
            continue
        error = failure or job.error
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(job.result)


def is_busy(error: DatabaseUnavailable) -> bool:
    """Whether somebody else held the file's lock."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.Error) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


class SqliteDatabase(Database):
    """One SQLite file in WAL mode with `synchronous=FULL`, used by one event loop and shared with other processes."""

    dialect = "sqlite"

    def __init__(self, path: Path | str) -> None:
        """Name the file; nothing is touched before `open`."""
        self.path = str(path)
        self._queue: deque[Job] = deque()
        self._drain: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the reader and the writer."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tollhouse-sqlite")
        self._writer = await self._in_thread(self._connect, BUSY_TIMEOUT_SECONDS)
        # The reader runs in the event loop, so it must not sleep there: WAL readers wait for nobody.
        self._reader = await self._in_thread(self._connect, 0)
        self._transaction = SqliteTransaction(self._writer)

    def _connect(self, busy_timeout_seconds: float) -> Connection:
        with translated_errors():
            return Connection(self.path, busy_timeout_seconds=busy_timeout_seconds)

    async def close(self) -> None:
        """Finish the queue and close both connections."""
        if self._drain is not None:
            await self._drain
        self._reader.close()
        self._writer.close()
        self._thread.shutdown()

    async def now_us(self) -> int:
        """Return this machine's wall clock, which is the file's."""
        return time.time_ns() // 1000

    async def fetch_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Return the first row over what is committed, or None."""
        return await self._read(self._reader.one, statement, parameters)

    async def fetch_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Return every row over what is committed."""
        return await self._read(self._reader.all, statement, parameters)

    async def _read(self, query: Callable[[Statement[Any], Mapping[str, Any]], T], statement: Any, given: Any) -> T:
        for pause_seconds in READ_PAUSES_SECONDS:
            try:
                with translated_errors():
                    return query(statement, given)
            except DatabaseUnavailable as error:
                if not is_busy(error):
                    raise
                await asyncio.sleep(pause_seconds)
        with translated_errors():
            return query(statement, given)

    async def transact(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Queue the work for the next group and return its result once the group's COMMIT has returned."""
        if self.is_broken:
            raise DatabaseUnavailable("The disk under the database failed; restart once it is sound.")
        if len(self._queue) >= QUEUE_SIZE_MAX:
            raise DatabaseUnavailable("Too many writes are waiting.", retry_after_seconds=1)
        transaction = self._transaction
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        start = cast(Callable[[], Coroutine[Any, Any, Any]], lambda: work(transaction, *args, **kwargs))
        self._queue.append(Job(start, future))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._drain_queue())
        return await future

    async def _drain_queue(self) -> None:
        while self._queue:
            try:
                await self._in_thread(self._begin)
            except (DatabaseUnavailable, sqlite3.Error) as error:
                refused, self._queue = self._queue, deque()
                settle(refused, error)
                return
            group: list[Job] = []
            failure = None
            try:
                self._run_group(group)
                await self._in_thread(self._commit)
            except (DatabaseUnavailable, sqlite3.Error) as error:
                failure = error
            settle(group, failure)

    def _begin(self) -> None:
        if self._writer.in_transaction:  # left over from a COMMIT that failed
            self._run("ROLLBACK")
        self._run("BEGIN IMMEDIATE")

    def _run_group(self, group: list[Job]) -> None:
        while self._queue and len(group) < GROUP_SIZE_MAX:
            job = self._queue.popleft()
            if job.future.cancelled():
                continue
            group.append(job)
            self._run_job(job)
            if not self._writer.in_transaction:
                raise DatabaseUnavailable("SQLite ended the transaction by itself: the disk is full or failing.")

    def _run_job(self, job: Job) -> None:
        self._run("SAVEPOINT job")
        try:
            with translated_errors():
                job.result = run_to_completion(job.start())
        except BaseException as error:  # noqa: BLE001 (handed to the one who waits, whatever it is)
            job.error = error
            if self._writer.in_transaction:
                self._run("ROLLBACK TO job")
        if self._writer.in_transaction:
            self._run("RELEASE job")

    def _run(self, sql: str) -> None:
        with translated_errors():
            self._writer.run(sql)

    def _commit(self) -> None:
        try:
            with translated_errors():
                self._writer.run("COMMIT")
        except DatabaseUnavailable as error:
            if isinstance(error.__cause__, sqlite3.OperationalError):
                # After a failed fsync nobody knows what is on the disk, and a second try would lie (fsyncgate).
                self.is_broken = error.__cause__.sqlite_errorcode == sqlite3.SQLITE_IOERR_FSYNC
            if self._writer.in_transaction:
                self._run("ROLLBACK")
            raise

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)


def run_to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing; one that does is our own mistake, and its transaction is undone."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    work.close()
    raise AssertionError("a transaction awaited something other than its own statements")
