"""Charges, and charging without a payment intent as older clients do."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, types_of
from tests.sandbox.payments.paying import make_customer, pay
from tollhouse.sandbox import Sandbox

PATH = "/v1/charges"
WEEK_SECONDS = 7 * 86_400


async def charge(api: httpx.AsyncClient, source: str = "tok_visa", *, status: int = 200, **more: Any) -> Any:
    params = {"amount": 2000, "currency": "usd", "source": source, **more}
    return await ask(api, "POST", PATH, params, status=status)


async def test_a_card_is_charged_by_itself(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await charge(api, description="A hammer", metadata={"a": "b"})
    assert (made["status"], made["captured"], made["payment_intent"]) == ("succeeded", True, None)
    assert (made["source"]["object"], made["source"]["last4"]) == ("card", "4242")
    assert types_of(sandbox) == ["charge.succeeded"]


async def test_a_decline_is_told_with_its_charge(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    error = await charge(api, "tok_chargeDeclinedInsufficientFunds", status=402)
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    assert (await ask(api, "GET", f"{PATH}/{error['charge']}"))["status"] == "failed"
    assert types_of(sandbox) == ["charge.failed"]
    assert (await charge(api, "tok_authenticationRequired", status=402))["code"] == "authentication_required"


async def test_a_customers_card_is_charged(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api, source="tok_visa")
    made = await ask(api, "POST", PATH, {"amount": 500, "currency": "usd", "customer": customer})
    assert made["customer"] == customer
    other = await make_customer(api)
    error = await ask(api, "POST", PATH, {"amount": 500, "currency": "usd", "customer": other}, status=402)
    assert error["message"] == "Cannot charge a customer that has no active card"


@pytest.mark.parametrize(
    "params",
    [
        {"currency": "usd", "source": "tok_visa"},
        {"amount": 500, "source": "tok_visa"},
        {"amount": 500, "currency": "usd"},
        {"amount": 1, "currency": "usd", "source": "tok_visa"},
        {"amount": 500, "currency": "usd", "source": "tok_none"},
        {"amount": 500, "currency": "usd", "source": "pm_usBankAccount_success"},
    ],
)
async def test_what_cannot_be_charged_is_refused(
    api: httpx.AsyncClient, sandbox: Sandbox, params: dict[str, Any]
) -> None:
    await ask(api, "POST", PATH, params, status=400)
    assert sandbox.world.every("charge") == []


async def test_a_charge_is_held_and_a_part_taken(api: httpx.AsyncClient) -> None:
    held = await charge(api, capture=False)
    assert (held["captured"], held["amount_captured"]) == (False, 0)
    path = f"{PATH}/{held['id']}/capture"
    await ask(api, "POST", path, {"amount": 2001}, status=400)
    taken = await ask(api, "POST", path, {"amount": 1500})
    assert (taken["captured"], taken["amount_captured"], taken["amount_refunded"]) == (True, 1500, 500)
    assert (await ask(api, "POST", path, status=400))["code"] == "charge_already_captured"


async def test_a_held_charge_lasts_a_week(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    held = await charge(api, capture=False)
    sandbox.advance(WEEK_SECONDS)
    assert (await ask(api, "GET", f"{PATH}/{held['id']}"))["refunded"] is True
    assert "charge.expired" in types_of(sandbox)
    error = await ask(api, "POST", f"{PATH}/{held['id']}/capture", status=400)
    assert error["code"] == "charge_expired_for_capture"


async def test_an_intents_charge_is_captured_by_the_intent(api: httpx.AsyncClient) -> None:
    intent = await pay(api, capture_method="manual")
    await ask(api, "POST", f"{PATH}/{intent['latest_charge']}/capture", status=400)


async def test_what_is_told_about_a_charge_changes(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    made = await charge(api)
    customer = await make_customer(api)
    params = {
        "description": "A nail",
        "fraud_details": {"user_report": "safe"},
        "metadata": {"a": "b"},
        "shipping": {"name": "Alice", "address": {"line1": "1 Main Street"}},
        "customer": customer,
    }
    changed = await ask(api, "POST", f"{PATH}/{made['id']}", params)
    assert (changed["description"], changed["fraud_details"]) == ("A nail", {"user_report": "safe"})
    assert (changed["shipping"]["name"], changed["customer"]) == ("Alice", customer)
    assert types_of(sandbox)[-1] == "charge.updated"
    await ask(api, "POST", f"{PATH}/{made['id']}", {"customer": await make_customer(api)}, status=400)


async def test_charges_are_listed_searched_and_disputed(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    mine = await pay(api, customer=customer)
    await charge(api, "tok_createDispute", amount=700)
    assert [each["id"] for each in (await ask(api, "GET", PATH, {"customer": customer}))["data"]] == [
        mine["latest_charge"]
    ]
    found = await ask(api, "GET", f"{PATH}/search", {"query": "amount:700"})
    assert [each["disputed"] for each in found["data"]] == [True]
    assert (await ask(api, "GET", "/v1/disputes"))["data"][0]["amount"] == 700
    await ask(api, "GET", f"{PATH}/ch_none", status=404)
