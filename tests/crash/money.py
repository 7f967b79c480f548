"""A process that works at the till until it dies at a named point, beside a sandbox that lives on."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Table, select

from tests.billing.shop import PRODUCTS
from tollhouse import failpoints
from tollhouse.app import Tollhouse
from tollhouse.billing import checkout, inbox
from tollhouse.billing.checkout import Buyer
from tollhouse.billing.checkout_request import Wanted
from tollhouse.billing.opening import open_till
from tollhouse.billing.readers import read_event
from tollhouse.billing.reconcile import reconcile
from tollhouse.billing.till import Till
from tollhouse.db import Statement
from tollhouse.ledger.api import Credits
from tollhouse.sandbox.sandbox import API_KEY
from tollhouse.testing import make_settings

SECRET = "the same in every process: 8xQz4Lw1vB2n"
LATER_SECONDS = 600  # or the reconciler would leave to their webhooks what happened just now
PATIENCE_SECONDS = 30
# Loaded once, in a server that forks: a child then works within milliseconds.
PRELOADED = ["tests.crash.money", "stripe", "aiohttp", "tollhouse.db.sqlite", "tollhouse.db.postgres"]

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(PRELOADED)


@dataclass(frozen=True, slots=True)
class Task:
    """What to do, where, and at which point to die."""

    database_url: str
    stripe_url: str
    work: str = ""
    point: str = ""
    user_id: str = "usr_" + "a" * 32
    given: dict[str, Any] = field(default_factory=dict[str, Any])


@asynccontextmanager
async def till_of(task: Task) -> AsyncIterator[Till]:
    """The till of a task, its clock ahead of the sandbox's."""
    settings = make_settings(
        secret=SECRET,
        database_url=task.database_url,
        products=PRODUCTS,
        stripe_api_key=API_KEY,
        stripe_api_base=task.stripe_url,
        stripe_webhook_secrets="whsec_" + "0" * 32,
    )
    toll = Tollhouse(settings)
    async with toll.opened() as run:
        toll.clock.advance(LATER_SECONDS)
        till = await open_till(run, settings)
        try:
            yield till
        finally:
            await till.stripe.close()


async def work(task: Task) -> Any:
    """Do what the task says, once."""
    async with till_of(task) as till:
        if task.work == "checkout":
            price = till.catalogue.price("pack-100")
            return await checkout.begin(till, Buyer(task.user_id, None), Wanted(price, 1), key="once")
        if task.work == "webhook":
            body: bytes = task.given["body"]
            return await inbox.receive(till, read_event(json.loads(body)), body)
        if task.work == "spend":
            return await Credits(lambda: till.run).spend(task.user_id, 7, key="once")
        if task.work == "capture":
            return await Credits(lambda: till.run).capture(task.given["hold_id"], 3, key="once")
        assert task.work == "reconcile", task.work
        return await reconcile(till, days=1, repair=True)


async def rows(task: Task, table: Table) -> list[dict[str, Any]]:
    """Every row of a table."""
    names = table.c.keys()
    statement = Statement(select(table), lambda *values: dict(zip(names, values, strict=True)))
    async with till_of(task) as till:
        return await till.run.db.fetch_all(statement)


def live_until_armed(task: Task) -> None:
    """What the child runs."""
    failpoints.arm(task.point)
    asyncio.run(work(task))


async def die(task: Task, point: str) -> None:
    """Have a child work on a task until it dies at this point."""
    child = processes.Process(target=live_until_armed, args=(replace(task, point=point),))
    child.start()
    await asyncio.to_thread(child.join, PATIENCE_SECONDS)
    assert child.exitcode == -signal.SIGKILL, f"it ended with {child.exitcode} in place of dying at {point}"
