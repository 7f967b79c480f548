"""Whether your app has what was bought: what its endpoints have said of the payment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, func, select

from tollhouse.billing.purchases import Purchase
from tollhouse.billing.tables import payments
from tollhouse.billing.tables import purchases as table
from tollhouse.db import Database, Statement
from tollhouse.endpoints import receipts


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is known of a purchase: since when it is applied, if it is, and whether an app is still to hear of it."""

    purchase_id: str
    applied_at: int | None
    is_on_its_way: bool

    @property
    def is_applied(self) -> bool | None:
        """Whether an app has it; None where none will hear of it, or one that heard of it gave no receipt."""
        return True if self.applied_at is not None else False if self.is_on_its_way else None


# A subscription is bought with its first invoice; whatever renews it later says nothing of the purchase.
_first_invoice = (
    select(payments.c.id)
    .where(payments.c.subscription_id == table.c.subscription_id)
    .order_by(payments.c.paid_at, payments.c.id)
    .limit(1)
    .correlate(table)
    .scalar_subquery()
)
_payment_id = func.coalesce(_first_invoice, table.c.id)
OF_SOME: Final = Statement(
    select(table.c.id, receipts.applied_at(_payment_id), receipts.is_on_its_way(_payment_id)).where(
        table.c.user_id == bindparam("user_id"),
        table.c.id >= bindparam("oldest"),
        table.c.id <= bindparam("newest"),
    ),
    Receipt,
)


async def of_purchases(db: Database, purchases: Sequence[Purchase]) -> Mapping[str, Receipt]:
    """Return the receipts of one user's purchases that were made one after the other, by id."""
    if not purchases:
        return {}
    ids = [each.id for each in purchases]
    found = await db.fetch_all(OF_SOME, user_id=purchases[0].user_id, oldest=min(ids), newest=max(ids))
    return {each.purchase_id: each for each in found}


async def of_purchase(db: Database, purchase: Purchase) -> Receipt:
    """Return the receipt of one purchase."""
    return (await of_purchases(db, [purchase]))[purchase.id]
