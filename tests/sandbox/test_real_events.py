"""Stripe's own events: each is parsed and verified by the SDK, and ours of the same type has all that it has."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.conftest import START
from tests.sandbox.sdk.scenario import Sdk, play
from tests.support.testdata import require_testdata
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.webhooks.message import print_event
from tollhouse.sandbox.webhooks.signing import sign
from tollhouse.testing import stripe_client

FOLDER = require_testdata("stripe", "events")
FILES = sorted(FOLDER.glob("[0-9]*.json"))
SECRET = "whsec_0123456789abcdef"
OLDEST = "2022-11-15"  # before it, objects embed others that nobody asks for any more
COMPARED_MIN = 55
# Fields that Stripe's events of these types and versions do not have: somebody edited these, or scrubbed their names.
FOREIGN = {("invoice.voided", "subscription")}
SCRUBBED = "client_<"
URLS = {"success_url": "https://example.com/ok"}
PACK = {"currency": "usd", "unit_amount": 1500, "product_data": {"name": "Pack"}}
PLAN = PACK | {"recurring": {"interval": "month"}}
NEXT_MONTH = 40 * 86_400


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_sdk_takes_it_from_our_signature(path: Path) -> None:
    body = path.read_bytes()
    event = stripe.Webhook.construct_event(body, sign(body, [SECRET], int(time.time())), SECRET)
    assert event.type == json.loads(body)["type"]


async def make_news(sandbox: Sandbox) -> None:
    """Let everything happen that the scenario of the SDK has no words for: what people, banks and time do."""
    client = stripe_client(sandbox)
    async with sandbox.client() as control:
        for details in (
            {"card": "4242424242424242"},
            {"bank_account": "000123456789"},
            {"bank_account": "000111111116"},
        ):
            items = [{"price_data": PACK, "quantity": 1}]
            session: Any = {"mode": "payment", "line_items": items, **URLS}
            made = await client.v1.checkout.sessions.create_async(session)
            (await control.post(f"/control/checkout/sessions/{made.id}/pay", json=details)).raise_for_status()
        await subscribe_and_fail(client, control)
    await ask_for_3d_secure(client)
    sandbox.advance(NEXT_MONTH)
    sandbox.advance(NEXT_MONTH)


async def subscribe_and_fail(client: stripe.StripeClient, control: httpx.AsyncClient) -> None:
    items = [{"price_data": PLAN, "quantity": 1}]
    trial: Any = {"mode": "subscription", "line_items": items, "subscription_data": {"trial_period_days": 7}, **URLS}
    made = await client.v1.checkout.sessions.create_async(trial)
    (await control.post(f"/control/checkout/sessions/{made.id}/pay", json={})).raise_for_status()
    paid = await client.v1.checkout.sessions.retrieve_async(made.id)
    (await control.post(f"/control/subscriptions/{paid.subscription}/fail_next_payment", json={})).raise_for_status()


async def ask_for_3d_secure(client: stripe.StripeClient) -> None:
    asked: Any = {
        "payment_method": "pm_card_authenticationRequired",
        "confirm": True,
        "return_url": "https://example.com",
    }
    await client.v1.payment_intents.create_async(asked | {"amount": 900, "currency": "usd"})
    await client.v1.setup_intents.create_async(asked)


async def collect_ours(sandbox: Sandbox) -> dict[str, list[dict[str, Any]]]:
    await play(Sdk(stripe_client(sandbox), is_async=True))
    await make_news(sandbox)
    ours: dict[str, list[dict[str, Any]]] = {}
    for event in sandbox.world.every("event"):
        ours.setdefault(event["type"], []).append(event)
    return ours


def find_missing(sandbox: Sandbox, real: dict[str, Any], ours: list[dict[str, Any]]) -> set[str]:
    """The fields of a real event that not one of ours has, shown as its version has them; the nearest one counts."""
    found: list[set[str]] = []
    for event in ours[:20]:
        mine = json.loads(print_event(sandbox.world, event, real["api_version"]))
        fields = set(real["data"]["object"]) - set(mine["data"]["object"])
        found.append({*fields, *(f"event.{name}" for name in set(real) - set(mine))})
    return {name for name in min(found, key=len) if not name.startswith(SCRUBBED)}


@pytest.mark.slow
async def test_ours_have_every_field_of_the_real_ones() -> None:
    compared, missing = 0, set[tuple[str, str]]()
    async with Sandbox(seed=1, start=START) as sandbox:
        ours = await collect_ours(sandbox)
        for path in FILES:
            real = json.loads(path.read_text())
            if real["type"] in ours and (real.get("api_version") or "") >= OLDEST:
                compared += 1
                missing |= {(real["type"], name) for name in find_missing(sandbox, real, ours[real["type"]])}
    assert missing == FOREIGN
    assert compared >= COMPARED_MIN
