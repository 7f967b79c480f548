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
    Column("subject", Text),  # the payment, purchase or subscription that it tells of
    Column("created_at", BigInteger, nullable=False),
    Index(None, "user_id", "sequence"),
    Index(None, "created_at"),
    Index(None, "subject"),
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
    Column("with_address", Integer, nullable=False, server_default="0"),
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
    Column("applied_at", BigInteger),  # when the app said that it has done what the event asks of it
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
    Index(None, "subscriber", "created_at"),
)

attempts: Final = Table(
    "tollhouse_attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("delivery_id", Text, nullable=False),
    Column("subscriber", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("status", Integer),  # HTTP's, where there was a reply
    Column("reason", Text),
    Column("reply", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Index(None, "delivery_id"),
    Index(None, "subscriber", "succeeded", "started_at"),
    Index(None, "started_at"),
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
