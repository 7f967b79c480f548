"""Repairing by reading once more at Stripe, in the same order as what webhooks ask to be read."""

from __future__ import annotations

from typing import Protocol

from tollhouse.billing import refresh, refreshing
from tollhouse.billing.reconcile.run import Run
from tollhouse.db import Transaction


class Known(Protocol):
    """An object of Stripe's."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


async def read_again(run: Run, kind: str, known: Known) -> None:
    """Read an object at Stripe now and write it, unless somebody who reads later than we is faster."""
    await read_again_by_id(run, kind, known.id)


async def read_again_by_id(run: Run, kind: str, object_id: str) -> None:
    """Do the same by the id alone."""
    till = run.till

    async def want(tx: Transaction) -> int | None:
        await refresh.want(tx, till, kind, object_id)
        return await tx.fetch_one(refreshing.WANTED, object_id=object_id, livemode=till.livemode)

    number = await till.run.db.transact(want)
    if number is not None:
        await refreshing.read_again(till, kind, object_id, number)
