"""The outbox: events, and one delivery for each subscriber that an event (or a mail) is for."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    FromClause,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    literal_column,
    text,
)

from tollhouse.db import metadata

WAITING: Final = "waiting"
DELIVERED: Final = "delivered"
FAILED: Final = "failed"  # parked: visible, can be retried by hand
SKIPPED: Final = "skipped"  # by a rule of ours: nobody is to get it
EXPIRED: Final = "expired"  # its time had passed before it could be delivered

events: Final = Table(
    "tollhouse_events",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("user_id", Text),
    Column("sequence", BigInteger),
    Column("data", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "user_id", "sequence"),
    Index(None, "created_at"),
)

sequences: Final = Table(
    "tollhouse_sequences",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)

subscribers: Final = Table(
    "tollhouse_subscribers",
    metadata,
    Column("name", Text, primary_key=True),
    Column("event_type", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)

deliveries: Final = Table(
    "tollhouse_deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subscriber", Text, nullable=False),
    Column("event_id", Text),
    Column("user_id", Text),
    Column("sequence", BigInteger),
    Column("sealed", LargeBinary),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("lease", Text),
    Column("held_until", BigInteger),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Index(
        "tollhouse_deliveries_due",
        "subscriber",
        "due_at",
        sqlite_where=text("status = 'waiting'"),
        postgresql_where=text("status = 'waiting'"),
    ),
    Index(
        "tollhouse_deliveries_order",
        "subscriber",
        "user_id",
        "sequence",
        sqlite_where=text("status = 'waiting'"),
        postgresql_where=text("status = 'waiting'"),
    ),
    Index(None, "status", "finished_at"),
    Index(None, "event_id"),
)


def is_waiting(source: FromClause) -> ColumnElement[bool]:
    """Return the condition for rows that wait, the word in the SQL: a parameter would never meet a partial index."""
    return source.c.status == literal_column(f"'{WAITING}'")


leases: Final = Table(
    "tollhouse_leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("held_until", BigInteger, nullable=False),
)
