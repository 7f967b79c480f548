"""The rows of the exact limits; on PostgreSQL UNLOGGED, for a crash may forget them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Table, Text

from tollhouse.db import metadata

limits: Final = Table(
    "tollhouse_limits",
    metadata,
    Column("key", Text, primary_key=True),
    Column("free_at", BigInteger, nullable=False),
    Column("tolerance", BigInteger, nullable=False),
    Index(None, "free_at"),
)
