"""Checkout sessions through the API: what is made of the parameters, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import START

from .shop import SUCCESS_URL, Shop


async def test_a_session_is_open_and_has_a_page(shop: Shop) -> None:
    session = await shop.session(await shop.price(1500), quantity=2, metadata={"order": "7"}, client_reference_id="me")
    assert session["url"] == f"{shop.sandbox.url}/checkout/{session['id']}"
    assert session["status"] == "open"
    assert session["payment_status"] == "unpaid"
    assert (session["amount_subtotal"], session["amount_total"], session["currency"]) == (3000, 3000, "usd")
    assert session["expires_at"] == START + 24 * 3600
    assert session["metadata"] == {"order": "7"}
    assert session["client_reference_id"] == "me"
    assert session["payment_intent"] is None
    assert session["success_url"] == SUCCESS_URL


async def test_an_embedded_session_has_a_secret_in_the_place_of_an_address(shop: Shop) -> None:
    price = await shop.price()
    embedded: dict[str, Any] = {
        "ui_mode": "embedded_page",
        "return_url": SUCCESS_URL,
        "success_url": None,
        "cancel_url": None,
    }
    session = await shop.session(price, quantity=1, **embedded)
    assert session["url"] is None
    assert session["client_secret"].startswith(session["id"] + "_secret_")
    error = await shop.session(price, quantity=1, status=400, **embedded | {"return_url": None})
    assert error["param"] == "return_url"
    error = await shop.session(price, ui_mode="embedded_page", return_url=SUCCESS_URL, status=400)
    assert error["param"] == "success_url"


async def test_a_setup_session_has_its_intent_at_once(shop: Shop) -> None:
    session = await shop.session(mode="setup", currency="usd")
    assert session["setup_intent"].startswith("seti_")
    assert session["payment_status"] == "no_payment_required"
    assert session["amount_total"] is None
    assert (await shop.session(mode="setup", status=400))["param"] == "currency"


async def test_line_items_are_listed_by_pages_and_expanded(shop: Shop) -> None:
    prices = [await shop.price(amount, name=f"Thing {amount}") for amount in (100, 200, 300)]
    session = await shop.session(*prices)
    path = f"/v1/checkout/sessions/{session['id']}/line_items"
    first = await shop.get(path, {"limit": 2})
    assert [each["amount_total"] for each in first["data"]] == [100, 200]
    assert first["has_more"] is True
    rest = await shop.get(path, {"starting_after": first["data"][1]["id"], "expand": ["data.price.product"]})
    assert [each["price"]["product"]["name"] for each in rest["data"]] == ["Thing 300"]
    assert rest["has_more"] is False
    assert "line_items" not in session
    whole = await shop.read(session, "line_items")
    assert [each["description"] for each in whole["line_items"]["data"]] == ["Thing 100", "Thing 200", "Thing 300"]


async def test_a_price_can_be_made_on_the_spot(shop: Shop) -> None:
    data = {"currency": "eur", "unit_amount": 700, "product_data": {"name": "Mug"}}
    items = [{"price_data": data, "quantity": 3}]
    session = await shop.session(line_items=items, expand=["line_items"])
    item = session["line_items"]["data"][0]
    assert (session["amount_total"], session["currency"]) == (2100, "eur")
    assert (item["description"], item["price"]["unit_amount"], item["quantity"]) == ("Mug", 700, 3)
    assert session["payment_method_types"] == ["card", "sepa_debit"]


async def test_sessions_are_found_by_what_became_of_them(shop: Shop) -> None:
    price = await shop.price()
    first, second = await shop.session(price), await shop.session(price, customer_email="bob@example.com")
    await shop.post(f"/v1/checkout/sessions/{first['id']}/expire")
    path = "/v1/checkout/sessions"
    assert [each["id"] for each in (await shop.get(path, {"status": "expired"}))["data"]] == [first["id"]]
    by_email = await shop.get(path, {"customer_details": {"email": "bob@example.com"}})
    assert [each["id"] for each in by_email["data"]] == [second["id"]]
    assert (await shop.get(path, {"customer_details": {"email": "eve@example.com"}}))["data"] == []


async def test_metadata_changes_and_line_items_with_it_while_open(shop: Shop) -> None:
    one, two = await shop.price(1000, name="One"), await shop.price(500, name="Two")
    session = await shop.session(one, metadata={"a": "1"})
    path = f"/v1/checkout/sessions/{session['id']}"
    id = (await shop.get(path + "/line_items"))["data"][0]["id"]
    items = [{"id": id, "quantity": 3}, {"price": two["id"], "quantity": 1}]
    changed = await shop.post(path, {"metadata": {"b": "2"}, "line_items": items, "expand": ["line_items"]})
    assert changed["metadata"] == {"a": "1", "b": "2"}
    assert changed["amount_total"] == 3500
    assert changed["line_items"]["data"][0]["id"] == id
    error = await shop.post(path, {"line_items": [{"id": "li_unknown", "quantity": 1}]}, status=400)
    assert error["code"] == "resource_missing"
    await shop.post(path + "/expire")
    assert (await shop.post(path, {"metadata": {"a": ""}}))["metadata"] == {"b": "2"}
    assert "open" in (await shop.post(path, {"line_items": items}, status=400))["message"]


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"success_url": None}, "success_url", "parameter_missing"),
        ({"success_url": "javascript:alert(1)"}, "success_url", "url_invalid"),
        ({"cancel_url": "/cart"}, "cancel_url", "url_invalid"),
        ({"mode": None}, "mode", "parameter_missing"),
        ({"line_items": None}, "line_items", "parameter_missing"),
        ({"line_items": [{"quantity": 1}]}, "line_items[0]", None),
        ({"line_items": [{"price": "price_none", "quantity": 1}]}, "line_items[0][price]", "resource_missing"),
        ({"customer": "cus_none"}, "customer", "resource_missing"),
        ({"customer": "cus_none", "customer_email": "a@example.com"}, "customer", None),
        ({"customer_update": {"name": "auto"}}, "customer_update", None),
        ({"allow_promotion_codes": "true", "discounts": [{"coupon": "x"}]}, "allow_promotion_codes", None),
        ({"discounts": [{"coupon": "none"}]}, "discounts[0][coupon]", "resource_missing"),
        ({"subscription_data": {"description": "x"}}, "subscription_data", None),
        ({"setup_intent_data": {"description": "x"}}, "setup_intent_data", None),
        ({"payment_method_collection": "always"}, "payment_method_collection", None),
        ({"expires_at": START + 60}, "expires_at", None),
        ({"expires_at": START + 25 * 3600}, "expires_at", None),
        ({"client_reference_id": "x" * 201}, "client_reference_id", "parameter_invalid_string_length"),
        ({"return_url": SUCCESS_URL}, "return_url", None),
        ({"currency": "eur"}, "line_items[0][price]", None),
        ({"frequency": "often"}, "frequency", "parameter_unknown"),
        ({"optional_items": [{"price": "price_none", "quantity": 1}]}, "optional_items", None),
        (
            {"payment_intent_data": {"transfer_data": {"destination": "acct_1"}}},
            "payment_intent_data[transfer_data]",
            None,
        ),
    ],
)
async def test_what_does_not_fit_is_refused(shop: Shop, params: dict[str, Any], param: str, code: str | None) -> None:
    error = await shop.session(await shop.price(), **params, status=400)
    assert (error["type"], error["param"], error.get("code")) == ("invalid_request_error", param, code)
    assert (await shop.get("/v1/checkout/sessions"))["data"] == []


async def test_the_mode_and_the_prices_must_agree(shop: Shop) -> None:
    once, plan = await shop.price(), await shop.plan()
    assert "recurring price" in (await shop.session(plan, mode="payment", status=400))["message"]
    assert "at least one recurring" in (await shop.session(once, mode="subscription", status=400))["message"]
    yearly = await shop.plan(interval="year")
    assert "different billing intervals" in (await shop.session(plan, yearly, status=400))["message"]
    assert (await shop.session(plan, once))["amount_total"] == 900 + 1500


async def test_an_amount_too_small_to_charge_is_refused(shop: Shop) -> None:
    assert (await shop.session(await shop.price(49), status=400))["code"] == "amount_too_small"
    assert (await shop.session(await shop.price(50)))["amount_total"] == 50
    assert (await shop.session(await shop.price(0)))["amount_total"] == 0


async def test_an_archived_price_is_not_sold(shop: Shop) -> None:
    price = await shop.price()
    await shop.post(f"/v1/prices/{price['id']}", {"active": "false"})
    assert "inactive" in (await shop.session(price, status=400))["message"]


async def test_shipping_is_part_of_the_total(shop: Shop) -> None:
    options = [
        {"shipping_rate_data": {"display_name": name, "type": "fixed_amount", "fixed_amount": fixed}}
        for name, fixed in (
            ("Slow", {"amount": 300, "currency": "usd"}),
            ("Fast", {"amount": 900, "currency": "usd"}),
        )
    ]
    address = {"allowed_countries": ["US"]}
    session = await shop.session(await shop.price(), shipping_options=options, shipping_address_collection=address)
    assert session["amount_total"] == 1800
    assert session["total_details"]["amount_shipping"] == 300
    whole = await shop.read(session, "shipping_cost.shipping_rate")
    assert whole["shipping_cost"]["shipping_rate"]["display_name"] == "Slow"
    fast = session["shipping_options"][1]["shipping_rate"]
    to = {"shipping_name": "A", "shipping_line1": "1 High St", "shipping_city": "X", "shipping_postal_code": "1"}
    assert (await shop.pay(session, shipping_rate=fast)).status_code == 422
    assert (await shop.pay(session, shipping_rate=fast, **to)).status_code == 303
    paid = await shop.read(session, "payment_intent")
    assert paid["amount_total"] == paid["payment_intent"]["amount"] == 2400
    assert paid["collected_information"]["shipping_details"]["address"]["city"] == "X"
    assert paid["payment_intent"]["shipping"]["name"] == "A"


async def test_a_trial_costs_nothing_today(shop: Shop) -> None:
    session = await shop.session(await shop.plan(), subscription_data={"trial_period_days": 14})
    assert session["amount_total"] == 0
    both = {"trial_period_days": 14, "trial_end": START + 86_400 * 9}
    assert (await shop.session(await shop.plan(), subscription_data=both, status=400))["param"].endswith("[trial_end]")
    late = {"trial_end": START + 3600}
    assert "2 days" in (await shop.session(await shop.plan(), subscription_data=late, status=400))["message"]
