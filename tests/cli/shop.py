"""A shop whose Stripe is a sandbox on a port, for commands: its webhooks reach nobody."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from tests.cli.conftest import Ran, Shell
from tests.db.rows import open_database
from tollhouse.billing.catalogue_sync import push
from tollhouse.clock import DAY, Clock
from tollhouse.events import schedule
from tollhouse.ledger import accounts
from tollhouse.sandbox.sandbox import API_KEY
from tollhouse.sandbox.serving import serving
from tollhouse.testing import Sandbox, SignedInClient, TestKit

Result = TypeVar("Result")

SECRET = "whsec_" + "0" * 32
MINUTES_AGO = 10  # Stripe's time in these tests: what is younger than two minutes is left to its webhooks
CATALOGUE = """
[[products]]
id = "pack"
name = "Credit pack"
[[products.prices]]
id = "pack-100"
unit_amount_minor = 500
currency = "usd"
credits = 100

[[products]]
id = "pro"
name = "Pro"
features = ["exports"]
[[products.prices]]
id = "pro-monthly"
mode = "subscription"
unit_amount_minor = 900
currency = "eur"
interval = "month"
credits = 100
"""
PRODUCTS = [
    {"id": "pack", "name": "Credit pack"}
    | {"prices": [{"id": "pack-100", "unit_amount_minor": 500, "currency": "usd", "credits": 100}]},
    {"id": "pro", "name": "Pro", "features": ["exports"]}
    | {
        "prices": [
            {"id": "pro-monthly", "mode": "subscription", "unit_amount_minor": 900, "currency": "eur"}
            | {"interval": "month", "credits": 100}
        ]
    },
]


@dataclass(frozen=True, slots=True)
class Shop:
    """The running product, Alice in it, and its Stripe."""

    kit: TestKit
    alice: SignedInClient
    shell: Shell

    async def buy(self, price: str = "pack-100") -> str:
        """Have Alice pay; nobody is told. Return the Checkout session."""
        headers = {"idempotency-key": uuid4().hex}
        reply = await self.alice.post("/stripe/checkout", json={"price": price}, headers=headers)
        session_id: str = reply.raise_for_status().json()["checkout_session_id"]
        await self.kit.stripe.control(f"/checkout/sessions/{session_id}/pay", card="4242424242424242")
        return session_id

    async def available(self) -> int:
        """Alice's credits."""
        return (await accounts.find(self.kit.toll.run.db, self.alice.user_id)).available

    async def run(self, *words: str) -> Ran:
        """Run a command beside the product."""
        return await asyncio.to_thread(self.shell.run, *words)


def use_shop(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, folder: Path, work: Callable[[Shop], Awaitable[Result]]
) -> Result:
    """Run the shop for as long as `work(shop)` takes."""
    asyncio.run(_have_reconciled(os.environ["TOLLHOUSE_DATABASE_URL"]))
    sandbox = Sandbox(start=int(time.time()) - MINUTES_AGO * 60)
    (folder / "tollhouse.toml").write_text(CATALOGUE)
    monkeypatch.setenv("TOLLHOUSE_STRIPE_API_KEY", API_KEY)
    monkeypatch.setenv("TOLLHOUSE_STRIPE_WEBHOOK_SECRETS", SECRET)

    async def go(kit: TestKit) -> Result:
        async with serving(sandbox) as url:
            monkeypatch.setenv("TOLLHOUSE_STRIPE_API_BASE", url)
            await push(kit.toll.till)
            return await work(Shop(kit, await kit.sign_in("alice@example.com"), shell))

    return shell.use(go, stripe=sandbox, products=PRODUCTS)


async def _have_reconciled(url: str) -> None:
    """The product compares once a day by itself, from its start on, and would be faster than the command."""
    db = await open_database(url)
    now = Clock().now_us()
    await db.write_one(schedule.TAKE, name="reconcile", now=now, until=now + DAY)
    await db.close()
