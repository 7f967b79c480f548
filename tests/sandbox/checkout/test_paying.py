"""What paying a session brings about, in each of its modes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from .shop import CHALLENGED, DECLINED, FAILING_ACCOUNT, VISA, Shop

ASYNC = ("checkout.session",)


async def test_a_payment_completes_the_session_and_leads_to_the_seller(shop: Shop) -> None:
    data = {"metadata": {"order": "7"}, "description": "Order 7"}
    session = await shop.session(await shop.price(), payment_intent_data=data)
    reply = await shop.pay(session)
    assert reply.status_code == 303
    assert reply.headers["location"] == f"https://shop.example.com/done?session={session['id']}"
    paid = await shop.read(session, "payment_intent")
    assert (paid["status"], paid["payment_status"], paid["url"]) == ("complete", "paid", None)
    assert paid["customer_details"]["email"] == "alice@example.com"
    assert paid["customer_details"]["name"] == "Alice"
    assert paid["customer"] is None
    intent = paid["payment_intent"]
    assert (intent["amount"], intent["status"], intent["metadata"]) == (1500, "succeeded", {"order": "7"})
    told = shop.types("payment_intent", "charge", "checkout")
    assert told == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "checkout.session.completed",
        "charge.updated",
    ]


async def test_a_declined_card_leaves_the_session_open_for_another(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    refused = await shop.pay(session, DECLINED)
    assert refused.status_code == 402
    assert "Your card was declined." in refused.text
    after = await shop.read(session)
    assert (after["status"], after["payment_status"]) == ("open", "unpaid")
    assert shop.types("checkout") == []
    assert "payment_intent.payment_failed" in shop.types("payment_intent")
    assert (await shop.pay(session)).status_code == 303
    assert (await shop.read(session))["payment_intent"] == after["payment_intent"]


async def test_paying_twice_charges_once(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    replies = await asyncio.gather(*(shop.pay(session) for _ in range(3)))
    assert {reply.headers["location"] for reply in replies} == {replies[0].headers["location"]}
    assert len(shop.types("charge.succeeded")) == 1
    assert shop.types("checkout") == ["checkout.session.completed"]


async def test_a_session_has_a_customer_when_one_is_wanted(shop: Shop) -> None:
    session = await shop.session(await shop.price(), customer_creation="always")
    assert session["customer"] is None
    await shop.pay(session)
    paid = await shop.read(session, "customer")
    assert paid["customer"]["email"] == "alice@example.com"
    known = await shop.session(await shop.price(), customer=paid["customer"]["id"])
    assert "alice@example.com" in (await shop.api.get(known["url"])).text
    await shop.pay(known, email="mallory@example.com")
    assert (await shop.read(known))["customer_details"]["email"] == "alice@example.com"
    assert len(shop.types("customer.created")) == 1


async def test_what_the_buyer_told_reaches_a_known_customer_if_asked_to(shop: Shop) -> None:
    customer = await shop.post("/v1/customers", {"email": "alice@example.com", "name": "A"})
    for update, name in (({"name": "never"}, "A"), ({"name": "auto"}, "Alice")):
        session = await shop.session(await shop.price(), customer=customer["id"], customer_update=update)
        await shop.pay(session)
        assert (await shop.get(f"/v1/customers/{customer['id']}"))["name"] == name


async def test_3d_secure_completes_the_session_when_approved(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    reply = await shop.pay(session, CHALLENGED)
    assert "/authenticate/" in reply.headers["location"]
    page = await shop.api.get(reply.headers["location"])
    assert "$15.00" in page.text
    assert (await shop.read(session))["status"] == "open"
    back = await shop.answer(reply, "approve")
    assert back.status_code == 303
    assert back.headers["location"].startswith("https://shop.example.com/done")
    assert (await shop.read(session))["payment_status"] == "paid"


async def test_3d_secure_refused_leads_back_to_the_form(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    reply = await shop.pay(session, CHALLENGED)
    back = await shop.answer(reply, "refuse")
    assert back.headers["location"] == f"/checkout/{session['id']}?refused"
    form = await shop.api.get(back.headers["location"])
    assert 'role="alert"' in form.text
    assert (await shop.read(session))["status"] == "open"
    assert (await shop.pay(session, VISA)).status_code == 303


async def test_another_card_can_be_tried_while_a_challenge_waits(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.pay(session, CHALLENGED)
    assert (await shop.pay(session, VISA)).status_code == 303
    assert len(shop.types("charge.succeeded")) == 1


async def test_a_bank_debit_is_unpaid_until_it_settles(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    assert (await shop.debit(session)).status_code == 303
    waiting = await shop.read(session)
    assert (waiting["status"], waiting["payment_status"]) == ("complete", "unpaid")
    shop.sandbox.advance(10 * 86_400)
    assert (await shop.read(session))["payment_status"] == "paid"
    assert shop.types(*ASYNC) == ["checkout.session.completed", "checkout.session.async_payment_succeeded"]


async def test_a_bank_debit_that_fails_is_told(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.debit(session, FAILING_ACCOUNT)
    shop.sandbox.advance(10 * 86_400)
    after = await shop.read(session)
    assert (after["status"], after["payment_status"]) == ("complete", "unpaid")
    assert shop.types(*ASYNC) == ["checkout.session.completed", "checkout.session.async_payment_failed"]


async def test_a_subscription_starts(shop: Shop) -> None:
    data = {"metadata": {"team": "9"}, "description": "Team plan"}
    session = await shop.session(await shop.plan(), quantity=3, subscription_data=data)
    assert (await shop.pay(session)).status_code == 303
    paid = await shop.read(session, "subscription", "invoice", "customer")
    subscription = paid["subscription"]
    assert paid["payment_status"] == "paid"
    assert paid["payment_intent"] is None
    assert (subscription["status"], subscription["metadata"]) == ("active", {"team": "9"})
    assert subscription["items"]["data"][0]["quantity"] == 3
    assert subscription["default_payment_method"].startswith("pm_")
    assert (paid["invoice"]["status"], paid["invoice"]["amount_paid"]) == ("paid", 2700)
    assert paid["customer"]["email"] == "alice@example.com"
    assert (
        shop.types("checkout.session", "invoice.paid", "customer.subscription.created")[-1]
        == "checkout.session.completed"
    )


async def test_one_time_prices_are_on_the_first_invoice_alone(shop: Shop) -> None:
    session = await shop.session(await shop.plan(900), await shop.price(500))
    await shop.pay(session)
    paid = await shop.read(session, "invoice", "subscription")
    assert paid["invoice"]["amount_paid"] == 1400
    assert len(paid["subscription"]["items"]["data"]) == 1


async def test_a_declined_subscription_can_be_tried_again(shop: Shop) -> None:
    session = await shop.session(await shop.plan())
    for number in (DECLINED, "4000000000000341"):
        refused = await shop.pay(session, number)
        assert refused.status_code == 402
        assert (await shop.read(session))["status"] == "open"
    assert (await shop.pay(session)).status_code == 303
    paid = await shop.read(session, "subscription")
    assert (paid["payment_status"], paid["subscription"]["status"]) == ("paid", "active")
    assert len(shop.types("customer.subscription.created")) == 1
    assert len(shop.types("charge.succeeded")) == 1


@pytest.mark.parametrize("word", ["approve", "refuse"])
async def test_a_subscription_waits_for_3d_secure(shop: Shop, word: str) -> None:
    session = await shop.session(await shop.plan())
    reply = await shop.pay(session, CHALLENGED)
    back = await shop.answer(reply, word)
    after = await shop.read(session, "subscription")
    if word == "approve":
        assert back.headers["location"].startswith("https://shop.example.com/done")
        assert (after["payment_status"], after["subscription"]["status"]) == ("paid", "active")
    else:
        assert back.headers["location"].endswith("?refused")
        assert (after["status"], after["subscription"]) == ("open", None)
        assert (await shop.pay(session)).status_code == 303
        assert (await shop.read(session))["payment_status"] == "paid"


async def test_a_trial_needs_no_payment(shop: Shop) -> None:
    session = await shop.session(await shop.plan(), subscription_data={"trial_period_days": 14})
    await shop.pay(session)
    paid = await shop.read(session, "subscription")
    assert paid["payment_status"] == "no_payment_required"
    assert paid["subscription"]["status"] == "trialing"
    free = {"subscription_data": {"trial_period_days": 14}, "payment_method_collection": "if_required"}
    session = await shop.session(await shop.plan(), **free)
    assert "Card number" not in (await shop.api.get(session["url"])).text
    assert (await shop.api.post(session["url"], data={"email": "bob@example.com"})).status_code == 303
    assert (await shop.read(session, "subscription"))["subscription"]["default_payment_method"] is None


async def test_a_subscription_by_bank_debit_is_told_later(shop: Shop) -> None:
    session = await shop.session(await shop.plan())
    assert (await shop.debit(session)).status_code == 303
    assert (await shop.read(session))["payment_status"] == "unpaid"
    shop.sandbox.advance(10 * 86_400)
    assert (await shop.read(session))["payment_status"] == "paid"
    assert shop.types(*ASYNC) == ["checkout.session.completed", "checkout.session.async_payment_succeeded"]


@pytest.mark.parametrize("number", [VISA, CHALLENGED])
async def test_a_setup_saves_a_card(shop: Shop, number: str) -> None:
    customer = await shop.post("/v1/customers", {"email": "alice@example.com"})
    session = await shop.session(mode="setup", currency="usd", customer=customer["id"])
    reply = await shop.pay(session, number)
    if number == CHALLENGED:
        reply = await shop.answer(reply, "approve")
    assert reply.headers["location"].startswith("https://shop.example.com/done")
    done = await shop.read(session, "setup_intent")
    assert (done["status"], done["payment_status"]) == ("complete", "no_payment_required")
    assert done["setup_intent"]["status"] == "succeeded"
    methods = await shop.get(f"/v1/customers/{customer['id']}/payment_methods")
    assert [each["id"] for each in methods["data"]] == [done["setup_intent"]["payment_method"]]


async def test_a_payment_can_have_an_invoice(shop: Shop) -> None:
    creation = {"enabled": "true", "invoice_data": {"metadata": {"order": "7"}, "description": "Thanks"}}
    session = await shop.session(await shop.price(), quantity=2, invoice_creation=creation)
    await shop.pay(session)
    paid = await shop.read(session, "invoice", "customer")
    assert (paid["invoice"]["status"], paid["invoice"]["amount_paid"]) == ("paid", 3000)
    assert paid["invoice"]["metadata"] == {"order": "7"}
    assert paid["customer"]["email"] == "alice@example.com"


async def test_money_can_be_held_and_taken_later(shop: Shop) -> None:
    session = await shop.session(await shop.price(), payment_intent_data={"capture_method": "manual"})
    await shop.pay(session)
    held = await shop.read(session)
    assert (held["status"], held["payment_status"]) == ("complete", "unpaid")
    await shop.post(f"/v1/payment_intents/{held['payment_intent']}/capture")
    assert (await shop.read(session))["payment_status"] == "paid"
    assert shop.types(*ASYNC) == ["checkout.session.completed"]


async def test_the_cli_pays_by_the_page_s_own_requests(shop: Shop) -> None:
    session = await shop.session(await shop.price(), quantity=2, cancel_url=None)
    path = f"/v1/payment_pages/{session['id']}"
    assert (await shop.get(path))["id"] == session["id"]
    method = await shop.post("/v1/payment_methods", {"type": "card", "card": {"token": "tok_visa"}})
    wrong = {"payment_method": method["id"], "expected_amount": 2999}
    assert (await shop.post(path + "/confirm", wrong, status=400))["param"] == "expected_amount"
    assert (await shop.post(path + "/confirm", {}, status=400))["param"] == "payment_method"
    paid = await shop.post(path + "/confirm", wrong | {"expected_amount": 3000})
    assert (paid["status"], paid["payment_status"]) == ("complete", "paid")
    error = await shop.post(path + "/confirm", wrong | {"expected_amount": 3000}, status=400)
    assert "not open" in error["message"]


async def test_a_way_to_pay_that_is_not_offered_is_refused(shop: Shop) -> None:
    session = await shop.session(await shop.price(), allowed_payment_method_types=["card"])
    assert session["payment_method_types"] == ["card"]
    method = await shop.post(
        "/v1/payment_methods",
        {
            "type": "us_bank_account",
            "us_bank_account": {
                "account_number": "000123456789",
                "routing_number": "110000000",
                "account_holder_type": "individual",
            },
            "billing_details": {"name": "Alice"},
        },
    )
    path = f"/v1/payment_pages/{session['id']}/confirm"
    assert (await shop.post(path, {"payment_method": method["id"]}, status=400))["param"] == "payment_method"


@pytest.mark.parametrize(
    ("iban", "outcome"),
    [
        ("AT611904300234573201", "checkout.session.async_payment_succeeded"),
        ("IT60X0542811101000000123456", "checkout.session.async_payment_failed"),
    ],
)
async def test_the_cli_s_trigger_of_a_debit_comes_to_its_end(shop: Shop, iban: str, outcome: str) -> None:
    """As the CLI sends it: without a version, and with a parameter of an earlier one."""
    product = await shop.post("/v1/products", {"name": "Thing"})
    price = await shop.post("/v1/prices", {"product": product["id"], "unit_amount": 1500, "currency": "eur"})
    data = {"setup_future_usage": "off_session"}
    session = await shop.session(price, payment_method_types=["sepa_debit"], payment_intent_data=data)
    billing = {"name": "Jenny Rosen", "email": "jenny@example.com"}
    method = await shop.post(
        "/v1/payment_methods", {"type": "sepa_debit", "sepa_debit": {"iban": iban}, "billing_details": billing}
    )
    path = f"/v1/payment_pages/{session['id']}/confirm"
    paid = await shop.post(path, {"payment_method": method["id"], "expected_amount": 1500})
    assert (paid["status"], paid["payment_status"]) == ("complete", "unpaid")
    shop.sandbox.advance(15 * 86_400)
    assert shop.types(*ASYNC) == ["checkout.session.completed", outcome]


@pytest.mark.parametrize(
    "details",
    [
        {"email": 5},
        {"shipping": {}},
        {"address": {"city": []}},
        {"quantities": {"li": "2"}},
        {"tax_ids": [{"type": "eu_vat"}]},
        {"mood": "good"},
    ],
)
async def test_details_of_another_shape_are_refused(shop: Shop, details: dict[str, Any]) -> None:
    session = await shop.session(await shop.price())
    path = f"/control/checkout/sessions/{session['id']}/pay"
    reply = await shop.api.post(path, json={"details": details})
    assert (reply.status_code, reply.json()["param"]) == (400, f"details[{next(iter(details))}]")
    assert (await shop.api.post(path, json={"details": {"email": "bob@example.com"}})).status_code == 200
    assert (await shop.read(session))["customer_details"]["email"] == "bob@example.com"
