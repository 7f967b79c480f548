"""The billing portal: its configurations and sessions, and what customers do on its pages."""

from __future__ import annotations

from typing import Any

import pytest

from .shop import CHALLENGED, DECLINED, Shop

CONFIGURATIONS = "/v1/billing_portal/configurations"
SESSIONS = "/v1/billing_portal/sessions"
RETURN_URL = "https://shop.example.com/account"


@pytest.fixture
async def plans(shop: Shop) -> list[Any]:
    return [await shop.plan(900, name="Small"), await shop.plan(2900, name="Large")]


@pytest.fixture
async def subscription(shop: Shop, plans: list[Any]) -> Any:
    session = await shop.session(plans[0])
    await shop.pay(session)
    return (await shop.read(session, "subscription"))["subscription"]


async def open_portal(shop: Shop, subscription: Any, **params: Any) -> Any:
    return await shop.post(SESSIONS, {"customer": subscription["customer"], "return_url": RETURN_URL} | params)


async def read_subscription(shop: Shop, subscription: Any) -> Any:
    return await shop.get(f"/v1/subscriptions/{subscription['id']}")


async def test_the_account_s_own_configuration_is_there(shop: Shop) -> None:
    listed = (await shop.get(CONFIGURATIONS))["data"]
    assert [each["is_default"] for each in listed] == [True]
    assert listed[0]["features"]["subscription_cancel"]["enabled"] is True


async def test_configurations_are_made_and_changed(shop: Shop, plans: list[Any]) -> None:
    product = plans[0]["product"]
    offered = [{"product": product, "prices": [plans[0]["id"]]}]
    features = {
        "subscription_update": {"enabled": "true", "default_allowed_updates": ["price"], "products": offered},
        "invoice_history": {"enabled": "true"},
    }
    made = await shop.post(CONFIGURATIONS, {"features": features, "business_profile": {"headline": "Hello"}})
    assert (made["is_default"], made["active"], made["business_profile"]["headline"]) == (False, True, "Hello")
    assert made["features"]["subscription_cancel"]["enabled"] is False
    assert "products" not in made["features"]["subscription_update"]
    path = f"{CONFIGURATIONS}/{made['id']}"
    whole = await shop.get(path, {"expand": ["features.subscription_update.products"]})
    assert [each["product"] for each in whole["features"]["subscription_update"]["products"]] == [product]
    changes = {"features": {"invoice_history": {"enabled": "false"}}, "metadata": {"a": "1"}, "active": "false"}
    changed = await shop.post(path, changes)
    assert changed["features"]["invoice_history"]["enabled"] is False
    assert changed["features"]["subscription_update"]["enabled"] is True
    assert [each["id"] for each in (await shop.get(CONFIGURATIONS, {"active": "false"}))["data"]] == [made["id"]]
    error = await shop.post(SESSIONS, {"customer": "cus_none", "configuration": made["id"]}, status=400)
    assert error["param"] == "customer"
    told = ["billing_portal.configuration.created", "billing_portal.configuration.updated"]
    assert shop.types("billing_portal.configuration.") == told


@pytest.mark.parametrize(
    ("features", "param"),
    [
        ({"customer_update": {"enabled": "true"}}, "features[customer_update][allowed_updates]"),
        (
            {"subscription_update": {"enabled": "true", "default_allowed_updates": ["price"]}},
            "features[subscription_update][products]",
        ),
    ],
)
async def test_a_feature_needs_something_to_offer(shop: Shop, features: Any, param: str) -> None:
    assert (await shop.post(CONFIGURATIONS, {"features": features}, status=400))["param"] == param


async def test_a_session_is_a_customer_s(shop: Shop, subscription: Any) -> None:
    session = await open_portal(shop, subscription)
    assert session["url"] == f"{shop.sandbox.url}/portal/{session['id']}"
    page = (await shop.api.get(session["url"])).text
    for words in ("Small", "$9.00 per month", "Renews on 15 February 2027", "alice@example.com", "ending in 4242"):
        assert words in page
    assert RETURN_URL in page
    assert (await shop.post(SESSIONS, {}, status=400))["param"] == "customer"
    assert (await shop.post(SESSIONS, {"customer": subscription["customer"], "return_url": "x"}, status=400))[
        "code"
    ] == ("url_invalid")
    assert (await shop.api.get("/portal/bps_none")).status_code == 404


