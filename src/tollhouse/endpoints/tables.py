"""Endpoints: where events go over HTTP."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from tollhouse.db import metadata

endpoints: Final = Table(
    "tollhouse_endpoints",
    metadata,
    Column("name", Text, primary_key=True),
    Column("url", Text, nullable=False),
    Column("secrets", LargeBinary, nullable=False),  # sealed, the newest first
    Column("event_types", Text, nullable=False),
    Column("with_address", Integer, nullable=False),
    Column("private_network", Integer, nullable=False),
    Column("is_declared", Integer, nullable=False),  # in the settings, whose word goes at each start
    Column("disabled_at", BigInteger),
    Column("disabled_because", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("enabled_at", BigInteger, nullable=False),  # for the last time
)
