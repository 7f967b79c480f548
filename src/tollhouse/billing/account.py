"""Which Stripe account this database belongs to, in each mode: ids of another account would mean nothing here."""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.billing.errors import StripeRefused, StripeUnavailable
from tollhouse.billing.stripe_account import StripeAccount
from tollhouse.billing.tables import stripe_accounts as table
from tollhouse.billing.till import Till
from tollhouse.db import Statement
from tollhouse.errors import SettingsError

log = structlog.get_logger()

RECORD: Final = Statement(
    upsert(table)
    .values({column.name: bindparam(column.name) for column in table.columns})
    .on_conflict_do_nothing(index_elements=["livemode"]),
    str,
)
FIND: Final = Statement(select(table.c.account_id).where(table.c.livemode == bindparam("livemode")), str)


async def account_id(stripe: StripeAccount) -> str | None:
    """Return the id of the account that the key opens, or None: a restricted key may not be allowed to know."""
    try:
        return str((await stripe.get("/v1/account"))["id"])
    except StripeRefused as error:
        if error.is_forbidden or error.http_status == 404:
            return None
        raise


async def claim(till: Till) -> None:
    """Record the account at the first start; raise `SettingsError` when the key is of another one than recorded.

    Where Stripe does not answer, or not to this key, the start goes on: an outage of theirs must not be one of ours.
    """
    mode = "live" if till.livemode else "test"
    try:
        found = await account_id(till.stripe)
    except StripeUnavailable:
        log.warning("stripe_account_unchecked", mode=mode, reason="stripe_unavailable")
        return
    except StripeRefused as error:
        log.warning("stripe_account_unchecked", mode=mode, reason=error.stripe_type)
        return
    if found is None:
        log.info("stripe_account_unchecked", mode=mode, reason="restricted_key")
        return
    await till.run.db.write(RECORD, livemode=till.livemode, account_id=found, created_at=till.run.now_us)
    recorded = await till.run.db.fetch_one(FIND, livemode=till.livemode)
    if recorded != found:
        raise SettingsError(
            [
                f"TOLLHOUSE_STRIPE_API_KEY is of the account {found}, but this database holds the customers and"
                f" payments of {recorded} in {mode} mode: set that account's key, or use another database."
            ]
        )
