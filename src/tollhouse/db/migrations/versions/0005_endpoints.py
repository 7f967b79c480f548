"""Endpoints: who is told of events over HTTP, and every attempt to tell them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of endpoints and attempts; old replicas leave the new columns empty."""
    op.create_table(
        "tollhouse_endpoints",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("event_types", sa.Text(), nullable=False),
        sa.Column("with_address", sa.Integer(), nullable=False),
        sa.Column("private_network", sa.Integer(), nullable=False),
        sa.Column("is_declared", sa.Integer(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger(), nullable=True),
        sa.Column("disabled_because", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("enabled_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="tollhouse_endpoints_pkey"),
    )
    op.create_table(
        "tollhouse_attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("subscriber", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("succeeded", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("duration_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_attempts_pkey"),
    )
    op.create_index("tollhouse_attempts_delivery_id", "tollhouse_attempts", ["delivery_id"], unique=False)
    op.create_index("tollhouse_attempts_started_at", "tollhouse_attempts", ["started_at"], unique=False)
    op.create_index(
        "tollhouse_attempts_subscriber_succeeded_started_at",
        "tollhouse_attempts",
        ["subscriber", "succeeded", "started_at"],
        unique=False,
    )
    op.add_column("tollhouse_events", sa.Column("subject", sa.Text(), nullable=True))
    op.create_index("tollhouse_events_subject", "tollhouse_events", ["subject"], unique=False)
    op.add_column("tollhouse_subscribers", sa.Column("with_address", sa.Integer(), server_default="0", nullable=False))
    op.add_column("tollhouse_deliveries", sa.Column("applied_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "tollhouse_deliveries_subscriber_created_at", "tollhouse_deliveries", ["subscriber", "created_at"], unique=False
    )
