"""Credits: one account for each user, lots that are drawn from, entries that are only ever appended, and holds.

An account's `balance` is the sum of its entries. What its lots still hold is `balance + debt`: a clawback of credits
that were spent already leaves a debt, which later grants repay. `held` is the part of the lots promised to holds.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from tollhouse.db import metadata

accounts: Final = Table(
    "tollhouse_accounts",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("balance", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("debt", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),  # how many there are: the number of the newest
    Column("expires_next_at", BigInteger),  # no lot that holds anything expires sooner; NULL: none ever expires
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("held >= 0 AND debt >= 0 AND balance + debt - held >= 0", name="never_overdrawn"),
    Index(
        "tollhouse_accounts_expiring",
        "expires_next_at",
        sqlite_where=text("expires_next_at IS NOT NULL"),
        postgresql_where=text("expires_next_at IS NOT NULL"),
    ),
)

lots: Final = Table(
    "tollhouse_lots",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("kind", Text, nullable=False),  # purchase, subscription, grant, sign_up, restored
    Column("source_id", Text, nullable=False),  # what was paid or given: a purchase, an invoice, a grant's reference
    Column("series", Text),  # the subscription whose renewals end what is left of it; NULL: none does
    Column("series_at", BigInteger),  # the start of the period that was paid: its place in the series
    Column("renews", Integer, nullable=False),  # 1: it ends the lots of its series that begin earlier
    Column("granted", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("0 <= held AND held <= remaining AND remaining <= granted", name="within_granted"),
    Index(
        "tollhouse_lots_living",
        "user_id",
        sqlite_where=text("remaining > 0"),
        postgresql_where=text("remaining > 0"),
    ),
    Index(None, "source_id"),
    Index(
        "tollhouse_lots_series",
        "series",
        "series_at",
        sqlite_where=text("series IS NOT NULL"),
        postgresql_where=text("series IS NOT NULL"),
    ),
)

entries: Final = Table(
    "tollhouse_entries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("number", BigInteger, nullable=False),  # 1, 2, 3 … of this user: a gap would be a loss
    Column("kind", Text, nullable=False),  # grant, spend, expiry, clawback, restore, repay (of a debt: 0 credits)
    Column("counter", Text, nullable=False),  # the account on the other side, for double-entry books
    Column("credits", BigInteger, nullable=False),  # signed
    Column("balance_after", BigInteger, nullable=False),
    Column("debt_after", BigInteger, nullable=False),
    Column("source_id", Text),  # of the lots that it is about, where it is about one source
    Column("reference", Text),  # what caused it: a hold, a refund, the caller's own words
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("user_id", "number"),
    Index(None, "source_id"),
)

allocations: Final = Table(
    "tollhouse_allocations",
    metadata,
    Column("entry_id", Text, primary_key=True),
    Column("lot_id", Text, primary_key=True),
    Column("credits", BigInteger, nullable=False),  # taken from this lot by this entry; put into it where negative
    Index(None, "lot_id"),
)

holds: Final = Table(
    "tollhouse_holds",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("credits", BigInteger, nullable=False),
    Column("captured", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # held, captured, released, expired
    Column("reference", Text),
    Column("entry_id", Text),  # of the capture
    Column("expires_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Index(
        "tollhouse_holds_living",
        "expires_at",
        sqlite_where=text("status = 'held'"),
        postgresql_where=text("status = 'held'"),
    ),
    Index(None, "user_id"),
)

hold_parts: Final = Table(
    "tollhouse_hold_parts",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("lot_id", Text, primary_key=True),
    Column("credits", BigInteger, nullable=False),
)

replies: Final = Table(
    "tollhouse_replies",
    metadata,
    Column("scope", Text, primary_key=True),  # the caller and the route
    Column("key", Text, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),  # SHA-256 of the request, so that another one is refused
    Column("reply", Text),  # JSON; NULL only inside the transaction that earns it
    Column("created_at", BigInteger, nullable=False),
)
