"""Payment intents from their making to their end."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of, types_of
from tests.sandbox.payments.paying import attach, charge_of, make_customer, pay
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments import payment_intents

PATH = "/v1/payment_intents"
NEWEST = "2026-10-28.endive"
REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"amount": 49, "currency": "usd"}, "amount", "amount_too_small"),
    ({"amount": 0, "currency": "usd"}, "amount", "parameter_invalid_integer"),
    ({"amount": 100_000_000, "currency": "usd"}, "amount", "amount_too_large"),
    ({"amount": 29, "currency": "gbp"}, "amount", "amount_too_small"),
    ({"amount": 500, "currency": "xyz"}, "currency", None),
    ({"amount": 500, "currency": "usd", "customer": "cus_none"}, "customer", "resource_missing"),
    ({"amount": 500, "currency": "usd", "off_session": True}, "off_session", None),
    ({"amount": 500, "currency": "usd", "return_url": "https://example.com"}, "return_url", None),
    (
        {"amount": 500, "currency": "usd", "transfer_data": {"destination": "acct_1"}},
        "transfer_data[destination]",
        "resource_missing",
    ),
    ({"amount": 500, "currency": "usd", "application_fee_amount": 5}, "application_fee_amount", None),
    ({"amount": 500, "currency": "usd", "confirmation_token": "ctoken_1"}, "confirmation_token", "resource_missing"),
]


async def test_a_payment_succeeds_and_tells_it_in_stripes_order(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, description="A hammer", metadata={"order": "7"}, receipt_email="alice@example.com")
    assert (intent["status"], intent["amount_received"], intent["capture_method"]) == ("succeeded", 2000, "automatic")
    assert intent["client_secret"].startswith(intent["id"] + "_secret_")
    charge = await charge_of(api, intent)
    assert (charge["status"], charge["paid"], charge["captured"], charge["amount_captured"]) == (
        "succeeded",
        True,
        True,
        2000,
    )
    assert (charge["description"], charge["metadata"], charge["payment_intent"]) == (
        "A hammer",
        {"order": "7"},
        intent["id"],
    )
    assert charge["receipt_url"] == f"{sandbox.url}/receipts/{charge['id']}"
    assert types_of(sandbox) == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    created = events_of(sandbox, "payment_intent.created")[0]["data"]["object"]
    assert created["status"] == "requires_confirmation", "an event keeps what was true when it happened"


async def test_a_request_of_a_newer_version_is_settled_a_moment_later(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, version=NEWEST, return_url="https://example.com")
    assert intent["capture_method"] == "automatic_async"
    told = events_of(sandbox, "charge.succeeded")[0]["data"]["object"]
    assert told["balance_transaction"] is None
    assert (await charge_of(api, intent))["balance_transaction"].startswith("txn_")
    event = events_of(sandbox, "charge.updated")[0]
    assert event["data"]["previous_attributes"] == {"balance_transaction": None}
    assert event["request"] == {"id": None, "idempotency_key": None}


@pytest.mark.parametrize(("params", "param", "code"), REFUSED)
async def test_what_cannot_be_paid_is_refused(
    api: httpx.AsyncClient, sandbox: Sandbox, params: dict[str, Any], param: str, code: str | None
) -> None:
    error = await ask(api, "POST", PATH, params, status=400)
    assert (error["type"], error.get("param"), error.get("code")) == ("invalid_request_error", param, code)
    assert sandbox.world.every("payment_intent") == []
    assert types_of(sandbox) == []


async def test_an_intent_is_given_its_method_and_confirmed_later(api: httpx.AsyncClient) -> None:
    intent = await ask(api, "POST", PATH, {"amount": 500, "currency": "EUR"})
    assert (intent["status"], intent["currency"]) == ("requires_payment_method", "eur")
    error = await ask(api, "POST", f"{PATH}/{intent['id']}/confirm", status=400)
    assert error["code"] == "payment_intent_unexpected_state"
    intent = await ask(api, "POST", f"{PATH}/{intent['id']}", {"payment_method": "pm_card_visa", "amount": 700})
    assert (intent["status"], intent["amount"]) == ("requires_confirmation", 700)
    intent = await ask(api, "POST", f"{PATH}/{intent['id']}/confirm")
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 700)


async def test_a_declined_intent_is_paid_with_another_card(api: httpx.AsyncClient) -> None:
    error = await pay(api, "pm_card_chargeDeclined", status=402)
    path = f"{PATH}/{error['payment_intent']['id']}/confirm"
    intent = await ask(api, "POST", path, {"payment_method": "pm_card_visa"})
    assert (intent["status"], intent["last_payment_error"]) == ("succeeded", None)
    charges = await ask(api, "GET", "/v1/charges", {"payment_intent": intent["id"]})
    assert [each["status"] for each in charges["data"]] == ["succeeded", "failed"]


async def test_a_paid_intent_is_not_paid_again_nor_canceled_nor_made_dearer(api: httpx.AsyncClient) -> None:
    path = f"{PATH}/{(await pay(api))['id']}"
    for action, params in (("/confirm", {}), ("/cancel", {}), ("/capture", {}), ("", {"amount": 5000})):
        error = await ask(api, "POST", path + action, params, status=400)
        assert error["code"] == "payment_intent_unexpected_state"
        assert error["payment_intent"]["status"] == "succeeded"
    assert (await ask(api, "POST", path, {"metadata": {"a": "b"}}))["metadata"] == {"a": "b"}


async def test_a_canceled_intent_stays_canceled(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await ask(api, "POST", PATH, {"amount": 500, "currency": "usd"})
    path = f"{PATH}/{intent['id']}"
    canceled = await ask(api, "POST", path + "/cancel", {"cancellation_reason": "requested_by_customer"})
    assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "requested_by_customer")
    assert canceled["canceled_at"] == sandbox.clock.now()
    await ask(api, "POST", path + "/cancel", status=400)
    await ask(api, "POST", path + "/confirm", {"payment_method": "pm_card_visa"}, status=400)
    assert types_of(sandbox)[-1] == "payment_intent.canceled"


async def test_an_intent_of_an_invoice_is_canceled_by_the_invoice_alone(
    api: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    with sandbox.world.store.transaction():
        intent = payment_intents.open(sandbox.world, amount=500, currency="usd", hidden={"invoice": "in_1"})
    error = await ask(api, "POST", f"{PATH}/{intent['id']}/cancel", status=400)
    assert "invoice" in error["message"]


async def test_a_method_that_was_used_once_without_a_customer_is_used_up(api: httpx.AsyncClient) -> None:
    method = (await ask(api, "GET", "/v1/payment_methods/pm_card_visa"))["id"]
    await pay(api, method)
    assert "may not be used again" in (await pay(api, method, status=400))["message"]
    customer = await make_customer(api)
    await ask(api, "POST", f"/v1/payment_methods/{method}/attach", {"customer": customer}, status=400)


async def test_a_method_is_saved_for_later_when_that_is_asked(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    customer = await make_customer(api)
    intent = await pay(api, customer=customer, setup_future_usage="off_session")
    method = await ask(api, "GET", f"/v1/payment_methods/{intent['payment_method']}")
    assert method["customer"] == customer
    assert "payment_method.attached" in types_of(sandbox)
    assert (await pay(api, method["id"], customer=customer, off_session=True))["status"] == "succeeded"


async def test_a_customers_method_pays_for_this_customer_alone(api: httpx.AsyncClient) -> None:
    alice, mallory = await make_customer(api), await make_customer(api)
    method = await attach(api, "pm_card_visa", alice)
    assert "must provide the customer" in (await pay(api, method, status=400))["message"]
    assert "does not belong" in (await pay(api, method, customer=mallory, status=400))["message"]
    assert (await pay(api, method, customer=alice))["status"] == "succeeded"


async def test_a_way_to_pay_that_the_intent_does_not_take_is_refused(api: httpx.AsyncClient) -> None:
    error = await pay(api, None, payment_method_data={"type": "alipay"}, status=400)
    assert "is not allowed for this PaymentIntent" in error["message"]


async def test_a_newer_version_must_say_where_to_come_back_to(api: httpx.AsyncClient) -> None:
    error = await pay(api, version=NEWEST, status=400)
    assert error["param"] == "return_url"
    never = {"enabled": True, "allow_redirects": "never"}
    intent = await pay(api, version=NEWEST, automatic_payment_methods=never)
    assert (intent["status"], intent["automatic_payment_methods"]) == ("succeeded", never)
    intent = await pay(api, version=NEWEST, allowed_payment_method_types=["card"])
    assert (intent["payment_method_types"], intent["automatic_payment_methods"]) == (["card"], None)
    error = await pay(api, version=NEWEST, payment_method_types=["card"], status=400)
    assert error["code"] == "parameter_unknown"


async def test_intents_are_listed_and_found_with_their_secret(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    mine = await pay(api, customer=customer)
    other = await pay(api)
    listed = await ask(api, "GET", PATH, {"customer": customer})
    assert [each["id"] for each in listed["data"]] == [mine["id"]]
    path = f"{PATH}/{mine['id']}"
    assert (await ask(api, "GET", path, {"client_secret": mine["client_secret"]}))["id"] == mine["id"]
    await ask(api, "GET", path, {"client_secret": other["client_secret"]}, status=400)
    error = await ask(api, "GET", f"{PATH}/pi_none", status=404)
    assert (error["code"], error["param"]) == ("resource_missing", "intent")
    found = await ask(api, "GET", f"{PATH}/search", {"query": f'customer:"{customer}"'})
    assert [each["id"] for each in found["data"]] == [mine["id"]]


async def test_shipping_and_details_are_told_in_full_and_can_be_emptied(api: httpx.AsyncClient) -> None:
    shipping = {"name": "Alice", "address": {"line1": "1 Main Street"}}
    params = {"amount": 500, "currency": "usd", "shipping": shipping, "payment_details": {"order_reference": "7"}}
    intent = await ask(api, "POST", PATH, params)
    assert intent["shipping"]["address"]["city"] is None
    assert intent["payment_details"] == {"customer_reference": None, "order_reference": "7"}
    emptied = await ask(api, "POST", f"{PATH}/{intent['id']}", {"shipping": "", "description": ""})
    assert (emptied["shipping"], emptied["description"]) == (None, None)


async def test_an_intent_is_given_its_customer_and_its_ways_to_pay_later(api: httpx.AsyncClient) -> None:
    intent = await ask(api, "POST", PATH, {"amount": 500, "currency": "usd"})
    customer = await make_customer(api)
    params = {"customer": customer, "payment_method_types": ["card", "sepa_debit"], "currency": "eur"}
    changed = await ask(api, "POST", f"{PATH}/{intent['id']}", params)
    assert (changed["customer"], changed["payment_method_types"]) == (customer, ["card", "sepa_debit"])
    assert changed["payment_method_options"]["sepa_debit"] == {"mandate_options": {}}
    await ask(api, "POST", f"{PATH}/{intent['id']}", {"customer": "cus_none"}, status=400)


async def test_ways_to_pay_are_chosen_one_way(api: httpx.AsyncClient) -> None:
    both = {"payment_method_types": ["card"], "automatic_payment_methods": {"enabled": True}}
    error = await ask(api, "POST", PATH, {"amount": 500, "currency": "usd", **both}, status=400)
    assert error["param"] == "payment_method_types"
    fewer = {"automatic_payment_methods": {"enabled": True}, "excluded_payment_method_types": ["us_bank_account"]}
    intent = await ask(api, "POST", PATH, {"amount": 500, "currency": "usd", **fewer})
    assert intent["payment_method_types"] == ["card", "link"]


async def test_the_parts_of_an_amount_are_kept(api: httpx.AsyncClient) -> None:
    details = {"discount_amount": 50, "shipping": {"amount": 100}, "tax": {"total_tax_amount": 19}}
    intent = await ask(api, "POST", PATH, {"amount": 500, "currency": "usd", "amount_details": details})
    assert intent["amount_details"] == {
        "discount_amount": 50,
        "shipping": {"amount": 100, "from_postal_code": None, "to_postal_code": None},
        "tax": {"total_tax_amount": 19},
        "tip": {},
    }
    emptied = await ask(api, "POST", f"{PATH}/{intent['id']}", {"amount_details": ""})
    assert emptied["amount_details"] == {"tip": {}}


async def test_an_intent_of_an_open_checkout_session_is_canceled_with_the_session(api: httpx.AsyncClient) -> None:
    line = {"price_data": {"currency": "usd", "unit_amount": 500, "product_data": {"name": "Nail"}}, "quantity": 1}
    params = {"mode": "payment", "line_items": [line], "success_url": "https://shop.example/done"}
    session = await ask(api, "POST", "/v1/checkout/sessions", params)
    method = (await ask(api, "POST", "/v1/payment_methods", {"type": "card", "card": {"token": "tok_chargeDeclined"}}))[
        "id"
    ]
    confirmation = {"payment_method": method, "expected_amount": 500}
    error = await ask(api, "POST", f"/v1/payment_pages/{session['id']}/confirm", confirmation, status=402)
    await ask(api, "POST", f"{PATH}/{error['payment_intent']['id']}/cancel", status=400)
