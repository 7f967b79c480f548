"""What a till takes in: purchases, people and keys made beforehand, and Stripe's events of them, signed."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import bindparam, insert

from bench.servers import SETTINGS
from tollhouse.app import Tollhouse
from tollhouse.billing.tables import purchases
from tollhouse.db import Statement
from tollhouse.identity.tables import users
from tollhouse.runtime import Runtime
from tollhouse.sandbox import Sandbox
from tollhouse.testing import make_settings

WEBHOOK_SECRET = "whsec_" + "b" * 32
STRIPE = {
    "TOLLHOUSE_STRIPE_API_KEY": "sk_test_bench",
    "TOLLHOUSE_STRIPE_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    "TOLLHOUSE_STRIPE_API_BASE": "http://127.0.0.1:9",  # nobody listens: an event's effect asks Stripe nothing
}
CREDITS = 100
RICH = 1_000_000_000
CHUNK = 1_000

ADD_USER = Statement(insert(users).values(id=bindparam("id"), created_at=1), str)
ADD_PURCHASE = Statement(
    insert(purchases).values(
        id=bindparam("id"),
        user_id=bindparam("user_id"),
        livemode=0,
        product_id="credits",
        price_id="credits-100",
        mode="payment",
        quantity=1,
        credits=CREDITS,
        status="open",
        fingerprint=b"",
        request="{}",
        checkout_session_id=bindparam("checkout_session_id"),
        created_at=1,
        expires_at=2**52,
    ),
    str,
)


def user_id(number: int) -> str:
    """A buyer."""
    return f"usr_{number:032x}"


def opened(database_url: str) -> Any:
    """The runtime of the measured server's database, for what is made beforehand."""
    settings = make_settings(url=SETTINGS["TOLLHOUSE_URL"], secret=SETTINGS["TOLLHOUSE_SECRET"])
    return Tollhouse(settings.model_copy(update={"database_url": database_url})).opened()


async def _add(run: Runtime, first: int, count: int) -> None:
    async def work(tx: Any, numbers: range) -> None:
        await tx.execute_many(ADD_USER, ({"id": user_id(each)} for each in numbers))
        rows = (
            {"id": f"pur_{each:032x}", "user_id": user_id(each), "checkout_session_id": f"cs_test_{each:058x}"}
            for each in numbers
        )
        await tx.execute_many(ADD_PURCHASE, rows)

    for start in range(first, first + count, CHUNK):
        await run.db.transact(work, range(start, min(start + CHUNK, first + count)))


async def add_purchases(database_url: str, first: int, count: int) -> None:
    """Purchases that wait for their payment, each of a buyer of its own."""
    async with opened(database_url) as run:
        await _add(run, first, count)


async def add_rich_people(database_url: str, count: int) -> str:
    """People with more credits than they can spend; the secret of a key that may spend them."""
    from tollhouse.access import api_keys
    from tollhouse.ledger.grants import Source, grant

    async with opened(database_url) as run:
        await _add(run, 0, count)

        async def work(tx: Any, number: int) -> None:
            await grant(tx, run, user_id(number), RICH, source=Source("grant", f"bench-{number}"))

        for number in range(count):
            await run.db.transact(work, number)
        _, secret = await api_keys.create(run, name="bench", scopes=["credits:spend"])
        return secret


class Events:
    """Stripe's `checkout.session.completed`, as the sandbox tells it, for one purchase after another."""

    def __init__(self) -> None:
        self._template, self._session, self._intent = asyncio.run(_example())

    def body(self, number: int) -> bytes:
        """The event of one purchase."""
        text = self._template.replace("evt_bench", f"evt_{number:024x}").replace("pur_bench", f"pur_{number:032x}")
        text = text.replace("usr_bench", user_id(number)).replace(self._session, f"cs_test_{number:058x}")
        return text.replace(self._intent, f"pi_{number:024x}").encode()

    def posted(self, number: int) -> tuple[bytes, dict[str, str]]:
        """The event with its signature of now."""
        body, at = self.body(number), int(time.time())
        made = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
        return body, {"Stripe-Signature": f"t={at},v1={made}"}


async def _example() -> tuple[str, str, str]:
    fields = {
        "mode": "payment",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "900",
        "line_items[0][price_data][product_data][name]": "Credits",
        "success_url": "https://auth.bench.example/billing/return",
        "metadata[tollhouse_purchase]": "pur_bench",
        "metadata[tollhouse_user]": "usr_bench",
        "client_reference_id": "usr_bench",
    }
    async with Sandbox() as sandbox, sandbox.client() as client:
        session = (await client.post("/v1/checkout/sessions", data=fields)).raise_for_status().json()
        await sandbox.control(f"/checkout/sessions/{session['id']}/pay", card="4242424242424242")
        listed = await client.get("/v1/events", params={"type": "checkout.session.completed"})
        event = listed.raise_for_status().json()["data"][0]
    event["id"] = "evt_bench"
    return json.dumps(event, indent=2), session["id"], event["data"]["object"]["payment_intent"]


def numbers_from(first: int) -> Iterator[int]:
    """Numbers of purchases, each taken once."""
    while True:
        yield first
        first += 1
