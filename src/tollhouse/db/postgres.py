"""PostgreSQL through asyncpg: a pool that keeps no session state, so that it works behind a pooler too."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  (it brings none, and none are maintained)
import structlog
from sqlalchemy import text

from tollhouse.db.database import Database, P, Result, Row, Work
from tollhouse.db.statement import Statement, Together
from tollhouse.errors import DatabaseUnavailable

log = structlog.get_logger()

POOL_SIZE_MAX: Final = 10
ACQUIRE_TIMEOUT_SECONDS: Final = 2.0
LOOK_SECONDS: Final = 0.5  # between two looks for another primary while this server only reads
CONNECT_TIMEOUT_SECONDS: Final = 3.0
STATEMENT_TIMEOUT_MS: Final = 5_000
LOCK_TIMEOUT_MS: Final = 2_000
ROLLBACK_TIMEOUT_SECONDS: Final = 2.0
COMMAND_TIMEOUT_SECONDS: Final = 6.0  # beyond the server's own limit: for a server that is not there any more
TRIES_MAX: Final = 4
SETTINGS: Final = {
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": "10000",
    "search_path": "public",
}
NOW: Final = Statement(text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"), int)

UNAVAILABLE: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement timeout
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.PostgresIOError,
    asyncpg.InvalidAuthorizationSpecificationError,  # a password being changed
    asyncpg.InvalidCatalogNameError,  # a database being restored
)
RETRYABLE: Final = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)


@contextmanager
def translated_errors() -> Generator[None]:
    """Turn what means "not now" into `DatabaseUnavailable`; our own mistakes stay what they are."""
    try:
        yield
    except RETRYABLE:
        raise
    except UNAVAILABLE as error:
        raise DatabaseUnavailable(f"PostgreSQL: {type(error).__name__}.") from error


class PostgresTransaction:
    """Statements on one connection."""

    def __init__(self, connection: Any) -> None:
        """Use a connection inside its transaction, or for single statements."""
        self._connection = connection

    async def fetch_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Return the first row, or None."""
        compiled = statement.postgres
        record = await self._connection.fetchrow(compiled.sql, *compiled.arguments(parameters))
        return None if record is None else statement.row(*record)

    async def fetch_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Return every row."""
        compiled = statement.postgres
        row = statement.row
        return [row(*record) for record in await self._connection.fetch(compiled.sql, *compiled.arguments(parameters))]

    async def execute(self, statement: Statement[Any], **parameters: Any) -> int:
        """Return how many rows the statement changed."""
        compiled = statement.postgres
        return changed_by(await self._connection.execute(compiled.sql, *compiled.arguments(parameters)))

    async def execute_many(self, statement: Statement[Any], parameters: Iterable[Mapping[str, Any]]) -> None:
        """Run the statement once for each set of parameters, in one round trip."""
        compiled = statement.postgres
        await self._connection.executemany(compiled.sql, [compiled.arguments(each) for each in parameters])

    async def execute_together(self, together: Together, **parameters: Any) -> int:
        """Run several changes as one statement; return how many rows the last of them changed."""
        compiled = together.postgres
        return changed_by(await self._connection.execute(compiled.sql, *compiled.arguments(parameters)))


def changed_by(command_tag: str) -> int:
    """Return the number of rows that PostgreSQL's word at the end of a statement names, such as `UPDATE 3`."""
    return int(command_tag.rpartition(" ")[2])


