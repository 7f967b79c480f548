"""Migrations: the database to its newest schema, by one migrator at a time, while old replicas serve.

Each version only adds what the code before it does not mind: new tables, nullable or defaulted columns, indexes.
What old code still reads is dropped one release later.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tollhouse.db.schema import known_revisions, schema
from tollhouse.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

LOCK_KEY: Final = 7_655_091_001  # of PostgreSQL's advisory lock; any number that nobody else uses
LOCK_TIMEOUT_SECONDS: Final = 30
TABLE_LOCK_TIMEOUT_SECONDS: Final = 3
HERE: Final = Path(__file__).parent


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database to a revision; safe to call from every replica at once. Raises `DatabaseUnavailable`.

    All steps run in one transaction that holds the lock, so a migrator that dies leaves nothing half done. A database
    at a revision of a later release is left as it is.
    """
    if url.startswith("sqlite:"):
        await asyncio.to_thread(_migrate_sqlite, url, revision)
    else:
        await _migrate_postgres(url, revision)


def _migrate_sqlite(url: str, revision: str) -> None:
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import OperationalError

    engine = create_engine(url, connect_args={"timeout": LOCK_TIMEOUT_SECONDS, "isolation_level": None})
    event.listen(engine, "begin", _begin_immediate)
    try:
        with engine.begin() as connection:
            _upgrade(connection, revision)
    except OperationalError as error:
        raise DatabaseUnavailable(f"The database cannot be migrated: {error.orig}.") from error
    finally:
        engine.dispose()


def _begin_immediate(connection: Connection) -> None:
    """Take the one write lock before anything is read; the driver's own transactions would leave DDL outside."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


async def _migrate_postgres(url: str, revision: str) -> None:
    import asyncpg  # pyright: ignore[reportMissingTypeStubs]
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    # The driver reads the URL itself, as it does when serving: `?sslmode=require` and its like are the driver's words.
    connect = partial(cast(Any, asyncpg).connect, url)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
            await connection.exec_driver_sql("SET LOCAL search_path TO public")  # where the code looks
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
            # Readers queue behind a table lock that waits, so it may not wait for long: better to fail and come again.
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TABLE_LOCK_TIMEOUT_SECONDS}s'")
            await connection.run_sync(_upgrade, revision)
    except (OSError, DBAPIError) as error:
        raise DatabaseUnavailable(f"The database cannot be migrated: {type(error).__name__}: {error}.") from error
    finally:
        await engine.dispose()


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.migration import MigrationContext

    current = MigrationContext.configure(connection, opts={"version_table": schema.name}).get_current_revision()
    if current is not None and current not in known_revisions():
        return  # of a later release, beside whose schema this one's code serves
    command.upgrade(configuration(connection), revision)


def configuration(connection: Any = None) -> Any:
    """Return Alembic's configuration for this folder, bound to an open connection."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def head() -> str:
    """Return the newest revision that this code knows."""
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory.from_config(configuration()).get_current_head()
    assert newest is not None
    return newest
