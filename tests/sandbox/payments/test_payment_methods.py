"""Payment methods: made, attached, changed and detached."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of, types_of
from tests.sandbox.payments.paying import attach, make_customer, pay
from tollhouse.sandbox import Sandbox

PATH = "/v1/payment_methods"
PLAIN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("afterpay_clearpay", {}, {}),
    ("alipay", {}, {}),
    ("boleto", {"boleto": {"tax_id": "000.000.000-00"}}, {"tax_id": "000.000.000-00"}),
    ("ideal", {"ideal": {"bank": "abn_amro"}}, {"bank": "abn_amro", "bic": None}),
    ("sofort", {"sofort": {"country": "DE"}}, {"country": "DE"}),
    ("p24", {"p24": {"bank": "ing"}}, {"bank": "ing"}),
    ("link", {"billing_details": {"email": "alice@example.com"}}, {"email": "alice@example.com"}),
    ("naver_pay", {}, {"buyer_id": None, "funding": "card"}),
]


@pytest.mark.parametrize(("kind", "params", "details"), PLAIN)
async def test_other_ways_to_pay_are_told_plainly(
    api: httpx.AsyncClient, kind: str, params: dict[str, Any], details: dict[str, Any]
) -> None:
    method = await ask(api, "POST", PATH, {"type": kind, **params})
    assert (method["type"], method[kind], method["customer"]) == (kind, details, None)


async def test_every_type_of_the_description_can_be_made(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    special = {"card", "us_bank_account", "sepa_debit", "card_present", "interac_present"}
    schema = sandbox.world.description.schemas["payment_method"]["properties"]
    made = sandbox.world.description.find("POST", PATH)
    assert made is not None
    for kind in set(made[0].parameters["properties"]["type"]["enum"]) & schema.keys() - special:
        needed = made[0].parameters["properties"].get(kind, {})
        given = {name: _value_for(needed["properties"][name]) for name in needed.get("required", ())}
        method = await ask(api, "POST", PATH, {"type": kind, **({kind: given} if given else {})})
        assert method["type"] == kind


def _value_for(schema: dict[str, Any]) -> str:
    return schema["enum"][0] if "enum" in schema else "000123456"


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({}, "type", "parameter_missing"),
        ({"type": "card"}, "card", "parameter_missing"),
        ({"type": "card", "card": {"number": "4242424242424242"}}, "card[exp_month]", "parameter_missing"),
        ({"type": "sepa_debit"}, "sepa_debit[iban]", "parameter_missing"),
        ({"type": "cheque"}, "type", None),
        ({"customer": "cus_1", "payment_method": "pm_1"}, None, None),
    ],
)
async def test_what_is_missing_is_named(
    api: httpx.AsyncClient, params: dict[str, Any], param: str | None, code: str | None
) -> None:
    error = await ask(api, "POST", PATH, params, status=400)
    assert (error.get("param"), error.get("code")) == (param, code)


async def test_a_token_of_older_clients_makes_a_card(api: httpx.AsyncClient) -> None:
    address = {"line1": "1 Main Street", "postal_code": "94080"}
    params = {"type": "card", "card": {"token": "tok_visa"}, "billing_details": {"name": "Alice", "address": address}}
    method = await ask(api, "POST", PATH, {**params, "metadata": {"a": "b"}, "allow_redisplay": "always"})
    assert (method["card"]["last4"], method["card"]["checks"]["cvc_check"]) == ("4242", "unchecked")
    assert method["billing_details"]["address"]["city"] is None
    assert (method["metadata"], method["allow_redisplay"]) == ({"a": "b"}, "always")
    customer = await make_customer(api)
    await attach(api, method["id"], customer)
    checks = (await ask(api, "GET", f"{PATH}/{method['id']}"))["card"]["checks"]
    assert checks == {"address_line1_check": "pass", "address_postal_code_check": "pass", "cvc_check": "pass"}


async def test_a_test_id_attaches_a_new_method_each_time(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    customer = await make_customer(api)
    first, second = [await attach(api, "pm_card_visa", customer) for _ in range(2)]
    assert first != second
    listed = await ask(api, "GET", f"/v1/customers/{customer}/payment_methods")
    assert [each["id"] for each in listed["data"]] == [second, first]
    assert types_of(sandbox)[-2:] == ["payment_method.attached"] * 2


async def test_attaching_again_changes_nothing_and_to_another_is_refused(api: httpx.AsyncClient) -> None:
    alice, mallory = await make_customer(api), await make_customer(api)
    method = await attach(api, "pm_card_visa", alice)
    assert await attach(api, method, alice) == method
    await ask(api, "POST", f"{PATH}/{method}/attach", {"customer": mallory}, status=400)
    error = await ask(api, "POST", f"{PATH}/pm_card_visa/attach", {"customer": "cus_none"}, status=400)
    assert (error["code"], error["param"]) == ("resource_missing", "customer")
    await ask(api, "POST", f"{PATH}/pm_card_visa/attach", status=400)


@pytest.mark.parametrize("id", ["abcd", "pm_none"])
async def test_an_unknown_method_is_missing(api: httpx.AsyncClient, id: str) -> None:
    customer = await make_customer(api)
    error = await ask(api, "POST", f"{PATH}/{id}/attach", {"customer": customer}, status=404)
    assert error["code"] == "resource_missing"
    assert error["message"] == f"No such PaymentMethod: '{id}'"


async def test_a_detached_method_is_nobodys_and_nobodys_default(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    customer = await make_customer(api)
    method = await attach(api, "pm_card_visa", customer)
    settings = {"invoice_settings": {"default_payment_method": method}}
    await ask(api, "POST", f"/v1/customers/{customer}", settings)
    detached = await ask(api, "POST", f"{PATH}/{method}/detach")
    assert detached["customer"] is None
    event = events_of(sandbox, "payment_method.detached")[0]
    assert event["data"]["previous_attributes"] == {"customer": customer}
    after = await ask(api, "GET", f"/v1/customers/{customer}")
    assert after["invoice_settings"]["default_payment_method"] is None
    await ask(api, "POST", f"{PATH}/{method}/detach", status=400)
    await ask(api, "POST", f"{PATH}/{method}/attach", {"customer": customer}, status=400)
    await pay(api, method, status=400)


async def test_only_a_saved_method_changes(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    loose = (await ask(api, "GET", f"{PATH}/pm_card_visa"))["id"]
    await ask(api, "POST", f"{PATH}/{loose}", {"metadata": {"a": "b"}}, status=400)
    method = await attach(api, loose, await make_customer(api))
    changes = {
        "card": {"exp_month": 3, "exp_year": 2040},
        "billing_details": {"name": "Bob", "address": {"city": "Ulm"}},
    }
    changed = await ask(api, "POST", f"{PATH}/{method}", changes)
    assert (changed["card"]["exp_month"], changed["card"]["exp_year"]) == (3, 2040)
    assert (changed["billing_details"]["name"], changed["billing_details"]["address"]["city"]) == ("Bob", "Ulm")
    assert types_of(sandbox)[-1] == "payment_method.updated"
    error = await ask(api, "POST", f"{PATH}/{method}", {"card": {"exp_year": 2020}}, status=402)
    assert error["code"] == "invalid_expiry_year"
    await ask(api, "POST", f"{PATH}/{method}", {"us_bank_account": {"account_type": "savings"}}, status=400)


async def test_methods_are_listed_by_customer_and_type(api: httpx.AsyncClient) -> None:
    alice, bob = await make_customer(api), await make_customer(api)
    mine, theirs = await attach(api, "pm_card_visa", alice), await attach(api, "pm_card_visa", bob)
    listed = await ask(api, "GET", PATH, {"customer": alice, "type": "card"})
    assert [each["id"] for each in listed["data"]] == [mine]
    assert (await ask(api, "GET", PATH, {"customer": alice, "type": "sepa_debit"}))["data"] == []
    assert (await ask(api, "GET", f"/v1/customers/{alice}/payment_methods/{mine}"))["id"] == mine
    await ask(api, "GET", f"/v1/customers/{alice}/payment_methods/{theirs}", status=404)
    await ask(api, "GET", "/v1/customers/cus_none/payment_methods", status=404)
