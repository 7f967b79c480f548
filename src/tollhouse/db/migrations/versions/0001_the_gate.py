"""The gate: users, links, sessions, limits, keys and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    unlogged = ["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else []
    op.create_table(
        "tollhouse_browsers",
        sa.Column("pair_digest", sa.LargeBinary(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pair_digest", name="tollhouse_browsers_pkey"),
    )
    op.create_index("tollhouse_browsers_seen_at", "tollhouse_browsers", ["seen_at"], unique=False)
    op.create_table(
        "tollhouse_deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("subscriber", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("held_until", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="tollhouse_deliveries_pkey"),
    )
    op.create_index(
        "tollhouse_deliveries_due",
        "tollhouse_deliveries",
        ["subscriber", "due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'waiting'"),
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index("tollhouse_deliveries_event_id", "tollhouse_deliveries", ["event_id"], unique=False)
    op.create_index(
        "tollhouse_deliveries_order",
        "tollhouse_deliveries",
        ["subscriber", "user_id", "sequence"],
        unique=False,
        sqlite_where=sa.text("status = 'waiting'"),
        postgresql_where=sa.text("status = 'waiting'"),
    )
    op.create_index(
        "tollhouse_deliveries_status_finished_at", "tollhouse_deliveries", ["status", "finished_at"], unique=False
    )
    op.create_table(
        "tollhouse_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_events_pkey"),
    )
    op.create_index("tollhouse_events_created_at", "tollhouse_events", ["created_at"], unique=False)
    op.create_index("tollhouse_events_user_id_sequence", "tollhouse_events", ["user_id", "sequence"], unique=False)
    op.create_table(
        "tollhouse_invitations",
        sa.Column("address_digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address_digest", name="tollhouse_invitations_pkey"),
    )
    op.create_table(
        "tollhouse_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_keys_pkey"),
    )
    op.create_table(
        "tollhouse_leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="tollhouse_leases_pkey"),
    )
    op.create_table(
        "tollhouse_limits",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("free_at", sa.BigInteger(), nullable=False),
        sa.Column("tolerance", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="tollhouse_limits_pkey"),
        prefixes=unlogged,
    )
    op.create_index("tollhouse_limits_free_at", "tollhouse_limits", ["free_at"], unique=False)
    op.create_table(
        "tollhouse_magic_links",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_tries", sa.Integer(), nullable=False),
        sa.Column("browser_hash", sa.LargeBinary(), nullable=False),
        sa.Column("address_digest", sa.LargeBinary(), nullable=False),
        sa.Column("email", sa.LargeBinary(), nullable=True),
        sa.Column("email_for_browser", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("link_session_id", sa.Text(), nullable=True),
        sa.Column("code_used_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="tollhouse_magic_links_pkey"),
        sa.UniqueConstraint("token_hash", name="tollhouse_magic_links_token_hash_key"),
    )
    op.create_index(
        "tollhouse_magic_links_browser_hash_created_at",
        "tollhouse_magic_links",
        ["browser_hash", "created_at"],
        unique=False,
    )
    op.create_index("tollhouse_magic_links_expires_at", "tollhouse_magic_links", ["expires_at"], unique=False)
    op.create_table(
        "tollhouse_sequences",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="tollhouse_sequences_pkey"),
    )
    op.create_table(
        "tollhouse_subscribers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "event_type", name="tollhouse_subscribers_pkey"),
    )
    op.create_table(
        "tollhouse_suppressions",
        sa.Column("address_digest", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("address_digest", name="tollhouse_suppressions_pkey"),
    )
    op.create_table(
        "tollhouse_users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("address_digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("signed_in_at", sa.BigInteger(), nullable=True),
        sa.Column("blocked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="tollhouse_users_pkey"),
        sa.UniqueConstraint("address_digest", name="tollhouse_users_address_digest_key"),
    )
    op.create_table(
        "tollhouse_sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("email", sa.LargeBinary(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["tollhouse_users.id"], name="tollhouse_sessions_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="tollhouse_sessions_pkey"),
        sa.UniqueConstraint("secret_hash", name="tollhouse_sessions_secret_hash_key"),
    )
    op.create_index("tollhouse_sessions_expires_at", "tollhouse_sessions", ["expires_at"], unique=False)
    op.create_index("tollhouse_sessions_seen_at", "tollhouse_sessions", ["seen_at"], unique=False)
    op.create_index("tollhouse_sessions_user_id", "tollhouse_sessions", ["user_id"], unique=False)
