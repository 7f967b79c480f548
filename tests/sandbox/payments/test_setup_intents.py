"""Setup intents: a payment method made ready for later."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.asking import ask, types_of
from tests.sandbox.payments.paying import AUTHENTICATION, attach, make_customer
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments import setup_intents

PATH = "/v1/setup_intents"
NEWEST = "2026-10-28.endive"


async def test_a_setup_saves_the_method_to_its_customer(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    customer = await make_customer(api)
    params = {"customer": customer, "payment_method": "pm_card_visa", "confirm": True}
    setup = await ask(api, "POST", PATH, {**params, "expand": ["latest_attempt"]})
    assert (setup["status"], setup["usage"]) == ("succeeded", "off_session")
    assert (setup["latest_attempt"]["status"], setup["latest_attempt"]["setup_intent"]) == ("succeeded", setup["id"])
    assert (await ask(api, "GET", f"/v1/payment_methods/{setup['payment_method']}"))["customer"] == customer
    assert types_of(sandbox)[-3:] == ["setup_intent.created", "payment_method.attached", "setup_intent.succeeded"]


async def test_a_setup_is_confirmed_later(api: httpx.AsyncClient) -> None:
    setup = await ask(api, "POST", PATH, {"description": "for later", "usage": "on_session"})
    assert (setup["status"], setup["payment_method_types"]) == ("requires_payment_method", ["card"])
    path = f"{PATH}/{setup['id']}"
    error = await ask(api, "POST", path + "/confirm", status=400)
    assert error["code"] == "setup_intent_unexpected_state"
    changed = await ask(api, "POST", path, {"payment_method": "pm_card_visa", "metadata": {"a": "b"}})
    assert (changed["status"], changed["metadata"]) == ("requires_confirmation", {"a": "b"})
    assert (await ask(api, "POST", path + "/confirm"))["status"] == "succeeded"
    for action, params in (("/confirm", {}), ("/cancel", {}), ("", {"usage": "off_session"})):
        await ask(api, "POST", path + action, params, status=400)


async def test_a_refused_card_leaves_its_attempt(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    params = {"payment_method": "pm_card_chargeDeclined", "confirm": True, "expand": ["latest_attempt"]}
    error = await ask(api, "POST", PATH, params, status=402)
    assert (error["type"], error["decline_code"]) == ("card_error", "generic_decline")
    setup = await ask(api, "GET", f"{PATH}/{error['setup_intent']['id']}")
    assert (setup["status"], setup["payment_method"]) == ("requires_payment_method", None)
    assert setup["last_setup_error"]["code"] == "card_declined"
    assert types_of(sandbox) == ["setup_intent.created", "setup_intent.setup_failed"]


@pytest.mark.parametrize("approved", [True, False])
async def test_the_holder_is_asked(api: httpx.AsyncClient, sandbox: Sandbox, approved: bool) -> None:
    params = {"payment_method": AUTHENTICATION, "confirm": True, "return_url": "https://shop.example/back"}
    setup = await ask(api, "POST", PATH, params)
    assert (setup["status"], setup["next_action"]["type"]) == ("requires_action", "redirect_to_url")
    with sandbox.world.store.transaction():
        setup_intents.answer_challenge(sandbox.world, sandbox.world.get("setup_intent", setup["id"]), approved=approved)
    after = await ask(api, "GET", f"{PATH}/{setup['id']}")
    if approved:
        assert after["status"] == "succeeded"
    else:
        assert (after["status"], after["last_setup_error"]["code"]) == (
            "requires_payment_method",
            "setup_intent_authentication_failure",
        )
    outcome = "succeeded" if approved else "setup_failed"
    assert types_of(sandbox)[-2:] == ["setup_intent.requires_action", f"setup_intent.{outcome}"]


async def test_a_setup_is_canceled(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    setup = await ask(api, "POST", PATH)
    path = f"{PATH}/{setup['id']}/cancel"
    canceled = await ask(api, "POST", path, {"cancellation_reason": "abandoned"})
    assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "abandoned")
    assert types_of(sandbox)[-1] == "setup_intent.canceled"
    await ask(api, "POST", path, status=400)


async def test_setups_are_listed_by_customer_and_method(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    method = await attach(api, "pm_card_visa", customer)
    setup = await ask(api, "POST", PATH, {"customer": customer, "payment_method": method})
    await ask(api, "POST", PATH)
    for filters in ({"customer": customer}, {"payment_method": method}):
        assert [each["id"] for each in (await ask(api, "GET", PATH, filters))["data"]] == [setup["id"]]
    await ask(api, "GET", f"{PATH}/{setup['id']}", {"client_secret": "wrong"}, status=400)
    await ask(api, "GET", f"{PATH}/seti_none", status=404)


async def test_another_customers_method_is_not_set_up(api: httpx.AsyncClient) -> None:
    alice, mallory = await make_customer(api), await make_customer(api)
    method = await attach(api, "pm_card_visa", alice)
    await ask(api, "POST", PATH, {"customer": mallory, "payment_method": method, "confirm": True}, status=400)


async def test_a_newer_version_takes_all_the_accounts_ways_and_wants_a_way_back(api: httpx.AsyncClient) -> None:
    setup = await ask(api, "POST", PATH, version=NEWEST)
    assert setup["automatic_payment_methods"] == {"enabled": True, "allow_redirects": "always"}
    assert "us_bank_account" in setup["payment_method_types"]
    params = {"payment_method": "pm_card_visa", "confirm": True}
    assert (await ask(api, "POST", PATH, params, version=NEWEST, status=400))["param"] == "return_url"


async def test_a_setup_is_given_its_customer_later(api: httpx.AsyncClient) -> None:
    setup = await ask(api, "POST", PATH)
    customer = await make_customer(api)
    params = {"customer": customer, "payment_method_types": ["card", "us_bank_account"]}
    changed = await ask(api, "POST", f"{PATH}/{setup['id']}", params)
    assert (changed["customer"], changed["payment_method_types"]) == (customer, ["card", "us_bank_account"])
    done = await ask(api, "POST", f"{PATH}/{setup['id']}/confirm", {"payment_method": "pm_card_visa"})
    assert (await ask(api, "GET", f"/v1/payment_methods/{done['payment_method']}"))["customer"] == customer
