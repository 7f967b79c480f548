"""Debits of bank accounts, which take their time and may come to nothing."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.asking import ask, types_of
from tests.sandbox.payments.paying import attach, charge_of, debit, make_customer, make_iban, pay
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments import payment_intents, payment_methods

DAYS = 86_400
MANDATE = {"customer_acceptance": {"type": "offline"}}


async def test_a_debit_is_under_way_until_its_bank_pays(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await debit(api)
    assert (intent["status"], intent["amount_received"]) == ("processing", 0)
    charge = await charge_of(api, intent)
    assert (charge["status"], charge["paid"], charge["id"][:3]) == ("pending", False, "py_")
    assert types_of(sandbox)[-2:] == ["charge.pending", "payment_intent.processing"]
    sandbox.advance(5)
    intent = await ask(api, "GET", f"/v1/payment_intents/{intent['id']}")
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 2000)
    assert (await charge_of(api, intent))["status"] == "succeeded"
    assert types_of(sandbox)[-2:] == ["charge.succeeded", "payment_intent.succeeded"]


async def test_a_debit_may_fail_days_later(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    more = {"payment_method_types": ["us_bank_account"], "mandate_data": MANDATE}
    intent = await pay(api, "pm_usBankAccount_accountClosed", **more)
    sandbox.advance(3 * DAYS - 1)
    assert (await ask(api, "GET", f"/v1/payment_intents/{intent['id']}"))["status"] == "processing"
    sandbox.advance(1)
    intent = await ask(api, "GET", f"/v1/payment_intents/{intent['id']}")
    assert intent["status"] == "requires_payment_method"
    assert intent["last_payment_error"]["code"] == "account_closed"
    charge = await charge_of(api, intent)
    assert (charge["status"], charge["failure_code"], charge["amount_captured"]) == ("failed", "account_closed", 0)
    assert types_of(sandbox)[-2:] == ["charge.failed", "payment_intent.payment_failed"]


@pytest.mark.parametrize("succeeded", [True, False])
async def test_a_bank_can_be_made_to_answer_at_once(api: httpx.AsyncClient, sandbox: Sandbox, succeeded: bool) -> None:
    intent = await debit(api)
    with sandbox.world.store.transaction():
        known = sandbox.world.get("payment_intent", intent["id"])
        settled = payment_intents.settle(sandbox.world, known, succeeded=succeeded)
    assert settled["status"] == ("succeeded" if succeeded else "requires_payment_method")
    sandbox.advance(10 * DAYS)
    after = await ask(api, "GET", f"/v1/payment_intents/{intent['id']}")
    assert after["status"] == settled["status"], "it answers once"


async def test_an_account_may_never_answer(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    more = {"payment_method_types": ["us_bank_account"], "mandate_data": MANDATE}
    intent = await pay(api, "pm_usBankAccount_processing", **more)
    sandbox.advance(30 * DAYS)
    path = f"/v1/payment_intents/{intent['id']}"
    assert (await ask(api, "GET", path))["status"] == "processing"
    await ask(api, "POST", path + "/cancel", status=400)
    await ask(api, "POST", path + "/confirm", {"payment_method": "pm_card_visa"}, status=400)


@pytest.mark.parametrize(
    ("iban", "status"),
    [
        ("AT611904300234573201", "succeeded"),
        ("AT321904300235473204", "processing"),
        ("IT60X0542811101000000123456", "requires_payment_method"),
        ("DE62370400440532013001", "requires_payment_method"),
        ("DK5000400440116243", "succeeded"),
    ],
)
async def test_test_ibans_end_as_stripe_says(api: httpx.AsyncClient, sandbox: Sandbox, iban: str, status: str) -> None:
    intent = await debit(api, iban)
    sandbox.advance(60)
    assert (await ask(api, "GET", f"/v1/payment_intents/{intent['id']}"))["status"] == status
    sandbox.advance(120)
    after = await ask(api, "GET", f"/v1/payment_intents/{intent['id']}")
    assert after["status"] == ("succeeded" if status == "processing" else status)


async def test_a_debit_may_be_disputed(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await debit(api, "AT591904300235473203")
    sandbox.advance(5)
    disputes = await ask(api, "GET", "/v1/disputes", {"payment_intent": intent["id"]})
    assert [each["status"] for each in disputes["data"]] == ["needs_response"]


async def test_a_debit_needs_a_mandate(api: httpx.AsyncClient) -> None:
    method = await make_iban(api, "AT611904300234573201")
    error = await pay(api, method, currency="eur", payment_method_types=["sepa_debit"], status=400)
    assert error["param"] == "mandate_data"


async def test_a_mandate_that_was_granted_lasts(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    method = await make_iban(api, "AT611904300234573201")
    params = {"customer": customer, "payment_method": method, "confirm": True, "payment_method_types": ["sepa_debit"]}
    setup = await ask(api, "POST", "/v1/setup_intents", {**params, "mandate_data": MANDATE})
    assert (setup["status"], setup["mandate"][:8]) == ("succeeded", "mandate_")
    more = {"currency": "eur", "payment_method_types": ["sepa_debit"], "off_session": True}
    intent = await pay(api, method, customer=customer, **more)
    details = (await charge_of(api, intent))["payment_method_details"]["sepa_debit"]
    assert (details["mandate"], details["last4"]) == (setup["mandate"], "3201")
    assert (await ask(api, "GET", f"/v1/mandates/{setup['mandate']}"))["payment_method"] == method


@pytest.mark.parametrize(
    "iban", ["AT611904300234573202", "AT61", "", "GB82 WEST 1234 5698 7654 33", "AT61é904300234573201"]
)
async def test_an_iban_with_wrong_check_digits_is_refused(api: httpx.AsyncClient, iban: str) -> None:
    params = {"type": "sepa_debit", "sepa_debit": {"iban": iban}}
    error = await ask(api, "POST", "/v1/payment_methods", params, status=400)
    assert (error["code"], error["param"]) == ("invalid_bank_account_iban", "sepa_debit[iban]")


@pytest.mark.parametrize(
    ("account", "code"),
    [
        ({"account_number": "123456789", "routing_number": "110000000"}, "account_number_invalid"),
        ({"account_number": "000123456789", "routing_number": "1100"}, "routing_number_invalid"),
        ({"account_number": "000123456789"}, "parameter_missing"),
    ],
)
async def test_only_test_accounts_are_taken(api: httpx.AsyncClient, account: dict[str, str], code: str) -> None:
    params = {"type": "us_bank_account", "us_bank_account": account}
    assert (await ask(api, "POST", "/v1/payment_methods", params, status=400))["code"] == code


async def test_an_account_is_saved_and_paid_from(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    with sandbox.world.store.transaction():
        method = payment_methods.create_bank_debit(sandbox.world, "000123456789")
    customer = await make_customer(api)
    await attach(api, method["id"], customer)
    more = {"customer": customer, "payment_method_types": ["us_bank_account"]}
    intent = await pay(api, method["id"], **more)
    sandbox.advance(3 * DAYS)
    charge = await ask(api, "GET", f"/v1/charges/{intent['latest_charge']}", {"expand": ["balance_transaction"]})
    assert charge["payment_method_details"]["us_bank_account"]["last4"] == "6789"
    assert (charge["balance_transaction"]["type"], charge["balance_transaction"]["fee"]) == ("payment", 16)


async def test_british_debits_fail_by_their_number(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    account = {"account_number": "22222227", "sort_code": "108800"}
    params = {"type": "bacs_debit", "bacs_debit": account, "billing_details": {"name": "Alice"}}
    method = await ask(api, "POST", "/v1/payment_methods", params)
    assert (method["bacs_debit"]["last4"], method["bacs_debit"]["sort_code"]) == ("2227", "108800")
    intent = await pay(api, method["id"], currency="gbp", payment_method_types=["bacs_debit"])
    sandbox.advance(3 * DAYS)
    after = await ask(api, "GET", f"/v1/payment_intents/{intent['id']}")
    assert after["last_payment_error"]["code"] == "insufficient_funds"
