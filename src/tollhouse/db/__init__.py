"""Tables, statements and transactions, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tollhouse.db.database import Database, Transaction
from tollhouse.db.metadata import metadata
from tollhouse.db.statement import BATCH_SIZE, Statement, Together, any_of, none_of, some

if TYPE_CHECKING:
    from tollhouse.settings import Settings

__all__ = [
    "BATCH_SIZE",
    "Database",
    "Statement",
    "Together",
    "Transaction",
    "any_of",
    "connect",
    "metadata",
    "none_of",
    "some",
]


def connect(settings: Settings) -> Database:
    """Return the database that DATABASE_URL names, not yet opened."""
    if settings.database_url.startswith("sqlite:"):
        from tollhouse.db.sqlite import SqliteDatabase

        return SqliteDatabase(settings.database_path)
    from tollhouse.db.postgres import PostgresDatabase

    return PostgresDatabase(settings.database_url, behind_pooler=settings.database_direct_url is not None)
