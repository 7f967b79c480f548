"""Events as Stripe would post them, signed for a kit's endpoint."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.identity.rows import everything, rows_of
from tollhouse.billing import inbox
from tollhouse.billing.facts import StripeEvent
from tollhouse.billing.outcomes import Outcome
from tollhouse.billing.tables import stripe_events
from tollhouse.billing.till import Till
from tollhouse.db import Transaction
from tollhouse.events.tables import deliveries
from tollhouse.testing import TestKit

Effect = Callable[[Transaction, Till, StripeEvent], Awaitable[Outcome]]

PATH = "/stripe/webhook"
OURS = "test.happened"  # of which only `teach` knows an effect
numbers = itertools.count(1)


def make_event(event_type: str = OURS, **fields: Any) -> dict[str, Any]:
    """An event as Stripe prints it."""
    return {
        "id": f"evt_{next(numbers)}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": int(time.time()),
        "data": {"object": {"id": "obj_1", "object": "thing"}},
        "livemode": False,
        "pending_webhooks": 1,
        "type": event_type,
    } | fields


def sign(body: bytes, secret: str, *, at: int | None = None) -> str:
    """The header `Stripe-Signature`."""
    at = int(time.time()) if at is None else at
    return f"t={at},v1={hmac.new(secret.encode(), b'%d.' % at + body, hashlib.sha256).hexdigest()}"


async def post(kit: TestKit, event: Any, **headers: str) -> httpx.Response:
    """Post an event, or a body as it is; signed unless headers say otherwise."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    signature = {"stripe-signature": sign(body, kit.toll.settings.stripe_webhook_secrets[0])}
    sent = {"content-type": "application/json", **signature, **headers}
    transport = httpx.ASGITransport(app=kit.app, client=("203.0.113.9", 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=kit.toll.settings.url) as stripe:
        return await stripe.post(PATH, content=body, headers={name: text for name, text in sent.items() if text})


async def posted(kit: TestKit, event: Any) -> str:
    """The status that Stripe is told of an event that was taken."""
    reply = await post(kit, event)
    assert reply.status_code == 200, reply.text
    said = reply.json()
    assert said["received"] is True
    return said["status"]


async def at_rest(kit: TestKit) -> dict[str, list[Any]]:
    """Every row of every table, once Stripe has sent all that it has to say of the catalogue."""
    await kit.stripe.settle()
    await kit.settle()
    return await everything(kit)


async def inbox_of(kit: TestKit) -> list[dict[str, Any]]:
    """Every row of the inbox but those that Stripe's sandbox has filled."""
    return [row for row in await rows_of(kit, stripe_events) if not row["type"].startswith(("product.", "price."))]


async def deliveries_of(kit: TestKit, subscriber: str) -> list[dict[str, Any]]:
    """Every delivery to a subscriber."""
    return [row for row in await rows_of(kit, deliveries) if row["subscriber"] == subscriber]


def teach(monkeypatch: pytest.MonkeyPatch, effect: Effect, event_type: str = OURS) -> None:
    """Give a type of event an effect, beside those that there are."""
    monkeypatch.setattr(inbox, "EFFECTS", {**inbox.EFFECTS, event_type: effect})
