"""What time brings: one thing that cannot be done stops neither time nor the rest."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import START
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.state.world import World, action

DAY = 86_400


async def subscribe(api: httpx.AsyncClient, amount: int, quantity: int, **more: Any) -> str:
    """Return a subscription with a trial of one day."""
    card = {"payment_method": "pm_card_visa", "invoice_settings[default_payment_method]": "pm_card_visa"}
    customer = (await api.post("/v1/customers", data=card)).json()["id"]
    price = {"currency": "usd", "unit_amount": str(amount), "recurring[interval]": "month", "product_data[name]": "A"}
    id = (await api.post("/v1/prices", data=price)).json()["id"]
    form = {"customer": customer, "items[0][price]": id, "items[0][quantity]": str(quantity), "trial_period_days": "1"}
    reply = await api.post("/v1/subscriptions", data=form | more)
    assert reply.status_code == 200, reply.text
    return reply.json()["id"]


@action("test.fail")
def fail(world: World, id: str) -> None:
    """Change the object, then fail: in a way that a request's own errors have as well."""
    world.change(world.get("customer", id), {"name": "half done"}, "customer.updated")
    raise StripeError("Your card was declined.", status=402, keeps_effects=True)


@pytest.fixture
async def failing(sandbox: Sandbox, api: httpx.AsyncClient) -> str:
    """A customer of whom a timer fails in a minute, and another one is done a minute later."""
    customer: dict[str, Any] = (await api.post("/v1/customers", data={"name": "whole"})).json()
    with sandbox.world.store.transaction():
        sandbox.world.schedule("test.fail", customer, START + 60)
    return customer["id"]


async def test_a_renewal_that_cannot_be_billed_stops_no_other(
    sandbox: Sandbox, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    first = await subscribe(api, 500, 1)
    await subscribe(api, 99_999_999, 2)
    last = await subscribe(api, 700, 1)
    with caplog.at_level(logging.CRITICAL, "tollhouse.sandbox"):
        sandbox.advance(40 * DAY)
    for id in (first, last):
        renewed = (await api.get(f"/v1/subscriptions/{id}")).json()
        assert renewed["status"] == "active"
        assert renewed["items"]["data"][0]["current_period_end"] > START + 40 * DAY
    assert (await api.get("/v1/customers")).status_code == 200


async def test_what_failed_is_undone_and_told_once(sandbox: Sandbox, api: httpx.AsyncClient, failing: str) -> None:
    assert (await api.get("/control/timers/failed")).json()["data"] == []
    for _ in range(2):
        sandbox.advance(60)
    assert (await api.get(f"/v1/customers/{failing}")).json()["name"] == "whole"
    assert (await api.get("/v1/events", params={"type": "customer.updated"})).json()["data"] == []
    (failed,) = (await api.get("/control/timers/failed")).json()["data"]
    assert (failed["action"], failed["source"], failed["due"]) == ("test.fail", failing, START + 60)
    assert "declined" in failed["error"]


async def test_what_failed_stands_on_the_dashboard(sandbox: Sandbox, api: httpx.AsyncClient, failing: str) -> None:
    assert "test.fail" not in (await api.get("/dashboard")).text
    sandbox.advance(60)
    page = (await api.get("/dashboard")).text
    assert "test.fail" in page
    assert failing in page


async def test_what_fails_is_no_reply_of_a_request_that_comes_then(
    sandbox: Sandbox, api: httpx.AsyncClient, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.clock.turn(60)  # and the next request is the first to notice
    reply = await api.post("/v1/customers", data={"name": "other"})
    assert (reply.status_code, reply.json().get("name")) == (200, "other")
    assert failing in caplog.text


async def test_what_time_brought_stays_though_the_request_that_noticed_it_fails(
    sandbox: Sandbox, api: httpx.AsyncClient, failing: str, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.clock.turn(60)
    for _ in range(2):
        assert (await api.post("/v1/prices", data={"currency": "zzz"})).status_code == 400
    assert len(caplog.records) == 1  # it was tried once
    assert len((await api.get("/control/timers/failed")).json()["data"]) == 1


async def test_time_ends_with_the_calendar(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    sandbox.clock.turn(253_402_300_799 - START - 60)
    assert (await api.post("/control/clock/advance", json={"seconds": 60})).status_code == 200
    assert (await api.post("/control/clock/advance", json={"seconds": 1})).status_code == 400
    assert (await api.get("/v1/customers")).status_code == 200
