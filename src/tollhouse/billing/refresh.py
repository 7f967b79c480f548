"""What must be read at Stripe again: an event raises `wanted`, and a worker reads until `done` has caught up.

Nothing is ever ordered by when Stripe says it was created: whoever reads an object after an event sees what the event
told of, or something newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing.tables import stripe_objects as table
from tollhouse.db import Statement, Transaction
from tollhouse.events.outbox import ADD_DELIVERY, delivery_row
from tollhouse.runtime import Runtime

if TYPE_CHECKING:
    from tollhouse.billing.till import Till

SUBSCRIBER: Final = "stripe.refresh"

SUBSCRIPTION: Final = "subscription"  # with its newest invoice
INVOICE: Final = "invoice"  # with all of its lines
CHARGE: Final = "charge"  # its refunds and disputes, and what it paid
PAYMENT_INTENT: Final = "payment_intent"  # the same, by the other id
REFUND: Final = "refund"
DISPUTE: Final = "dispute"
CUSTOMER: Final = "customer"  # the features that Stripe says are theirs
KINDS: Final = (SUBSCRIPTION, INVOICE, CHARGE, PAYMENT_INTENT, REFUND, DISPUTE, CUSTOMER)

WANT: Final = Statement(
    upsert(table)
    .values(
        id=bindparam("object_id"),
        kind=bindparam("kind"),
        livemode=bindparam("livemode"),
        wanted=1,
        wanted_at=bindparam("now"),
    )
    .on_conflict_do_update(index_elements=["id"], set_={"wanted": table.c.wanted + 1, "wanted_at": bindparam("now")})
    .returning(table.c.wanted),
    int,
)


async def want(tx: Transaction, till: Till, kind: str, object_id: str) -> None:
    """Have an object read at Stripe soon after this transaction has committed; `wake` then saves a second."""
    assert kind in KINDS, kind
    now = till.run.now_us
    number = await tx.fetch_one(WANT, object_id=object_id, kind=kind, livemode=till.livemode, now=now)
    event_id = f"{kind}:{object_id}:{number}"
    await tx.execute(ADD_DELIVERY, **delivery_row(now_us=now, subscriber=SUBSCRIBER, event_id=event_id))


def wake(run: Runtime) -> None:
    """Have what is wanted read at once."""
    run.outbox.wake(SUBSCRIBER)
