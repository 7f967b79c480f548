"""What each of Stripe's test cards does."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.asking import ask, types_of
from tests.sandbox.payments.paying import attach, charge_of, make_customer, pay
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments import cards

DECLINES = [
    ("4000000000000002", "card_declined", "generic_decline"),
    ("4000000000009995", "card_declined", "insufficient_funds"),
    ("4000000000009987", "card_declined", "lost_card"),
    ("4000000000009979", "card_declined", "stolen_card"),
    ("4000000000006975", "card_declined", "card_velocity_exceeded"),
    ("4100000000000019", "card_declined", "fraudulent"),
    ("4000000000000069", "expired_card", None),
    ("4000000000000127", "incorrect_cvc", None),
    ("4000000000000119", "processing_error", None),
    ("4000000000000341", "card_declined", "generic_decline"),
]
NUMBERS = [
    ("4242424242424241", {}, "incorrect_number", "number"),
    ("4242", {}, "incorrect_number", "number"),
    ("4111111111111111", {}, "card_declined", "number"),
    ("4242424242424242", {"exp_month": 13}, "invalid_expiry_month", "exp_month"),
    ("4242424242424242", {"exp_year": 2026}, "invalid_expiry_year", "exp_year"),
    ("4242424242424242", {"exp_month": 1, "exp_year": 2026}, "invalid_expiry_year", "exp_year"),
    ("4242424242424242", {"cvc": "12"}, "invalid_cvc", "cvc"),
    ("378282246310005", {"cvc": "12345"}, "invalid_cvc", "cvc"),
]


def card(number: str, **more: object) -> dict[str, object]:
    return {"type": "card", "card": {"number": number, "exp_month": 12, "exp_year": 2034, "cvc": "123"} | more}


@pytest.mark.parametrize(("number", "code", "decline_code"), DECLINES)
async def test_a_decline_names_its_reason_and_leaves_its_attempt(
    api: httpx.AsyncClient, sandbox: Sandbox, number: str, code: str, decline_code: str | None
) -> None:
    method = (await ask(api, "POST", "/v1/payment_methods", card(number)))["id"]
    error = await pay(api, method, status=402)
    assert (error["type"], error["code"], error.get("decline_code")) == ("card_error", code, decline_code)
    intent = await ask(api, "GET", f"/v1/payment_intents/{error['payment_intent']['id']}")
    assert (intent["status"], intent["last_payment_error"]["code"]) == ("requires_payment_method", code)
    assert intent["payment_method"] is None
    charge = await charge_of(api, intent)
    assert (charge["status"], charge["paid"], charge["failure_code"]) == ("failed", False, code)
    assert charge["id"] == error["charge"]
    assert types_of(sandbox) == ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]


@pytest.mark.parametrize(("number", "more", "code", "param"), NUMBERS)
async def test_a_card_that_cannot_be_is_not_even_saved(
    api: httpx.AsyncClient, sandbox: Sandbox, number: str, more: dict[str, object], code: str, param: str
) -> None:
    error = await ask(api, "POST", "/v1/payment_methods", card(number, **more), status=402)
    assert (error["code"], error["param"]) == (code, param)
    assert sandbox.world.every("payment_method") == []


async def test_a_real_card_is_told_from_a_test_card(api: httpx.AsyncClient) -> None:
    error = await ask(api, "POST", "/v1/payment_methods", card("4111111111111111"), status=402)
    assert error["decline_code"] == "test_mode_live_card"


@pytest.mark.parametrize("name", ["visa", "mastercard", "amex", "discover", "diners", "jcb", "unionpay"])
async def test_every_brand_pays(api: httpx.AsyncClient, name: str) -> None:
    charge = await charge_of(api, await pay(api, f"pm_card_{name}"))
    assert charge["payment_method_details"]["card"]["brand"] == name
    assert charge["payment_method_details"]["card"]["last4"] == cards.CARDS[name].number[-4:]


async def test_a_test_card_expires_later_than_now_and_two_digits_are_a_year(api: httpx.AsyncClient) -> None:
    named = await ask(api, "GET", "/v1/payment_methods/pm_card_visa")
    assert named["card"]["exp_year"] > 2027
    typed = await ask(api, "POST", "/v1/payment_methods", card("4242 4242 4242 4242", exp_year=30))
    assert typed["card"]["exp_year"] == 2030
    assert typed["card"]["fingerprint"] == named["card"]["fingerprint"]


async def test_a_card_may_be_saved_and_yet_be_declined(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    method = await attach(api, "pm_card_chargeCustomerFail", customer)
    error = await pay(api, method, customer=customer, status=402)
    assert error["decline_code"] == "generic_decline"


async def test_a_card_that_is_always_declined_is_not_saved(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    path = "/v1/payment_methods/pm_card_chargeDeclined/attach"
    error = await ask(api, "POST", path, {"customer": customer}, status=402)
    assert (error["code"], error["decline_code"], error["param"]) == ("card_declined", "generic_decline", "")
    assert (await ask(api, "GET", f"/v1/customers/{customer}/payment_methods"))["data"] == []


async def test_checks_fail_although_the_payment_goes_through(api: httpx.AsyncClient) -> None:
    checks = (await charge_of(api, await pay(api, "pm_card_cvcCheckFail")))["payment_method_details"]["card"]["checks"]
    assert checks == {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "fail"}
    passed = (await charge_of(api, await pay(api)))["payment_method_details"]["card"]["checks"]
    assert passed["cvc_check"] == "pass"


async def test_a_risky_card_is_blocked_by_stripe_and_not_by_its_bank(api: httpx.AsyncClient) -> None:
    error = await pay(api, "pm_card_radarBlock", status=402)
    outcome = (await ask(api, "GET", f"/v1/charges/{error['charge']}"))["outcome"]
    assert (outcome["type"], outcome["network_status"]) == ("blocked", "not_sent_to_network")
    outcome = (await charge_of(api, await pay(api, "pm_card_riskLevelElevated")))["outcome"]
    assert (outcome["type"], outcome["risk_level"]) == ("authorized", "elevated")


async def test_an_unknown_test_id_is_missing(api: httpx.AsyncClient) -> None:
    error = await pay(api, "pm_card_unheardOf", status=400)
    assert (error["code"], error["param"]) == ("resource_missing", "payment_method")
    given = {"type": "card", "card": {"token": "tok_unheardOf"}}
    error = await ask(api, "POST", "/v1/payment_methods", given, status=400)
    assert error["code"] == "resource_missing"


def test_the_table_has_only_numbers_that_could_be_cards_and_no_number_twice() -> None:
    numbers = [each.number for each in cards.CARDS.values()]
    assert all(map(cards.has_valid_digits, numbers))
    assert len(set(numbers)) == len(numbers)
    assert all(name in cards.CARDS for name in cards.OTHER_NAMES.values())
