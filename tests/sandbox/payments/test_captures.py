"""Money that is held first and taken later, in part, more of it, or never."""

from __future__ import annotations

from typing import Any

import httpx

from tests.sandbox.asking import ask, events_of, types_of
from tests.sandbox.payments.paying import charge_of, pay
from tollhouse.sandbox import Sandbox

WEEK_SECONDS = 7 * 86_400
INCREMENTAL = {"card": {"request_incremental_authorization": "if_available"}}


async def hold(api: httpx.AsyncClient, **more: Any) -> Any:
    return await pay(api, capture_method="manual", **more)


async def test_money_is_held_and_then_taken(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await hold(api)
    assert (intent["status"], intent["amount_capturable"], intent["amount_received"]) == ("requires_capture", 2000, 0)
    held = await charge_of(api, intent)
    assert (held["paid"], held["captured"], held["balance_transaction"]) == (True, False, None)
    assert types_of(sandbox)[-2:] == ["charge.succeeded", "payment_intent.amount_capturable_updated"]
    intent = await ask(api, "POST", f"/v1/payment_intents/{intent['id']}/capture")
    assert (intent["status"], intent["amount_capturable"], intent["amount_received"]) == ("succeeded", 0, 2000)
    assert types_of(sandbox)[-2:] == ["charge.captured", "payment_intent.succeeded"]
    previous = events_of(sandbox, "charge.captured")[0]["data"]["previous_attributes"]
    assert previous == {"amount_captured": 0, "balance_transaction": None, "captured": False}
    await ask(api, "POST", f"/v1/payment_intents/{intent['id']}/capture", status=400)


async def test_a_part_is_taken_and_the_rest_given_up(api: httpx.AsyncClient) -> None:
    intent = await hold(api)
    path = f"/v1/payment_intents/{intent['id']}/capture"
    intent = await ask(api, "POST", path, {"amount_to_capture": 1500, "metadata": {"a": "b"}})
    assert (intent["amount"], intent["amount_received"], intent["metadata"]) == (2000, 1500, {"a": "b"})
    params = {"expand": ["refunds", "balance_transaction"]}
    charge = await ask(api, "GET", f"/v1/charges/{intent['latest_charge']}", params)
    assert (charge["amount_captured"], charge["amount_refunded"], charge["refunded"]) == (1500, 500, False)
    assert charge["balance_transaction"]["amount"] == 1500
    assert [each["amount"] for each in charge["refunds"]["data"]] == [500]
    error = await ask(api, "POST", "/v1/refunds", {"charge": charge["id"], "amount": 1501}, status=400)
    assert "greater than unrefunded amount on charge ($15.00)" in error["message"]


async def test_no_more_than_is_held_is_taken(api: httpx.AsyncClient) -> None:
    path = f"/v1/payment_intents/{(await hold(api))['id']}/capture"
    error = await ask(api, "POST", path, {"amount_to_capture": 2001}, status=400)
    assert (error["code"], error["param"]) == ("amount_too_large", "amount_to_capture")
    await ask(api, "POST", path, {"amount_to_capture": 0}, status=400)
    await ask(api, "POST", path, {"amount_to_capture": 500, "final_capture": False}, status=400)


async def test_a_canceled_hold_is_given_up(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await hold(api)
    intent = await ask(api, "POST", f"/v1/payment_intents/{intent['id']}/cancel")
    assert (intent["status"], intent["amount_capturable"]) == ("canceled", 0)
    charge = await charge_of(api, intent)
    assert (charge["captured"], charge["refunded"], charge["amount_refunded"]) == (False, True, 2000)
    assert (await ask(api, "GET", "/v1/balance_transactions"))["data"] == []
    assert types_of(sandbox)[-1] == "payment_intent.canceled"


async def test_a_hold_lasts_a_week(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await hold(api)
    path = f"/v1/payment_intents/{intent['id']}"
    sandbox.advance(WEEK_SECONDS - 1)
    assert (await ask(api, "GET", path))["status"] == "requires_capture"
    sandbox.advance(1)
    after = await ask(api, "GET", path)
    assert (after["status"], after["cancellation_reason"]) == ("canceled", "automatic")
    assert "charge.expired" in types_of(sandbox)
    refunds = await ask(api, "GET", "/v1/refunds", {"payment_intent": intent["id"]})
    assert [each["reason"] for each in refunds["data"]] == ["expired_uncaptured_charge"]


async def test_what_was_taken_is_not_given_up_after_a_week(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await hold(api)
    await ask(api, "POST", f"/v1/payment_intents/{intent['id']}/capture")
    sandbox.advance(WEEK_SECONDS + 1)
    assert (await ask(api, "GET", f"/v1/payment_intents/{intent['id']}"))["status"] == "succeeded"
    assert (await charge_of(api, intent))["refunded"] is False


async def test_more_is_held_if_that_was_asked_for(api: httpx.AsyncClient) -> None:
    intent = await hold(api, payment_method_options=INCREMENTAL)
    path = f"/v1/payment_intents/{intent['id']}/increment_authorization"
    await ask(api, "POST", path, {"amount": 2000}, status=400)
    intent = await ask(api, "POST", path, {"amount": 2500, "description": "and a nail"})
    assert (intent["amount"], intent["amount_capturable"], intent["description"]) == (2500, 2500, "and a nail")
    assert (await charge_of(api, intent))["amount"] == 2500
    intent = await ask(api, "POST", f"/v1/payment_intents/{intent['id']}/capture")
    assert intent["amount_received"] == 2500


async def test_no_more_is_held_otherwise(api: httpx.AsyncClient) -> None:
    intent = await hold(api)
    path = f"/v1/payment_intents/{intent['id']}/increment_authorization"
    await ask(api, "POST", path, {"amount": 2500}, status=400)
    assert (await ask(api, "GET", f"/v1/payment_intents/{intent['id']}"))["amount"] == 2000
