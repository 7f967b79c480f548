"""Which schema a database has, told without loading the migration tool."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Column, MetaData, Table, Text, select

from tollhouse.db.database import Database
from tollhouse.db.statement import Statement
from tollhouse.errors import TollhouseError

VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"
schema: Final = Table("tollhouse_schema", MetaData(), Column("version_num", Text, primary_key=True))
CURRENT: Final = Statement(select(schema.c.version_num), str)


class SchemaOutdated(TollhouseError):
    """The database is older than this release. Run `tollhouse migrate` first."""

    code = "schema_outdated"


def known_revisions() -> list[str]:
    """Return the revisions that this release knows, oldest first; files are named by them."""
    return sorted(path.name.split("_")[0] for path in VERSIONS.glob("[0-9]*.py"))


async def require_current(db: Database) -> None:
    """Raise `SchemaOutdated` unless the database is at this release's schema, or at a newer one."""
    try:
        current = await db.fetch_one(CURRENT)
    except Exception as error:
        if not is_missing_table(error):
            raise
        raise SchemaOutdated from error
    known = known_revisions()
    if current is None or (current in known and current != known[-1]):
        raise SchemaOutdated


def is_missing_table(error: Exception) -> bool:
    """Whether the database said that there is no such table."""
    return "no such table" in str(error) or getattr(error, "sqlstate", None) == "42P01"
