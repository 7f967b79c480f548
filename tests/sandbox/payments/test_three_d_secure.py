"""Cards whose holder is asked."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, types_of
from tests.sandbox.payments.paying import AUTHENTICATION, attach, charge_of, make_customer, pay
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.payments import payment_intents, setup_intents

BACK = "https://shop.example/back"


def answer(sandbox: Sandbox, intent: dict[str, Any], *, approved: bool) -> dict[str, Any]:
    """Answer where the page would."""
    module = setup_intents if intent["object"] == "setup_intent" else payment_intents
    with sandbox.world.store.transaction():
        return module.answer_challenge(
            sandbox.world, sandbox.world.get(intent["object"], intent["id"]), approved=approved
        )


@pytest.mark.parametrize("name", ["authenticationRequired", "threeDSecure2Required", "authenticationRequiredOnSetup"])
async def test_a_payment_waits_for_the_holder_and_then_goes_through(
    api: httpx.AsyncClient, sandbox: Sandbox, name: str
) -> None:
    intent = await pay(api, f"pm_card_{name}", return_url=BACK)
    assert (intent["status"], intent["latest_charge"]) == ("requires_action", None)
    action = intent["next_action"]["redirect_to_url"]
    assert action["return_url"] == BACK
    assert action["url"].startswith(f"{sandbox.url}/authenticate/{intent['id']}?")
    assert types_of(sandbox)[-1] == "payment_intent.requires_action"
    paid = answer(sandbox, intent, approved=True)
    assert (paid["status"], paid["next_action"]) == ("succeeded", None)
    secured = (await charge_of(api, paid))["payment_method_details"]["card"]["three_d_secure"]
    assert secured["result"] == "authenticated"


async def test_a_refusal_takes_no_money_and_makes_no_charge(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, AUTHENTICATION, return_url=BACK)
    answer(sandbox, intent, approved=False)
    intent = await ask(api, "GET", f"/v1/payment_intents/{intent['id']}")
    assert (intent["status"], intent["latest_charge"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert types_of(sandbox)[-1] == "payment_intent.payment_failed"


async def test_an_answer_comes_once(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, AUTHENTICATION, return_url=BACK)
    answer(sandbox, intent, approved=True)
    with pytest.raises(Exception, match="could not be authenticated"):
        answer(sandbox, intent, approved=False)
    assert (await ask(api, "GET", f"/v1/payment_intents/{intent['id']}"))["status"] == "succeeded"


async def test_a_card_may_be_declined_after_its_holder_said_yes(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, "pm_card_threeDSecureRequiredChargeDeclined", return_url=BACK)
    after = answer(sandbox, intent, approved=True)
    assert (after["status"], after["last_payment_error"]["code"]) == ("requires_payment_method", "card_declined")
    assert types_of(sandbox)[-2:] == ["charge.failed", "payment_intent.payment_failed"]


async def test_without_a_way_back_the_clients_library_asks(api: httpx.AsyncClient) -> None:
    intent = await pay(api, AUTHENTICATION)
    assert intent["next_action"]["type"] == "use_stripe_sdk"


async def test_a_customer_who_is_away_cannot_be_asked(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    method = await attach(api, AUTHENTICATION, customer)
    error = await pay(api, method, customer=customer, off_session=True, status=402)
    assert (error["code"], error["decline_code"]) == ("authentication_required", "authentication_required")
    assert error["payment_intent"]["status"] == "requires_payment_method"
    error = await pay(api, method, customer=customer, error_on_requires_action=True, status=402)
    assert error["code"] == "authentication_required"


async def test_a_card_that_was_set_up_pays_while_its_holder_is_away(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    customer = await make_customer(api)
    params = {"customer": customer, "payment_method": "pm_card_authenticationRequiredOnSetup", "confirm": True}
    setup = await ask(api, "POST", "/v1/setup_intents", params)
    assert setup["status"] == "requires_action"
    method = answer(sandbox, setup, approved=True)["payment_method"]
    away = await pay(api, method, customer=customer, off_session=True)
    assert away["status"] == "succeeded"
    assert (await pay(api, method, customer=customer))["status"] == "requires_action", "who is there is asked"


async def test_a_payment_sets_a_card_up_as_well(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    customer = await make_customer(api)
    card = "pm_card_authenticationRequiredOnSetup"
    intent = await pay(api, card, customer=customer, setup_future_usage="off_session")
    method = answer(sandbox, intent, approved=True)["payment_method"]
    assert (await pay(api, method, customer=customer, off_session=True))["status"] == "succeeded"


async def test_a_card_that_is_set_up_already_is_asked_for_only_in_presence(api: httpx.AsyncClient) -> None:
    customer = await make_customer(api)
    method = await attach(api, "pm_card_authenticationRequiredSetupForOffSession", customer)
    assert (await pay(api, method, customer=customer, off_session=True))["status"] == "succeeded"
    assert (await pay(api, method, customer=customer))["status"] == "requires_action"
    error = await pay(api, method, customer=customer, error_on_requires_action=True, status=402)
    assert error["code"] == "authentication_required", "who is there would be asked"


async def test_a_card_that_need_not_ask_asks_when_it_is_wanted(api: httpx.AsyncClient) -> None:
    assert (await pay(api, "pm_card_threeDSecureOptional"))["status"] == "succeeded"
    wanted = {"card": {"request_three_d_secure": "any"}}
    intent = await pay(api, "pm_card_threeDSecureOptional", payment_method_options=wanted)
    assert intent["status"] == "requires_action"
    assert intent["payment_method_options"]["card"]["request_three_d_secure"] == "any"


async def test_a_server_that_confirms_itself_confirms_once_more(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    intent = await pay(api, AUTHENTICATION, confirmation_method="manual")
    assert answer(sandbox, intent, approved=True)["status"] == "requires_confirmation"
    intent = await ask(api, "POST", f"/v1/payment_intents/{intent['id']}/confirm")
    assert intent["status"] == "succeeded"


async def test_another_way_to_pay_leads_out_and_back(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    data = {"type": "ideal", "ideal": {"bank": "ing"}}
    types = ["ideal"]
    intent = await pay(api, None, payment_method_data=data, payment_method_types=types, currency="eur", return_url=BACK)
    assert intent["next_action"]["redirect_to_url"]["return_url"] == BACK
    paid = answer(sandbox, intent, approved=True)
    charge = await charge_of(api, paid)
    assert (charge["id"][:3], charge["payment_method_details"]["ideal"]["bank"]) == ("py_", "ing")
