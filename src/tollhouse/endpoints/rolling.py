"""Rolling: a new secret signs at once, and those before it for as long as apps may still check by them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, select

from tollhouse.db import Statement, Transaction
from tollhouse.endpoints import endpoints
from tollhouse.endpoints.errors import EndpointUnknown
from tollhouse.endpoints.secrets import create_secret, open_secrets, seal_secrets
from tollhouse.endpoints.secrets import roll as rolled
from tollhouse.endpoints.tables import endpoints as table
from tollhouse.runtime import Runtime

# Two who roll at once must both end up with a secret that signs. SQLite's transactions run one after another anyway.
LOCK: Final = Statement(select(table.c.secrets).where(table.c.name == bindparam("wanted")).with_for_update(), bytes)


async def roll(run: Runtime, name: str, *, overlap_us: int) -> tuple[str, int]:
    """Return the new secret of an endpoint, and how many older ones sign no longer though their time had not come.

    Raises `EndpointUnknown`.
    """
    return await run.db.transact(_roll, run, name, overlap_us)


async def _roll(tx: Transaction, run: Runtime, name: str, overlap_us: int) -> tuple[str, int]:
    sealed = await tx.fetch_one(LOCK, wanted=name)
    if sealed is None:
        raise EndpointUnknown(f"There is no endpoint {name}.")
    new = create_secret()
    before = open_secrets(run.keys, name, sealed, now_us=run.now_us)
    after = rolled(before, new, until_us=run.now_us + overlap_us)
    await tx.execute(endpoints.SET_SECRETS, wanted=name, sealed=seal_secrets(run.keys, name, after))
    return new, len(before) + 1 - len(after)
