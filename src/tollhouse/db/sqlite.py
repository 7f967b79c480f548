"""SQLite: reads in place on one connection, writes in groups on another, one COMMIT for each group.

The driver is the interpreter's own `sqlite3`, because a second copy of the SQLite library in the process (APSW brings
one) would break the file locks that a host's own connection to the same file holds. See decisions/0002.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from tollhouse.db.database import Database, P, Result, Row, Work
from tollhouse.db.sqlite_connection import Connection, SqliteTransaction, is_busy, run_to_completion, translated_errors
from tollhouse.db.statement import Statement
from tollhouse.errors import DatabaseUnavailable

BUSY_TIMEOUT_SECONDS: Final = 5.0
GROUP_SIZE_MAX: Final = 128
QUEUE_SIZE_MAX: Final = 10_000
READ_PAUSES_SECONDS: Final = (0.01, 0.05, 0.2)  # only when another process recovers or truncates the WAL

T = TypeVar("T")


@dataclass(slots=True)
class Job:
    """One queued transaction, and who waits for it."""

    start: Callable[[], Coroutine[Any, Any, Any]]
    future: asyncio.Future[Any]
    context: Context  # the caller's, so that what the work logs carries the caller's request id
    result: Any = None
    error: BaseException | None = None


def settle(jobs: Iterable[Job], failure: BaseException | None) -> None:
    """Tell every waiter how its job went; a failure of the group is everybody's, and undid even the refusals."""
    for job in jobs:
        if job.future.done():  # cancelled: nobody waits any more
            continue
        error = job.error if failure is None else failure_of(failure)
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(job.result)


def failure_of(failure: BaseException) -> BaseException:
    """Return an error for one waiter: raised in many tasks at once, one instance would gather all their tracebacks."""
    if isinstance(failure, DatabaseUnavailable):
        detail, cause = failure.detail, failure.__cause__
    elif isinstance(failure, Exception):
        detail, cause = f"SQLite: {type(failure).__name__}.", failure
    else:
        detail, cause = "The process is stopping; nobody knows whether this was still written.", failure
    error = DatabaseUnavailable(detail)
    error.__cause__ = cause
    return error


class SqliteDatabase(Database):
    """One SQLite file in WAL mode with `synchronous=FULL`, used by one event loop and shared with other processes."""

    dialect = "sqlite"

    def __init__(self, path: Path | str) -> None:
        """Name the file; nothing is touched before `open`."""
        self.path = str(path)
        self._queue: deque[Job] = deque()
        self._drain: asyncio.Task[None] | None = None
        self._is_closed = False

    async def open(self) -> None:
        """Open the reader and the writer."""
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tollhouse-sqlite")
        try:
            self._writer, self._reader = await self._in_thread(self._connect_patiently)
        except BaseException:
            self._thread.shutdown()
            raise
        self._transaction = SqliteTransaction(self._writer)

    def _connect_patiently(self) -> tuple[Connection, Connection]:
        """Open both; where several processes switch a file to its write-ahead log at once, SQLite lets none wait."""
        deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
        while True:
            try:
                return self._connect()
            except DatabaseUnavailable as error:
                if not is_busy(error) or time.monotonic() > deadline:
                    raise
            time.sleep(READ_PAUSES_SECONDS[0])

    def _connect(self) -> tuple[Connection, Connection]:
        with translated_errors():
            writer = Connection(self.path, busy_timeout_seconds=BUSY_TIMEOUT_SECONDS)
            try:
                reader = Connection(self.path, busy_timeout_seconds=BUSY_TIMEOUT_SECONDS)
            except BaseException:
                writer.close()
                raise
        # The reader runs in the event loop, so it must not sleep there: once open, WAL readers wait for nobody.
        reader.wait_for_no_lock()
        return writer, reader

    async def close(self) -> None:
        """Finish the queue and close both connections."""
        self._is_closed = True
        if self._drain is not None:
            await asyncio.wait([self._drain])
        self._thread.shutdown()
        self._reader.close()
        self._writer.close()

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
            self._require_open()
            try:
                with translated_errors():
                    return query(statement, given)
            except DatabaseUnavailable as error:
                if not is_busy(error):
                    raise
                await asyncio.sleep(pause_seconds)
        self._require_open()
        with translated_errors():
            return query(statement, given)

    def _require_open(self) -> None:
        if self._is_closed:
            raise DatabaseUnavailable("The database is closed: this process is stopping.")

    def _require_sound_disk(self) -> None:
        if self.is_broken:
            raise DatabaseUnavailable("The disk under the database failed; restart once it is sound.")

    async def transact(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Queue the work for the next group and return its result once the group's COMMIT has returned."""
        self._require_open()
        self._require_sound_disk()
        if len(self._queue) >= QUEUE_SIZE_MAX:
            raise DatabaseUnavailable("Too many writes are waiting.", retry_after_seconds=1)

        async def start() -> Result:
            return await work(self._transaction, *args, **kwargs)

        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.append(Job(start, future, copy_context()))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._drain_queue())
            self._drain.add_done_callback(self._leave_nobody_waiting)
        return await future

    async def _drain_queue(self) -> None:
        while self._queue:
            group: list[Job] = []
            failure: BaseException | None = None
            try:
                await self._in_thread(self._begin)
                self._run_group(group)
                await self._in_thread(self._commit)
            except BaseException as error:  # noqa: BLE001 (handed to all who wait, for whom nobody else would come)
                failure = error
            if failure is not None and not group:  # there was no BEGIN, so nobody's turn comes
                self._refuse_queue(failure)
            settle(group, failure)
            if failure is not None and not isinstance(failure, Exception):
                raise failure

    def _leave_nobody_waiting(self, drain: asyncio.Task[None]) -> None:
        """Refuse what a cancelled drain leaves, even one that was cancelled before its first step."""
        if drain is self._drain:
            self._refuse_queue(asyncio.CancelledError())

    def _refuse_queue(self, failure: BaseException) -> None:
        refused, self._queue = self._queue, deque()
        settle(refused, failure)

    def _begin(self) -> None:
        self._require_sound_disk()
        if self._writer.in_transaction:  # left over from a COMMIT that failed
            self._run("ROLLBACK")
        self._run("BEGIN IMMEDIATE")

    def _run_group(self, group: list[Job]) -> None:
        try:
            while self._queue and len(group) < GROUP_SIZE_MAX:
                job = self._queue.popleft()
                if job.future.cancelled():
                    continue
                group.append(job)
                self._run_job(job)
                if not self._writer.in_transaction:
                    raise DatabaseUnavailable(f"SQLite ended the transaction by itself: {job.error}") from job.error
        except BaseException:
            if self._writer.in_transaction:  # or other processes wait for its lock until our next write
                with suppress(DatabaseUnavailable):  # the next BEGIN tries again
                    self._run("ROLLBACK")
            raise

    def _run_job(self, job: Job) -> None:
        self._run("SAVEPOINT job")
        try:
            with translated_errors():
                job.result = job.context.run(run_to_completion, job.start())
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
            self._run("COMMIT")
        except Exception as error:  # whatever it is, the write lock is not kept until our next write
            if getattr(error.__cause__, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_FSYNC:
                # After a failed fsync nobody knows what is on the disk, and a second try would lie (fsyncgate).
                self.is_broken = True
            if self._writer.in_transaction:
                self._run("ROLLBACK")
            raise

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
