"""More to sweep than one small transaction takes: all of it goes, and what lives stays."""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, select

from tollhouse.db import BATCH_SIZE, Statement
from tollhouse.identity.sweep import sweep
from tollhouse.limits.tables import limits
from tollhouse.testing import TestKit

ADD = Statement(
    insert(limits).values(key=bindparam("key"), free_at=bindparam("free_at"), tolerance=0), lambda *row: row
)
COUNT = Statement(select(func.count()).select_from(limits), int)


async def test_all_that_expired_goes_however_much(kit: TestKit):
    run = kit.toll.run
    dead = [{"key": f"dead:{n}", "free_at": 1} for n in range(2 * BATCH_SIZE + 1)]
    living = {"key": "living", "free_at": run.now_us + 60_000_000}

    async def work(tx):
        await tx.execute_many(ADD, [*dead, living])

    await run.db.transact(work)
    await sweep(run)
    assert await run.db.fetch_one(COUNT) == 1
