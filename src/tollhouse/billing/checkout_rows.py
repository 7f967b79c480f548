"""The statements of a purchase from its beginning to its Checkout page."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, exists, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing.purchases import COLUMNS, Purchase
from tollhouse.billing.tables import purchases as table
from tollhouse.billing.tables import subscriptions
from tollhouse.db import Statement

CREATING: Final = "creating"
OPEN: Final = "open"
PROCESSING: Final = "processing"
PAID: Final = "paid"
FAILED: Final = "failed"
EXPIRED: Final = "expired"
ENDED: Final = ("canceled", "incomplete_expired")  # what a subscription never comes back from

GIVEN: Final = (
    *("id", "user_id", "livemode", "product_id", "price_id", "mode", "quantity", "credits"),
    *("claim", "idempotency_key", "fingerprint", "request", "success_url", "cancel_url", "created_at", "expires_at"),
)
INSERT: Final = Statement(
    upsert(table)
    .values({**{name: bindparam(name) for name in GIVEN}, "status": CREATING})
    .on_conflict_do_nothing()
    .returning(*COLUMNS),
    Purchase,
)
_of_user: Final = (table.c.user_id == bindparam("user_id"), table.c.livemode == bindparam("livemode"))
FIND_BY_KEY: Final = Statement(select(*COLUMNS).where(*_of_user, table.c.idempotency_key == bindparam("key")), Purchase)
FIND_BY_CLAIM: Final = Statement(select(*COLUMNS).where(*_of_user, table.c.claim == bindparam("claim")), Purchase)

_subscription_of_user: Final = (
    subscriptions.c.user_id == bindparam("user_id"),
    subscriptions.c.livemode == bindparam("livemode"),
    subscriptions.c.product_id == bindparam("product_id"),
)
_subscribed: Final = exists().where(*_subscription_of_user, *(subscriptions.c.status != status for status in ENDED))
# Paid for, but Stripe's subscription itself was not read yet: it is on its way.
_subscribing: Final = exists().where(
    *_of_user,
    table.c.product_id == bindparam("product_id"),
    table.c.mode == "subscription",
    or_(table.c.status == PROCESSING, table.c.status == PAID),
    ~exists().where(subscriptions.c.id == table.c.subscription_id),
)
IS_SUBSCRIBED: Final = Statement(select(literal(1)).where(or_(_subscribed, _subscribing)), int)
WAS_SUBSCRIBED: Final = Statement(select(literal(1)).where(exists().where(*_subscription_of_user)), int)

STORE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("purchase_id"), table.c.status == CREATING)
    .values(
        status=OPEN,
        checkout_session_id=bindparam("session_id"),
        url=bindparam("session_url"),
        expires_at=bindparam("session_expires_at"),
    )
    .returning(*COLUMNS),
    Purchase,
)
# Nothing was made at Stripe, so whoever comes again begins anew, under the same key too.
GIVE_UP: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("purchase_id"), table.c.status == CREATING)
    .values(status=FAILED, claim=None, idempotency_key=None)
    .returning(*COLUMNS),
    Purchase,
)
# The page is not there any more, or never was.
EXPIRE: Final = Statement(
    update(table)
    .where(
        table.c.id == bindparam("purchase_id"),
        or_(table.c.status == CREATING, table.c.status == OPEN),
        table.c.expires_at <= bindparam("now"),
    )
    .values(status=EXPIRED, claim=None)
    .returning(*COLUMNS),
    Purchase,
)
