"""Credits: accounts, lots, entries, holds, and users of other issuers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of the ledger."""
    op.create_table(
        "tollhouse_accounts",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("debt", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("expires_next_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "held >= 0 AND debt >= 0 AND balance + debt - held >= 0", name="tollhouse_accounts_never_overdrawn_check"
        ),
        sa.PrimaryKeyConstraint("user_id", name="tollhouse_accounts_pkey"),
    )
    op.create_index(
        "tollhouse_accounts_expiring",
        "tollhouse_accounts",
        ["expires_next_at"],
        unique=False,
        sqlite_where=sa.text("expires_next_at IS NOT NULL"),
        postgresql_where=sa.text("expires_next_at IS NOT NULL"),
    )
    op.create_table(
        "tollhouse_allocations",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "lot_id", name="tollhouse_allocations_pkey"),
    )
    op.create_index("tollhouse_allocations_lot_id", "tollhouse_allocations", ["lot_id"], unique=False)
    op.create_table(
        "tollhouse_entries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("counter", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("debt_after", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_entries_pkey"),
        sa.UniqueConstraint("user_id", "number", name="tollhouse_entries_user_id_number_key"),
    )
    op.create_index("tollhouse_entries_source_id", "tollhouse_entries", ["source_id"], unique=False)
    op.create_table(
        "tollhouse_hold_parts",
        sa.Column("hold_id", sa.Text(), nullable=False),
        sa.Column("lot_id", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hold_id", "lot_id", name="tollhouse_hold_parts_pkey"),
    )
    op.create_table(
        "tollhouse_holds",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("captured", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("entry_id", sa.Text(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="tollhouse_holds_pkey"),
    )
    op.create_index(
        "tollhouse_holds_living",
        "tollhouse_holds",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("status = 'held'"),
        postgresql_where=sa.text("status = 'held'"),
    )
    op.create_index("tollhouse_holds_user_id", "tollhouse_holds", ["user_id"], unique=False)
    op.create_table(
        "tollhouse_lots",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=True),
        sa.Column("series_at", sa.BigInteger(), nullable=True),
        sa.Column("renews", sa.Integer(), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "0 <= held AND held <= remaining AND remaining <= granted", name="tollhouse_lots_within_granted_check"
        ),
        sa.PrimaryKeyConstraint("id", name="tollhouse_lots_pkey"),
    )
    op.create_index(
        "tollhouse_lots_living",
        "tollhouse_lots",
        ["user_id"],
        unique=False,
        sqlite_where=sa.text("remaining > 0"),
        postgresql_where=sa.text("remaining > 0"),
    )
    op.create_index(
        "tollhouse_lots_series",
        "tollhouse_lots",
        ["series", "series_at"],
        unique=False,
        sqlite_where=sa.text("series IS NOT NULL"),
        postgresql_where=sa.text("series IS NOT NULL"),
    )
    op.create_index("tollhouse_lots_source_id", "tollhouse_lots", ["source_id"], unique=False)
    op.create_table(
        "tollhouse_replies",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name="tollhouse_replies_pkey"),
    )
    op.create_table(
        "tollhouse_foreign_users",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["tollhouse_users.id"], name="tollhouse_foreign_users_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("reference", name="tollhouse_foreign_users_pkey"),
        sa.UniqueConstraint("user_id", name="tollhouse_foreign_users_user_id_key"),
    )
