"""Credits that a new user starts with."""

from __future__ import annotations

from tollhouse.db import Transaction
from tollhouse.ledger import entries
from tollhouse.ledger.grants import Source, grant
from tollhouse.runtime import Happened, Runtime


async def grant_sign_up(tx: Transaction, run: Runtime, user_id: str) -> list[Happened]:
    """Grant a new user the credits of SIGN_UP_CREDITS, in the transaction that makes them; for `hooks.user_created`."""
    credits = run.settings.sign_up_credits
    if not credits:
        return []
    return entries.told(run, *await grant(tx, run, user_id, credits, source=Source("sign_up", user_id)))
