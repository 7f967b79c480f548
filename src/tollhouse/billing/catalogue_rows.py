"""Which of Stripe's prices are ours, as the database remembers it, those of earlier days too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing.catalogue import Price
from tollhouse.billing.catalogue_terms import stripe_product_of
from tollhouse.billing.facts import PriceFacts
from tollhouse.billing.tables import prices as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction

_insert = upsert(table).values({column.name: bindparam(column.name) for column in table.columns})
ADD: Final = Statement(_insert.on_conflict_do_nothing(index_elements=["stripe_price_id"]), str)
RECORD: Final = Statement(
    _insert.on_conflict_do_update(
        index_elements=["stripe_price_id"],
        set_={name: _insert.excluded[name] for name in ("price_id", "stripe_product_id", "is_current", "seen_at")},
    ),
    str,
)
RETIRE: Final = Statement(
    update(table)
    .where(
        table.c.livemode == bindparam("mode"),
        table.c.price_id == bindparam("ours"),
        table.c.stripe_price_id != bindparam("current"),
        table.c.is_current == 1,
    )
    .values(is_current=0),
    str,
)
KNOWN_AS: Final = Statement(
    select(table.c.price_id).where(
        table.c.stripe_price_id == bindparam("stripe_price_id"), table.c.livemode == bindparam("livemode")
    ),
    str,
)


async def find_price(tx: Transaction, till: Till, stripe_price_id: str | None) -> Price | None:
    """Return which of our prices one of Stripe's is, or None; knows what was pushed elsewhere just now as well."""
    known = till.catalogue.of_stripe(stripe_price_id)
    if known is not None or stripe_price_id is None:
        return known
    price_id = await tx.fetch_one(KNOWN_AS, stripe_price_id=stripe_price_id, livemode=till.livemode)
    return till.catalogue.prices.get(price_id or "")


async def record_current(till: Till, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Remember which of Stripe's prices each of ours is now (`found` by our id), and the ones before as earlier."""

    async def work(tx: Transaction) -> None:
        for price_id, raw in sorted(found.items()):
            await tx.execute(RETIRE, mode=till.livemode, ours=price_id, current=raw["id"])
            row = _row(till, raw["id"], price_id, stripe_product_of(raw), raw["unit_amount"], raw["currency"])
            await tx.execute(RECORD, **row | {"is_current": 1})

    if found:
        await till.run.db.transact(work)
        await till.catalogue.learn(till.run.db)


async def remember_pinned(till: Till) -> None:
    """Remember the ids that the settings name, so that they are known still when the settings name others."""
    for stripe_price_id, price_id in till.catalogue.pinned.items():
        terms = till.catalogue.prices[price_id].terms
        row = _row(till, stripe_price_id, price_id, None, terms.unit_amount_minor, terms.currency)
        await till.run.db.write(ADD, **row)


async def note_price(tx: Transaction, till: Till, facts: PriceFacts) -> bool:
    """Remember one of Stripe's prices that says itself that it is ours; return whether it does.

    Which one is sold now is not decided by events, of which an older one may come later: `catalogue push` does that.
    """
    price_id = facts.our_id or facts.lookup_key
    if price_id is None or price_id not in till.catalogue.prices:
        return False
    row = _row(till, facts.id, price_id, facts.product_id, facts.unit_amount_minor, facts.currency)
    await tx.execute(ADD, **row)
    return True


def _row(
    till: Till, stripe_price_id: str, price_id: str, product_id: str | None, amount_minor: int | None, currency: str
) -> dict[str, Any]:
    return {
        "stripe_price_id": stripe_price_id,
        "livemode": till.livemode,
        "price_id": price_id,
        "stripe_product_id": product_id,
        "unit_amount_minor": amount_minor,
        "currency": currency,
        "is_current": 0,
        "seen_at": till.run.now_us,
    }
