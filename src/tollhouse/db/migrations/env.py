"""Alembic's entry: runs the versions on the connection that `migrate` opened."""

from __future__ import annotations

from alembic import context

from tollhouse.db import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="tollhouse_schema",
    transactional_ddl=False,  # `migrate` already holds the transaction
)
context.run_migrations()
