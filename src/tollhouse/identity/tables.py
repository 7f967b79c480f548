"""Users, magic links and sessions; an address is here only as a digest, or sealed under what its owner holds."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from tollhouse.db import metadata

users: Final = Table(
    "tollhouse_users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("address_digest", LargeBinary, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("signed_in_at", BigInteger),
    Column("blocked_at", BigInteger),
)

# Users of another issuer, for whom a row is made when something of theirs is first written.
foreign_users: Final = Table(
    "tollhouse_foreign_users",
    metadata,
    Column("reference", Text, primary_key=True),  # {issuer}#{sub}
    Column("user_id", Text, ForeignKey("tollhouse_users.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

magic_links: Final = Table(
    "tollhouse_magic_links",
    metadata,
    Column("id", Text, primary_key=True),
    Column("token_hash", LargeBinary, nullable=False, unique=True),
    Column("code_hash", LargeBinary, nullable=False),
    Column("code_tries", Integer, nullable=False),
    Column("browser_hash", LargeBinary, nullable=False),
    Column("address_digest", LargeBinary, nullable=False),
    Column("email", LargeBinary),  # with the page to go to, sealed under the token
    Column("email_for_browser", LargeBinary),  # the same, sealed under the asking browser's secret
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),  # the link's own use
    Column("link_session_id", Text),
    Column("code_used_at", BigInteger),  # set too when the asking browser used the link: nothing is left to use
    Column("ended_at", BigInteger),  # a newer link of the same browser took its place
    Index(None, "browser_hash", "created_at"),
    Index(None, "expires_at"),
)

browsers: Final = Table(
    "tollhouse_browsers",
    metadata,
    Column("pair_digest", LargeBinary, primary_key=True),  # of a browser and an address it signed in to
    Column("seen_at", BigInteger, nullable=False),
    Index(None, "seen_at"),
)

sessions: Final = Table(
    "tollhouse_sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, ForeignKey("tollhouse_users.id", ondelete="CASCADE"), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("email", LargeBinary, nullable=False),  # sealed under the session's secret
    Column("device", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "user_id"),
    Index(None, "seen_at"),
    Index(None, "expires_at"),
)

invitations: Final = Table(
    "tollhouse_invitations",
    metadata,
    Column("address_digest", LargeBinary, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
)

suppressions: Final = Table(
    "tollhouse_suppressions",
    metadata,
    Column("address_digest", LargeBinary, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
