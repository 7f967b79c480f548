"""The dashboard: what it lists, and what its buttons do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import START
from tollhouse.sandbox.durations import TURN_SECONDS_MAX

from .shop import Shop


async def press(shop: Shop, path: str, status: int = 303, /, **form: str) -> str:
    reply = await shop.api.post("/dashboard/" + path, data=form)
    assert reply.status_code == status, reply.text
    return reply.text


async def look(shop: Shop, path: str = "") -> str:
    reply = await shop.api.get("/dashboard" + path)
    assert reply.status_code == 200
    return reply.text


@pytest.fixture
async def paid(shop: Shop) -> Any:
    session = await shop.session(await shop.plan(), await shop.price())
    await shop.pay(session)
    return await shop.read(session, "subscription", "invoice.payments")


async def test_everything_is_listed(shop: Shop, paid: Any) -> None:
    await shop.post("/v1/webhook_endpoints", {"url": "https://app.example.com/hook", "enabled_events": ["*"]})
    assert (await shop.api.get("/")).status_code == 200
    assert "alice@example.com" in await look(shop)
    assert "$24.00" in await look(shop, "/payments")
    assert "alice@example.com" in await look(shop, "/customers")
    assert "$9.00 per month" in await look(shop, "/subscriptions")
    assert "checkout.session.completed" in await look(shop, "/events")
    assert "https://app.example.com/hook" in await look(shop, "/webhooks")
    assert (await shop.api.get("/dashboard/secrets")).status_code == 404


async def test_an_empty_sandbox_says_so(shop: Shop) -> None:
    for path in ("/payments", "/customers", "/subscriptions", "/events", "/webhooks"):
        assert "There are none yet" in await look(shop, path)
    assert "Nothing was paid yet" in await look(shop)


async def test_an_object_is_shown_as_the_api_shows_it(shop: Shop, paid: Any) -> None:
    for id in (paid["id"], paid["subscription"]["id"], paid["invoice"]["id"], paid["customer"]):
        page = await look(shop, f"/objects/{id}")
        assert id in page
        assert "&#34;_&#34;" not in page
    assert (await shop.api.get("/dashboard/objects/xx_none")).status_code == 404


async def test_the_clock_is_turned(shop: Shop) -> None:
    await press(shop, "clock", step="day")
    await press(shop, "clock", seconds="90")
    assert shop.sandbox.clock.now() == START + 86_400 + 90
    assert "2027-01-16 08:01:30" in await look(shop)
    for seconds in ("", "-5", "soon"):
        await press(shop, "clock", 400, seconds=seconds)


async def test_a_payment_is_refunded_and_disputed(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.pay(session)
    id = (await shop.read(session))["payment_intent"]
    await press(shop, f"objects/{id}/refund", amount="500")
    assert (await shop.get("/v1/refunds"))["data"][0]["amount"] == 500
    await press(shop, f"objects/{id}/refund", 400, amount="5000")
    await press(shop, f"objects/{id}/refund", 400, amount="lots")
    await press(shop, f"objects/{id}/dispute")
    dispute = (await shop.get("/v1/disputes"))["data"][0]
    assert "Decide for the seller" in await look(shop, f"/objects/{dispute['id']}")
    await press(shop, f"objects/{dispute['id']}/win")
    assert (await shop.get(f"/v1/disputes/{dispute['id']}"))["status"] == "won"
    await press(shop, f"objects/{id}/explode", 400)


async def test_a_debit_is_settled_by_hand(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.debit(session)
    id = (await shop.read(session))["payment_intent"]
    assert "Let the debit settle" in await look(shop, f"/objects/{id}")
    await press(shop, f"objects/{id}/settle")
    assert (await shop.read(session))["payment_status"] == "paid"


async def test_an_event_is_sent_again(shop: Shop) -> None:
    endpoint = await shop.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/hook", "enabled_events": ["*"]})
    await press(shop, f"objects/{endpoint['id']}/disable")
    await shop.post("/v1/customers")
    await press(shop, f"objects/{endpoint['id']}/enable")
    event = (await shop.get("/v1/events"))["data"][0]
    await press(shop, f"objects/{event['id']}/resend")
    assert [each["endpoint"] for each in shop.sandbox.world.every("delivery")] == [endpoint["id"]]
    assert "http://127.0.0.1:9/hook" in await look(shop, f"/objects/{endpoint['id']}")
    assert "Deliveries" in await look(shop, f"/objects/{event['id']}")


async def test_things_are_broken_and_mended(shop: Shop) -> None:
    await press(shop, "break", fault="error", times="2", path="/v1/customers*")
    assert (await shop.api.get("/v1/customers")).status_code == 500
    page = await look(shop, "/break")
    assert "struck 1 of 2 times" in page
    rule = shop.sandbox.faults.every()[0]
    await press(shop, f"break/{rule['id']}")
    assert (await shop.api.get("/v1/customers")).status_code == 200
    await press(shop, "break", 400, fault="earthquake")
    await press(shop, "break", 400, fault="error", times="many")


async def test_everything_is_forgotten_when_asked_to_surely(shop: Shop, paid: Any) -> None:
    await press(shop, "reset", 400)
    assert (await shop.get("/v1/customers"))["data"]
    await press(shop, "reset", sure="1")
    assert (await shop.get("/v1/customers"))["data"] == []


async def test_the_dashboard_turns_the_clock_as_far_as_a_command_does(shop: Shop) -> None:
    before = shop.sandbox.clock.now()
    refused = await shop.api.post("/control/clock/advance", json={"seconds": TURN_SECONDS_MAX + 1})
    assert refused.status_code == 400
    assert shop.sandbox.clock.now() == before
    await shop.api.post("/dashboard/clock", data={"seconds": str(TURN_SECONDS_MAX + 1)})
    assert shop.sandbox.clock.now() == before + TURN_SECONDS_MAX
