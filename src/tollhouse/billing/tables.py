"""Payments: what was bought, what Stripe told, and what came of it.

Stripe's test and live modes never meet: whatever is looked up by one of our own ids carries `livemode` (0 or 1), and
`stripe_accounts` refuses a key of another account than the one this database belongs to.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text, UniqueConstraint, text

from tollhouse.db import metadata

stripe_accounts: Final = Table(
    "tollhouse_stripe_accounts",
    metadata,
    Column("livemode", Integer, primary_key=True, autoincrement=False),
    Column("account_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

stripe_events: Final = Table(
    "tollhouse_stripe_events",
    metadata,
    Column("id", Text, primary_key=True),  # evt_…
    Column("type", Text, nullable=False),
    Column("api_version", Text),
    Column("livemode", Integer, nullable=False),
    Column("object_id", Text),
    Column("status", Text, nullable=False),  # processed, accepted, ignored, parked
    Column("reason", Text),  # why it is parked or ignored
    Column("user_id", Text),
    Column("sealed", LargeBinary),  # the body as it came; NULL once pruned
    Column("stripe_created_at", BigInteger),
    Column("received_at", BigInteger, nullable=False),
    Column("processed_at", BigInteger),
    Index(
        "tollhouse_stripe_events_parked",
        "received_at",
        sqlite_where=text("status = 'parked'"),
        postgresql_where=text("status = 'parked'"),
    ),
    Index(
        "tollhouse_stripe_events_kept",
        "received_at",
        sqlite_where=text("sealed IS NOT NULL"),
        postgresql_where=text("sealed IS NOT NULL"),
    ),
    Index(None, "received_at"),
    Index(None, "object_id"),
)

# Where order matters: each event raises `wanted`, and a worker reads the object itself until `done` has caught up.
stripe_objects: Final = Table(
    "tollhouse_stripe_objects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # subscription, invoice, charge, …, customer (its entitlements)
    Column("livemode", Integer, nullable=False),
    Column("wanted", BigInteger, nullable=False),
    Column("wanted_at", BigInteger, nullable=False),
)

# Apart from `wanted`, which transactions raise that hold other locks already: reader and event never wait in a circle.
stripe_refreshes: Final = Table(
    "tollhouse_stripe_refreshes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("done", BigInteger, nullable=False),
    Column("done_at", BigInteger, nullable=False),
)

customers: Final = Table(
    "tollhouse_customers",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("livemode", Integer, primary_key=True, autoincrement=False),
    Column("customer_id", Text, unique=True),  # cus_…; NULL while it is being made
    Column("generation", Integer, nullable=False),  # grows when Stripe says that its customer is gone
    Column("created_at", BigInteger, nullable=False),
)

prices: Final = Table(
    "tollhouse_prices",
    metadata,
    Column("stripe_price_id", Text, primary_key=True),
    Column("livemode", Integer, nullable=False),
    Column("price_id", Text, nullable=False),  # ours
    Column("stripe_product_id", Text),
    Column("unit_amount_minor", BigInteger),
    Column("currency", Text, nullable=False),
    Column("is_current", Integer, nullable=False),  # 0: what earlier subscribers still pay
    Column("seen_at", BigInteger, nullable=False),
    Index(None, "livemode", "price_id"),
)

purchases: Final = Table(
    "tollhouse_purchases",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("livemode", Integer, nullable=False),
    Column("product_id", Text, nullable=False),
    Column("price_id", Text, nullable=False),
    Column("mode", Text, nullable=False),  # payment, subscription
    Column("quantity", BigInteger, nullable=False),
    Column("credits", BigInteger, nullable=False),  # of the whole purchase, as the catalogue said when it began
    # creating, open, processing (completed, money on its way), paid, failed, expired
    Column("status", Text, nullable=False),
    Column("claim", Text),  # what may be open once only for a user; NULL as soon as it is not open any more
    Column("idempotency_key", Text),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("request", Text, nullable=False),  # JSON: what Stripe is asked, the same however often it is
    Column("success_url", Text),
    Column("cancel_url", Text),
    Column("url", Text),  # of the Checkout page
    Column("checkout_session_id", Text, unique=True),
    Column("payment_intent_id", Text),
    Column("subscription_id", Text),
    Column("amount_minor", BigInteger),  # paid, in the smallest unit of the currency
    Column("currency", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("completed_at", BigInteger),
    Column("paid_at", BigInteger),
    UniqueConstraint("user_id", "livemode", "idempotency_key"),
    UniqueConstraint("user_id", "livemode", "claim"),
    Index(None, "user_id", "created_at"),
    Index(None, "payment_intent_id"),
    Index(None, "subscription_id"),
)

# Money that arrived, once for each business key: a purchase in payment mode, or an invoice.
payments: Final = Table(
    "tollhouse_payments",
    metadata,
    Column("id", Text, primary_key=True),  # pur_… or in_…
    Column("user_id", Text, nullable=False),
    Column("livemode", Integer, nullable=False),
    Column("purchase_id", Text),
    Column("subscription_id", Text),
    Column("payment_intent_id", Text),  # NULL where nothing was charged
    Column("product_id", Text),
    Column("price_id", Text),
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("credits", BigInteger, nullable=False),  # granted for it
    Column("reversed_minor", BigInteger, nullable=False),  # refunded and disputed, at most the amount
    Column("reversed_credits", BigInteger, nullable=False),
    Column("paid_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "user_id", "created_at"),
    Index(None, "payment_intent_id"),
    Index(None, "subscription_id"),
)

# Money that went back, or may: refunds and disputes, each by its own id.
reversals: Final = Table(
    "tollhouse_reversals",
    metadata,
    Column("id", Text, primary_key=True),  # re_… or du_…
    Column("kind", Text, nullable=False),  # refund, dispute
    Column("livemode", Integer, nullable=False),
    Column("payment_intent_id", Text),
    Column("charge_id", Text),
    Column("payment_id", Text),  # NULL until it is known which payment of ours it is about
    Column("amount_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),  # Stripe's word
    Column("stage", Integer, nullable=False),  # 0 nothing moved, 1 the money is gone, 2 it is back; never smaller again
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index(None, "payment_id"),
    Index(None, "payment_intent_id"),
)

subscriptions: Final = Table(
    "tollhouse_subscriptions",
    metadata,
    Column("id", Text, primary_key=True),  # sub_…
    Column("user_id", Text, nullable=False),
    Column("livemode", Integer, nullable=False),
    Column("customer_id", Text, nullable=False),
    Column("product_id", Text),  # NULL: a price that the catalogue does not know
    Column("price_id", Text),
    Column("stripe_price_id", Text, nullable=False),
    Column("quantity", BigInteger, nullable=False),
    Column("status", Text, nullable=False),  # Stripe's eight
    Column("current_period_start", BigInteger),
    Column("current_period_end", BigInteger),
    Column("cancel_at", BigInteger),  # set too when it ends with its period
    Column("trial_end", BigInteger),
    Column("ended_at", BigInteger),
    Column("past_due_since", BigInteger),  # grace counts from here
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Index(None, "user_id"),
    Index(None, "customer_id"),
)

# Stripe's own entitlements of a customer, for those who manage features there.
stripe_entitlements: Final = Table(
    "tollhouse_stripe_entitlements",
    metadata,
    Column("user_id", Text, primary_key=True),
    Column("livemode", Integer, primary_key=True, autoincrement=False),
    Column("feature", Text, primary_key=True),  # the lookup key
)