class PostgresDatabase(Database):
    """A PostgreSQL database, 15 or newer."""

    dialect = "postgresql"

    def __init__(self, url: str, *, behind_pooler: bool = False) -> None:
        """Name the database; `behind_pooler` gives up named statements and session settings."""
        self._url = url
        self._behind_pooler = behind_pooler
        self._looked_at = -math.inf  # for another primary, by the monotonic clock
        # In transaction mode a pooler may serve two single messages from two servers, and settings do not stay.
        self._begin = "BEGIN; " + "; ".join(f"SET LOCAL {k} = {v}" for k, v in SETTINGS.items())
        if not behind_pooler:
            self._begin = "BEGIN"

    async def open(self) -> None:
        """Make the pool; connections come as they are needed, so a database that is down now may come later."""
        self._pool: Any = await asyncpg.create_pool(  # pyright: ignore[reportUnknownMemberType]
            self._url,
            min_size=0,
            max_size=POOL_SIZE_MAX,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            max_inactive_connection_lifetime=600,
            statement_cache_size=0 if self._behind_pooler else 512,
            server_settings={} if self._behind_pooler else SETTINGS,
            reset=keep_as_it_is,
        )

    async def close(self) -> None:
        """Give the connections back."""
        try:
            await asyncio.wait_for(self._pool.close(), 5)
        except TimeoutError:
            self._pool.terminate()

    async def now_us(self) -> int:
        """Return the server's own time."""
        now = await self.fetch_one(NOW)
        assert now is not None
        return now

    async def fetch_one(self, statement: Statement[Row], **parameters: Any) -> Row | None:
        """Return the first row over what is committed, or None."""
        return await self.write_one(statement, **parameters)

    async def fetch_all(self, statement: Statement[Row], **parameters: Any) -> list[Row]:
        """Return every row over what is committed."""
        return await self.write_all(statement, **parameters)

    async def transact(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        """Run the work in a READ COMMITTED transaction and return its result after COMMIT."""

        async def run(connection: Any) -> Result:
            try:
                await connection.execute(self._begin)
                result = await work(PostgresTransaction(connection), *args, **kwargs)
                if await connection.execute("COMMIT") != "COMMIT":
                    raise AssertionError("a transaction went on after one of its statements had failed")
            except BaseException:
                await roll_back(connection)
                raise
            return result

        return await self._try_repeatedly(run)

    async def _run_single(self, work: Work[P, Result], *args: P.args, **kwargs: P.kwargs) -> Result:
        if self._behind_pooler:
            return await self.transact(work, *args, **kwargs)
        return await self._try_repeatedly(lambda connection: work(PostgresTransaction(connection), *args, **kwargs))

    async def _try_repeatedly(self, run: Callable[[Any], Awaitable[Result]]) -> Result:
        for tries_left in reversed(range(TRIES_MAX)):
            try:
                with translated_errors():
                    async with self._connection() as connection:
                        return await run(connection)
            except (*RETRYABLE, asyncpg.InternalClientError) as error:
                if isinstance(error, asyncpg.InternalClientError) and not was_dismissed(error):
                    raise
                if not tries_left:
                    raise DatabaseUnavailable("Too much contention.", retry_after_seconds=1) from error
                await asyncio.sleep(random.uniform(0, 0.05))  # noqa: S311 (jitter, not a secret)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[Any]:
        connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_SECONDS)
        try:
            yield connection
        except asyncpg.ReadOnlySQLTransactionError:
            await self._look_for_a_primary()
            raise
        except asyncpg.InternalClientError:
            drop(connection)  # or the pool would hand it out again
            raise
        finally:
            try:
                await self._pool.release(connection)
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                # The pool has dropped it. What was done on it stands, a COMMIT above all, and so does what it raised.
                log.warning("database_connection_dropped", error=type(error).__name__)

    async def _look_for_a_primary(self) -> None:
        """Connect anew, for after a failover the old primary only reads; now and then, or reading would suffer too."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            await self._pool.expire_connections()


async def roll_back(connection: Any) -> None:
    """Undo what is open, or drop the connection, so that the server undoes it; the first error stays the one told."""
    try:
        if not connection.is_closed():
            await connection.execute("ROLLBACK", timeout=ROLLBACK_TIMEOUT_SECONDS)
    except BaseException as error:
        drop(connection)
        if not isinstance(error, Exception):  # cancelled, or cancelled once more
            raise
        log.warning("database_connection_dropped", error=type(error).__name__)


def drop(connection: Any) -> None:
    """End a connection, so that the pool makes another in its place."""
    with suppress(asyncpg.InterfaceError):  # lost meanwhile, so the pool has taken it back already
        connection.terminate()


def was_dismissed(error: asyncpg.InternalClientError) -> bool:
    """Say whether the server had ended the session and only the socket was still open, so that nothing was sent."""
    return str(error).startswith("cannot switch to state")


async def keep_as_it_is(_connection: Any) -> None:
    """Reset nothing: no statement of ours leaves session state behind."""
