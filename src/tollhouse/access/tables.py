"""Signing keys, OIDC clients and their grants, and API keys; every secret is here as a digest or sealed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, UniqueConstraint

from tollhouse.db import metadata

signing_keys: Final = Table(
    "tollhouse_signing_keys",
    metadata,
    Column("id", Text, primary_key=True),  # the `kid`
    Column("algorithm", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the private key, PKCS #8 DER, under the data key
    Column("created_at", BigInteger, nullable=False),  # published from here on
    Column("active_at", BigInteger, nullable=False),  # signs from here until the next generation does
    UniqueConstraint("algorithm", "generation"),  # of two rotations at once, one
)

clients: Final = Table(
    "tollhouse_clients",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary),  # none: a public client
    Column("redirect_uris", Text, nullable=False),  # a JSON list, as are the next two
    Column("sign_out_uris", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("first_party", Integer, nullable=False),
    Column("refresh_grace_seconds", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

grants: Final = Table(
    "tollhouse_grants",
    metadata,
    Column("id", Text, primary_key=True),
    # What a client may do ends with the session it was given in: signing out signs out everywhere.
    Column("session_id", Text, ForeignKey("tollhouse_sessions.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("nonce", Text),
    Column("code_hash", LargeBinary, nullable=False, unique=True),
    Column("code_challenge", Text, nullable=False),
    Column("code_expires_at", BigInteger, nullable=False),
    Column("code_used_at", BigInteger),
    Column("email", LargeBinary),  # sealed under the code, then under the newest refresh token
    Column("refresh_hash", LargeBinary),  # of the newest refresh token
    Column("refresh_generation", Integer, nullable=False),
    Column("refreshed_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index(None, "session_id"),
    Index(None, "expires_at"),
)

api_keys: Final = Table(
    "tollhouse_api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),  # a JSON list
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)
