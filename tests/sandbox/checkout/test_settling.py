"""When what moved the balance is told of a payment that no request for an intent made."""

from __future__ import annotations

import pytest

from tests.sandbox.asking import ask, events_of
from tests.sandbox.conftest import START
from tollhouse.sandbox import Sandbox

from .shop import Shop

AT_ONCE = [("charge.succeeded", True)]
LATER = [("charge.succeeded", False), ("charge.updated", True)]


def told(sandbox: Sandbox) -> list[tuple[str, bool]]:
    """Return the events of charges, and whether each carried a balance transaction."""
    events = events_of(sandbox, "charge.succeeded", "charge.updated")
    return [(each["type"], bool(each["data"]["object"]["balance_transaction"])) for each in events]


@pytest.mark.parametrize("mode", ["payment", "subscription"])
async def test_a_payment_on_the_page_moves_the_balance_a_moment_later(shop: Shop, sandbox: Sandbox, mode: str) -> None:
    session = await shop.session(await (shop.price() if mode == "payment" else shop.plan()))
    assert (await shop.pay(session)).status_code == 303
    await shop.read(session)
    assert told(sandbox) == LATER


@pytest.mark.parametrize(("version", "expected"), [("2024-04-10", LATER), ("2023-10-16", AT_ONCE), (None, AT_ONCE)])
async def test_an_invoice_is_captured_as_the_version_of_the_request_does(
    shop: Shop, sandbox: Sandbox, version: str | None, expected: list[tuple[str, bool]]
) -> None:
    plan = await shop.plan()
    customer = await shop.post("/v1/customers")
    path = f"/v1/customers/{customer['id']}"
    card = await shop.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer["id"]})
    await shop.post(path, {"invoice_settings": {"default_payment_method": card["id"]}})
    given = {"customer": customer["id"], "items": [{"price": plan["id"]}]}
    await ask(shop.api, "POST", "/v1/subscriptions", given, version=version)
    await shop.get(path)
    assert told(sandbox) == expected
    sandbox.advance(32 * 86_400)  # what time brings is nobody's request
    assert told(sandbox)[len(expected) :] == LATER


async def test_the_balance_moves_though_a_test_clock_stands_still(shop: Shop, sandbox: Sandbox) -> None:
    clock = await shop.post("/v1/test_helpers/test_clocks", {"frozen_time": START})
    customer = await shop.post("/v1/customers", {"test_clock": clock["id"], "email": "alice@example.com"})
    session = await shop.session(await shop.plan(), customer=customer["id"])
    assert (await shop.pay(session)).status_code == 303
    await shop.read(session)
    assert told(sandbox) == LATER
