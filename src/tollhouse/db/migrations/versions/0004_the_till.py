"""The till: purchases, payments, subscriptions, and what Stripe tells."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables of billing."""
    op.create_table(
        "tollhouse_customers",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "livemode", name="tollhouse_customers_pkey"),
        sa.UniqueConstraint("customer_id", name="tollhouse_customers_customer_id_key"),
    )
    op.create_table(
        "tollhouse_payments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), nullable=False),
        sa.Column("purchase_id", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("price_id", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("reversed_minor", sa.BigInteger(), nullable=False),
        sa.Column("reversed_credits", sa.BigInteger(), nullable=False),
        sa.Column("paid_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_payments_pkey"),
    )
    op.create_index("tollhouse_payments_payment_intent_id", "tollhouse_payments", ["payment_intent_id"], unique=False)
    op.create_index("tollhouse_payments_subscription_id", "tollhouse_payments", ["subscription_id"], unique=False)
    op.create_index(
        "tollhouse_payments_user_id_created_at", "tollhouse_payments", ["user_id", "created_at"], unique=False
    )
    op.create_table(
        "tollhouse_prices",
        sa.Column("stripe_price_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("stripe_product_id", sa.Text(), nullable=True),
        sa.Column("unit_amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("is_current", sa.Integer(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stripe_price_id", name="tollhouse_prices_pkey"),
    )
    op.create_index("tollhouse_prices_livemode_price_id", "tollhouse_prices", ["livemode", "price_id"], unique=False)
    op.create_table(
        "tollhouse_purchases",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("price_id", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=True),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("success_url", sa.Text(), nullable=True),
        sa.Column("cancel_url", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("checkout_session_id", sa.Text(), nullable=True),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("subscription_id", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.Column("paid_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="tollhouse_purchases_pkey"),
        sa.UniqueConstraint("checkout_session_id", name="tollhouse_purchases_checkout_session_id_key"),
        sa.UniqueConstraint("user_id", "livemode", "claim", name="tollhouse_purchases_user_id_livemode_claim_key"),
        sa.UniqueConstraint(
            "user_id", "livemode", "idempotency_key", name="tollhouse_purchases_user_id_livemode_idempotency_key_key"
        ),
    )
    op.create_index("tollhouse_purchases_payment_intent_id", "tollhouse_purchases", ["payment_intent_id"], unique=False)
    op.create_index("tollhouse_purchases_subscription_id", "tollhouse_purchases", ["subscription_id"], unique=False)
    op.create_index(
        "tollhouse_purchases_user_id_created_at", "tollhouse_purchases", ["user_id", "created_at"], unique=False
    )
    op.create_table(
        "tollhouse_reversals",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), nullable=False),
        sa.Column("payment_intent_id", sa.Text(), nullable=True),
        sa.Column("charge_id", sa.Text(), nullable=True),
        sa.Column("payment_id", sa.Text(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_reversals_pkey"),
    )
    op.create_index("tollhouse_reversals_payment_id", "tollhouse_reversals", ["payment_id"], unique=False)
    op.create_index("tollhouse_reversals_payment_intent_id", "tollhouse_reversals", ["payment_intent_id"], unique=False)
    op.create_table(
        "tollhouse_stripe_accounts",
        sa.Column("livemode", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("livemode", name="tollhouse_stripe_accounts_pkey"),
    )
    op.create_table(
        "tollhouse_stripe_entitlements",
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("feature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "livemode", "feature", name="tollhouse_stripe_entitlements_pkey"),
    )
    op.create_table(
        "tollhouse_stripe_events",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("api_version", sa.Text(), nullable=True),
        sa.Column("livemode", sa.Integer(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("stripe_created_at", sa.BigInteger(), nullable=True),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("processed_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="tollhouse_stripe_events_pkey"),
    )
    op.create_index(
        "tollhouse_stripe_events_kept",
        "tollhouse_stripe_events",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("sealed IS NOT NULL"),
        postgresql_where=sa.text("sealed IS NOT NULL"),
    )
    op.create_index("tollhouse_stripe_events_object_id", "tollhouse_stripe_events", ["object_id"], unique=False)
    op.create_index(
        "tollhouse_stripe_events_parked",
        "tollhouse_stripe_events",
        ["received_at"],
        unique=False,
        sqlite_where=sa.text("status = 'parked'"),
        postgresql_where=sa.text("status = 'parked'"),
    )
    op.create_index("tollhouse_stripe_events_received_at", "tollhouse_stripe_events", ["received_at"], unique=False)
    op.create_table(
        "tollhouse_stripe_objects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_stripe_objects_pkey"),
    )
    op.create_table(
        "tollhouse_stripe_refreshes",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_stripe_refreshes_pkey"),
    )
    op.create_table(
        "tollhouse_subscriptions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("livemode", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=True),
        sa.Column("price_id", sa.Text(), nullable=True),
        sa.Column("stripe_price_id", sa.Text(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("current_period_start", sa.BigInteger(), nullable=True),
        sa.Column("current_period_end", sa.BigInteger(), nullable=True),
        sa.Column("cancel_at", sa.BigInteger(), nullable=True),
        sa.Column("trial_end", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("past_due_since", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="tollhouse_subscriptions_pkey"),
    )
    op.create_index("tollhouse_subscriptions_customer_id", "tollhouse_subscriptions", ["customer_id"], unique=False)
    op.create_index("tollhouse_subscriptions_user_id", "tollhouse_subscriptions", ["user_id"], unique=False)