async def test_a_subscription_is_canceled_and_kept(shop: Shop, subscription: Any) -> None:
    portal = await open_portal(shop, subscription)
    path = f"/portal/{portal['id']}/subscriptions/{subscription['id']}"
    assert "until 15 February 2027" in (await shop.api.get(path + "/cancel")).text
    assert (await shop.api.post(path + "/cancel")).status_code == 303
    after = await read_subscription(shop, subscription)
    assert (after["status"], after["cancel_at_period_end"]) == ("active", True)
    assert "Ends on 15 February 2027" in (await shop.api.get(portal["url"])).text
    assert (await shop.api.post(path + "/keep")).status_code == 303
    assert (await read_subscription(shop, subscription))["cancel_at_period_end"] is False


@pytest.mark.parametrize("mode", ["immediately", "at_period_end"])
async def test_the_reason_of_a_cancellation_is_kept(shop: Shop, subscription: Any, mode: str) -> None:
    reasons = {"enabled": True, "options": ["too_expensive", "other"]}
    feature = {"enabled": True, "mode": mode, "cancellation_reason": reasons}
    given = {"features": {"subscription_cancel": feature}}
    configuration = await shop.post("/v1/billing_portal/configurations", given)
    portal = await open_portal(shop, subscription, configuration=configuration["id"])
    path = f"/portal/{portal['id']}/subscriptions/{subscription['id']}/cancel"
    for wrong in ("unused", "<b>"):
        assert (await shop.api.post(path, data={"feedback": wrong})).status_code == 400
    assert (await shop.api.post(path, data={"feedback": "too_expensive"})).status_code == 303
    after = await read_subscription(shop, subscription)
    assert after["status"] == ("canceled" if mode == "immediately" else "active")
    details = after["cancellation_details"]
    assert (details["feedback"], details["reason"]) == ("too_expensive", "cancellation_requested")


async def test_a_plan_is_changed(shop: Shop, subscription: Any, plans: list[Any]) -> None:
    portal = await open_portal(shop, subscription)
    path = f"/portal/{portal['id']}/subscriptions/{subscription['id']}"
    page = (await shop.api.get(path)).text
    assert "Small, $9.00 per month (now)" in page
    assert "Large, $29.00 per month" in page
    reply = await shop.api.post(path, data={"price": plans[1]["id"], "quantity": "2"})
    assert (reply.status_code, reply.headers["location"]) == (303, f"/portal/{portal['id']}")
    item = (await read_subscription(shop, subscription))["items"]["data"][0]
    assert (item["price"]["id"], item["quantity"]) == (plans[1]["id"], 2)
    for form in ({"price": "price_none"}, {"price": plans[0]["id"], "quantity": "5000"}):
        assert (await shop.api.post(path, data=form)).status_code == 403
    assert (await shop.api.post(path, data={"price": plans[0]["id"], "quantity": "x"})).status_code == 400


async def test_only_what_the_configuration_offers_can_be_chosen(
    shop: Shop, subscription: Any, plans: list[Any]
) -> None:
    offered = [{"product": plans[0]["product"], "prices": [plans[0]["id"]]}]
    update = {"enabled": "true", "default_allowed_updates": ["price"], "products": offered}
    configuration = await shop.post(CONFIGURATIONS, {"features": {"subscription_update": update}})
    portal = await open_portal(shop, subscription, configuration=configuration["id"])
    path = f"/portal/{portal['id']}/subscriptions/{subscription['id']}"
    assert "Large" not in (await shop.api.get(path)).text
    assert (await shop.api.post(path, data={"price": plans[1]["id"]})).status_code == 403
    assert (await shop.api.post(path, data={"price": plans[0]["id"], "quantity": "2"})).status_code == 403
    assert (await shop.api.post(path + "/cancel")).status_code == 403
    assert (await shop.api.post(f"/portal/{portal['id']}/method", data={"number": "4242"})).status_code == 422
    assert (await shop.api.post(f"/portal/{portal['id']}/details", data={"name": "Eve"})).status_code == 403


@pytest.mark.parametrize("number", ["5555555555554444", CHALLENGED])
async def test_another_card_pays_from_now_on(shop: Shop, subscription: Any, number: str) -> None:
    portal = await open_portal(shop, subscription)
    path = f"/portal/{portal['id']}/method"
    form = {"number": number, "expiry": "12 / 34", "cvc": "123"}
    reply = await shop.api.post(path, data=form)
    if number == CHALLENGED:
        reply = await shop.answer(reply, "approve")
    assert reply.headers["location"] == f"/portal/{portal['id']}"
    method = (await read_subscription(shop, subscription))["default_payment_method"]
    assert method != subscription["default_payment_method"]
    customer = await shop.get(f"/v1/customers/{subscription['customer']}")
    assert customer["invoice_settings"]["default_payment_method"] == method
    assert f"ending in {number[-4:]}" in (await shop.api.get(portal["url"])).text


