"""Stripe's customers: one for each user and mode, whoever asks at once, and a new one when Stripe's is gone."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing.errors import StripeRefused, StripeUnavailable
from tollhouse.billing.tables import customers as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement, Transaction

log = structlog.get_logger()

USER_KEY: Final = "tollhouse_user"  # of Stripe's metadata, on whatever belongs to a user
ROUNDS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Customer:
    """A user's row; `customer_id` is None while it is being made."""

    user_id: str
    customer_id: str | None
    generation: int


COLUMNS: Final = (table.c.user_id, table.c.customer_id, table.c.generation)
BEGIN: Final = Statement(
    upsert(table)
    .values(
        user_id=bindparam("user_id"),
        livemode=bindparam("livemode"),
        customer_id=None,
        generation=0,
        created_at=bindparam("created_at"),
    )
    .on_conflict_do_nothing(index_elements=["user_id", "livemode"]),
    str,
)
FIND: Final = Statement(
    select(*COLUMNS).where(table.c.user_id == bindparam("user_id"), table.c.livemode == bindparam("livemode")), Customer
)
FIND_USER: Final = Statement(
    select(table.c.user_id).where(
        table.c.customer_id == bindparam("customer_id"), table.c.livemode == bindparam("livemode")
    ),
    str,
)
STORE: Final = Statement(
    update(table)
    .where(
        table.c.user_id == bindparam("owner"),
        table.c.livemode == bindparam("mode"),
        table.c.generation == bindparam("made_for"),
        table.c.customer_id.is_(None),
    )
    .values(customer_id=bindparam("made")),
    str,
)
FORGET: Final = Statement(
    update(table)
    .where(table.c.customer_id == bindparam("gone"), table.c.livemode == bindparam("mode"))
    .values(customer_id=None, generation=table.c.generation + 1),
    str,
)
SKIP: Final = Statement(
    update(table)
    .where(
        table.c.user_id == bindparam("owner"),
        table.c.livemode == bindparam("mode"),
        table.c.generation == bindparam("spent"),
        table.c.customer_id.is_(None),
    )
    .values(generation=table.c.generation + 1),
    str,
)


async def find(till: Till, user_id: str) -> str | None:
    """Return the id of a user's customer, or None when there is none yet."""
    row = await till.run.db.fetch_one(FIND, user_id=user_id, livemode=till.livemode)
    return row.customer_id if row else None


async def find_user(till: Till, customer_id: str) -> str | None:
    """Return whose customer this is, or None: not one of ours."""
    return await till.run.db.fetch_one(FIND_USER, customer_id=customer_id, livemode=till.livemode)


async def ensure(till: Till, user_id: str, *, email: str | None) -> str:
    """Return the id of a user's customer, made at Stripe unless there is one.

    Among any number who ask at once, in any process, Stripe makes one: they all use the same idempotency key. Raises
    `StripeUnavailable` and `StripeRefused`.
    """
    db = till.run.db
    for _ in range(ROUNDS_MAX):
        row = await db.fetch_one(FIND, user_id=user_id, livemode=till.livemode)
        if row is None:
            await db.write(BEGIN, user_id=user_id, livemode=till.livemode, created_at=till.run.now_us)
            continue
        if row.customer_id is not None:
            return row.customer_id
        try:
            made = await _make(till, row, email)
        except StripeUnavailable as error:
            if not error.key_is_spent:
                raise
            # Stripe failed once, and would say so again to this key for a day: go on with the next one.
            await db.write(SKIP, owner=user_id, mode=till.livemode, spent=row.generation)
            continue
        await _store(till, row, made)
    raise StripeUnavailable("The customer could not be made just now.")


async def forget(till: Till, customer_id: str) -> bool:
    """Let go of a customer that is gone at Stripe, so that `ensure` makes another one; return whether it was ours."""
    return await till.run.db.transact(forget_in, till, customer_id)


async def forget_in(tx: Transaction, till: Till, customer_id: str) -> bool:
    """Do what `forget` does in a transaction of the caller's."""
    return bool(await tx.execute(FORGET, gone=customer_id, mode=till.livemode))


async def _make(till: Till, row: Customer, email: str | None) -> str:
    """Create the customer of this generation at Stripe; the same request gives the same one."""
    fields: dict[str, object] = {"metadata": {USER_KEY: row.user_id}}
    if email is not None:
        fields["email"] = email
    digest = hashlib.sha256((email or "").encode()).hexdigest()
    key = f"tollhouse-customer-{row.user_id}-{till.livemode}-{row.generation}-{digest[:32]}"
    made = await till.stripe.post("/v1/customers", fields, idempotency_key=key)
    return str(made["id"])


async def _store(till: Till, row: Customer, made: str) -> None:
    """Store the customer, unless another one was faster: then ours has never been used, and need not lie about."""
    mode = till.livemode
    if await till.run.db.write(STORE, owner=row.user_id, mode=mode, made_for=row.generation, made=made):
        return
    stored = await find(till, row.user_id)
    if stored in (None, made):
        return
    try:
        await till.stripe.delete(f"/v1/customers/{made}", background=True)
    except (StripeRefused, StripeUnavailable) as error:
        log.info("stripe_customer_left_over", customer_id=made, error=error.code)
