"""Checkout's page over HTTP: what it asks, what it keeps out, and where it leads."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests.sandbox.conftest import START
from tests.sandbox.receiver import URL, Receiver, listen
from tollhouse.sandbox import Sandbox

from .shop import CANCEL_URL, CHALLENGED, VISA, Shop


async def test_every_page_says_that_no_money_moves_and_keeps_to_itself(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    page = await shop.api.get(session["url"])
    assert page.status_code == 200
    assert "No money moves here" in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["x-tollhouse-sandbox"] == "1"
    assert "http" not in page.text.replace(CANCEL_URL, "")


async def test_the_page_shows_what_is_bought(shop: Shop) -> None:
    session = await shop.session(await shop.price(1250, name="Mug <b>"), quantity=2)
    page = (await shop.api.get(session["url"])).text
    assert "Mug &lt;b&gt; × 2" in page
    assert "$12.50 each" in page
    assert "Pay $25.00" in page
    assert CANCEL_URL in page


async def test_the_page_of_a_subscription_says_what_comes_after(shop: Shop) -> None:
    plan = await shop.plan(900, interval="year")
    assert "Then $9.00 per year" in (await shop.api.get((await shop.session(plan))["url"])).text
    trial = await shop.session(plan, subscription_data={"trial_end": START + 10 * 86_400})
    assert "Free until 25 January 2027" in (await shop.api.get(trial["url"])).text
    setup = await shop.session(mode="setup", currency="usd")
    assert "Nothing is charged now" in (await shop.api.get(setup["url"])).text


async def test_nothing_is_charged_while_something_is_missing(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    reply = await shop.api.post(session["url"], data={"method": "card", "email": "alice", "number": "4242"})
    assert reply.status_code == 422
    for words in ("Enter an e-mail address", "alice"):
        assert words in reply.text
    reply = await shop.pay(session, "4242", expiry="soon", cvc="")
    for words in ("Enter the month and the year", "Enter the security code"):
        assert words in reply.text
    reply = await shop.pay(session, "4242424242424241")
    assert reply.status_code == 422
    assert "number-error" in reply.text
    assert shop.types("payment", "charge") == []


async def test_a_country_is_two_letters(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    assert 'id="country-error"' in (await shop.pay(session, country="Germany")).text
    assert (await shop.pay(session, country="de")).status_code == 303
    assert (await shop.read(session))["customer_details"]["address"]["country"] == "DE"


async def test_an_expired_card_is_told_at_its_field(shop: Shop) -> None:
    reply = await shop.pay(await shop.session(await shop.price()), VISA, expiry="01/20")
    assert reply.status_code == 422
    assert "expiry-error" in reply.text


async def test_a_test_card_fills_the_form_without_a_script(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    page = await shop.api.get(session["url"] + "?number=4000000000000002&expiry=12+/+34&cvc=123")
    assert 'value="4000000000000002"' in page.text


async def test_all_that_the_seller_asks_is_asked(shop: Shop) -> None:
    fields = [
        {"key": "size", "type": "dropdown", "label": {"type": "custom", "custom": "Size"}}
        | {"dropdown": {"options": [{"label": "Small", "value": "s"}, {"label": "Large", "value": "l"}]}},
        {"key": "engraving", "type": "text", "label": {"type": "custom", "custom": "Engraving"}, "optional": "true"}
        | {"text": {"maximum_length": 5}},
    ]
    price = await shop.price(1000)
    session = await shop.session(
        line_items=[
            {
                "price": price["id"],
                "quantity": 1,
                "adjustable_quantity": {"enabled": "true", "minimum": 1, "maximum": 5},
            }
        ],
        custom_fields=fields,
        phone_number_collection={"enabled": "true"},
        billing_address_collection="required",
        tax_id_collection={"enabled": "true"},
        consent_collection={"terms_of_service": "required", "promotions": "auto"},
        customer_creation="always",
        expand=["line_items"],
    )
    quantity = f"quantity_{session['line_items']['data'][0]['id']}"
    refused = await shop.pay(session, custom_engraving="too long", custom_size="xl", **{quantity: "6"})
    assert refused.status_code == 422
    for name in ("custom_engraving", "custom_size", quantity, "phone", "line1", "city", "postal_code", "terms"):
        assert f'id="{name}-error"' in refused.text, name
    address = {"line1": "1 High St", "city": "Bath", "postal_code": "BA1", "country": "GB"}
    tax = {"tax_id": "GB123456789", "tax_id_type": "gb_vat"}
    told = {"custom_size": "l", "phone": "+441", "terms": "1", quantity: "3"} | address | tax
    assert (await shop.pay(session, **told)).status_code == 303
    paid = await shop.read(session, "customer")
    assert paid["amount_total"] == 3000
    assert [each[each["type"]]["value"] for each in paid["custom_fields"]] == ["l", None]
    assert paid["customer_details"]["address"]["city"] == "Bath"
    assert paid["customer_details"]["tax_ids"] == [{"type": "gb_vat", "value": "GB123456789"}]
    assert paid["consent"] == {"promotions": "opt_out", "terms_of_service": "accepted"}
    assert (paid["customer"]["phone"], paid["customer"]["address"]["country"]) == ("+441", "GB")
    ids = await shop.get(f"/v1/customers/{paid['customer']['id']}/tax_ids")
    assert [each["value"] for each in ids["data"]] == ["GB123456789"]


async def test_the_way_back_after_paying_does_not_pay_again(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    await shop.pay(session)
    page = await shop.api.get(session["url"])
    assert page.status_code == 200
    assert "This checkout is complete" in page.text
    assert f"https://shop.example.com/done?session={session['id']}" in page.text


async def test_an_unknown_session_is_not_found(shop: Shop) -> None:
    assert (await shop.api.get("/checkout/cs_test_none")).status_code == 404
    assert (await shop.api.post("/checkout/cs_test_none", data={})).status_code == 404
    assert (await shop.api.get("/authenticate/pi_none")).status_code == 404


async def test_a_challenge_is_answered_once(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    reply = await shop.pay(session, CHALLENGED)
    await shop.answer(reply, "approve")
    address = reply.headers["location"].partition("?")[0]
    assert "Nothing to approve" in (await shop.api.get(address)).text
    assert (await shop.api.post(address, data={"answer": "refuse"})).status_code == 200
    assert (await shop.read(session))["payment_status"] == "paid"


async def test_a_challenge_leads_back_to_where_an_intent_was_confirmed(shop: Shop) -> None:
    params = {"amount": 700, "currency": "usd", "confirm": "true", "payment_method": "pm_card_threeDSecure2Required"}
    intent = await shop.post("/v1/payment_intents", params | {"return_url": "https://shop.example.com/back?a=1"})
    address = intent["next_action"]["redirect_to_url"]["url"].partition("?")[0]
    reply = await shop.api.post(address, data={"answer": "approve"})
    back = httpx.URL(reply.headers["location"])
    assert back.host == "shop.example.com"
    assert dict(back.params) == {
        "a": "1",
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": "succeeded",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example.com"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:3000"},
    ],
)
async def test_a_form_on_another_origin_does_nothing(shop: Shop, headers: dict[str, str]) -> None:
    session = await shop.session(await shop.price())
    form = {"email": "a@example.com", "number": VISA, "expiry": "12/34", "cvc": "123"}
    assert (await shop.api.post(session["url"], data=form, headers=headers)).status_code == 403
    assert (await shop.read(session))["status"] == "open"
    own = {"sec-fetch-site": "same-origin", "origin": shop.sandbox.url}
    assert (await shop.api.post(session["url"], data=form, headers=own)).status_code == 303


@pytest.mark.parametrize(
    ("host", "status"), [("rebound.example.com", 403), ("localhost:8001", 200), ("[::1]:8001", 200)]
)
async def test_a_page_answers_to_the_loopback_alone(shop: Shop, host: str, status: int) -> None:
    assert (await shop.api.get("/dashboard", headers={"host": host})).status_code == status


async def test_forms_that_cannot_be_read_are_refused(shop: Shop) -> None:
    session = await shop.session(await shop.price())
    for body in (b"a=%ff", b"\xff", b"a" * 70_000, b"a[b=1", b"email[x]=1&number[]=2"):
        reply = await shop.api.post(session["url"], content=body)
        assert 400 <= reply.status_code < 500, body


@pytest.fixture
async def receiver() -> Receiver:
    return Receiver()


async def test_the_way_to_the_seller_waits_for_the_webhook(receiver: Receiver) -> None:
    async with Sandbox(seed=1, start=START, transport=receiver) as sandbox, sandbox.client() as api:
        shop = Shop(sandbox, api)
        await listen(api, "checkout.session.completed")
        gate = receiver.gates[URL] = asyncio.Event()
        session = await shop.session(await shop.price())
        paying = asyncio.create_task(shop.pay(session))
        await asyncio.wait([paying], timeout=0.1)
        assert receiver.types == ["checkout.session.completed"]
        assert not paying.done()
        gate.set()
        begun = time.monotonic()
        assert (await paying).status_code == 303
        assert time.monotonic() - begun < 1