async def test_a_card_that_is_declined_is_not_saved(shop: Shop, subscription: Any) -> None:
    portal = await open_portal(shop, subscription)
    path = f"/portal/{portal['id']}/method"
    form = {"number": DECLINED, "expiry": "12 / 34", "cvc": "123"}
    reply = await shop.api.post(path, data=form)
    assert reply.status_code == 402
    assert "Your card was declined." in reply.text
    refused = await shop.answer(await shop.api.post(path, data=form | {"number": CHALLENGED}), "refuse")
    assert "did not approve" in refused.text
    assert (await read_subscription(shop, subscription))["default_payment_method"] == subscription[
        "default_payment_method"
    ]


async def test_details_are_changed(shop: Shop, subscription: Any) -> None:
    portal = await open_portal(shop, subscription)
    path = f"/portal/{portal['id']}/details"
    assert "alice@example.com" in (await shop.api.get(path)).text
    assert (await shop.api.post(path, data={"name": "Ann", "email": "nonsense"})).status_code == 422
    assert (await shop.api.post(path, data={"name": "Ann", "email": "ann@example.com"})).status_code == 303
    customer = await shop.get(f"/v1/customers/{subscription['customer']}")
    assert (customer["name"], customer["email"]) == ("Ann", "ann@example.com")


async def test_another_customer_s_subscription_is_out_of_reach(shop: Shop, subscription: Any) -> None:
    mallory = await shop.post("/v1/customers", {"email": "mallory@example.com"})
    portal = await open_portal(shop, {"customer": mallory["id"]})
    path = f"/portal/{portal['id']}/subscriptions/{subscription['id']}"
    assert (await shop.api.get(path)).status_code == 404
    assert (await shop.api.post(path + "/cancel")).status_code == 404
    assert "You have no subscription" in (await shop.api.get(portal["url"])).text


async def test_a_flow_begins_and_ends_where_it_was_told(shop: Shop, subscription: Any) -> None:
    after = {"type": "redirect", "redirect": {"return_url": "https://shop.example.com/canceled"}}
    flow = {
        "type": "subscription_cancel",
        "subscription_cancel": {"subscription": subscription["id"]},
        "after_completion": after,
    }
    portal = await open_portal(shop, subscription, flow_data=flow)
    assert portal["flow"]["subscription_cancel"] == {"retention": None, "subscription": subscription["id"]}
    begin = await shop.api.get(portal["url"])
    assert begin.headers["location"] == f"/portal/{portal['id']}/subscriptions/{subscription['id']}/cancel"
    end = await shop.api.post(begin.headers["location"])
    assert end.headers["location"] == "https://shop.example.com/canceled"
    assert (await shop.api.get(portal["url"])).status_code == 200


async def test_a_flow_can_ask_for_one_change_to_be_confirmed(shop: Shop, subscription: Any, plans: list[Any]) -> None:
    items = [{"id": subscription["items"]["data"][0]["id"], "price": plans[1]["id"], "quantity": 3}]
    confirm = {"subscription": subscription["id"], "items": items}
    flow = {
        "type": "subscription_update_confirm",
        "subscription_update_confirm": confirm,
        "after_completion": {"type": "hosted_confirmation", "hosted_confirmation": {"custom_message": "Thank you"}},
    }
    portal = await open_portal(shop, subscription, flow_data=flow)
    begin = await shop.api.get(portal["url"])
    page = await shop.api.get(begin.headers["location"])
    assert "Large × 3" in page.text
    end = await shop.api.post(begin.headers["location"])
    assert "Thank you" in end.text
    assert (await read_subscription(shop, subscription))["items"]["data"][0]["quantity"] == 3


async def test_a_flow_must_be_possible(shop: Shop, subscription: Any) -> None:
    missing = {"flow_data": {"type": "subscription_cancel"}, "customer": subscription["customer"]}
    assert (await shop.post(SESSIONS, missing, status=400))["param"] == "flow_data[subscription_cancel]"
    mallory = await shop.post("/v1/customers", {"email": "mallory@example.com"})
    flow = {"type": "subscription_cancel", "subscription_cancel": {"subscription": subscription["id"]}}
    error = await shop.post(SESSIONS, {"customer": mallory["id"], "flow_data": flow}, status=400)
    assert "does not belong" in error["message"]
