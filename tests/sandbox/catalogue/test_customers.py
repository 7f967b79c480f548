"""Customers, and what is theirs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of, types_of
from tests.sandbox.conftest import START
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.customers import customers


@pytest.fixture
async def alice(api: httpx.AsyncClient) -> dict[str, Any]:
    return await ask(api, "POST", "/v1/customers", {"name": "Alice", "email": "alice@example.test"})


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"email": "nobody"}, "email", "email_invalid"),
        ({"email": "a b@example.test"}, "email", "email_invalid"),
        ({"invoice_prefix": "no"}, "invoice_prefix", None),
        ({"next_invoice_sequence": 0}, "next_invoice_sequence", None),
        ({"test_clock": "clock_none"}, "test_clock", "resource_missing"),
        ({"coupon": "none"}, "coupon", "resource_missing"),
        ({"promotion_code": "promo_none"}, "promotion_code", "resource_missing"),
        ({"payment_method": "pm_none"}, "payment_method", "resource_missing"),
        ({"shipping": {"name": "A"}}, "shipping[address]", "parameter_missing"),
        ({"tax_id_data": [{"type": "eu_vat", "value": "?"}]}, "value", "tax_id_invalid"),
        ({"metadata": {"k" * 41: "v"}}, "metadata", None),
        ({"invoice_settings": {"default_payment_method": "pm_none"}}, None, "resource_missing"),
    ],
)
async def test_a_customer_that_makes_no_sense_is_refused(
    sandbox: Sandbox, api: httpx.AsyncClient, params: Any, param: str | None, code: str | None
) -> None:
    error = await ask(api, "POST", "/v1/customers", params, status=400)
    assert error.get("code") == code
    assert param is None or error["param"] == param
    assert (sandbox.world.every("customer"), types_of(sandbox)) == ([], [])


async def test_an_address_is_written_in_full(api: httpx.AsyncClient) -> None:
    form = {"address": {"city": "Oslo", "line2": ""}, "shipping": {"name": "A", "address": {"country": "NO"}}}
    made = await ask(api, "POST", "/v1/customers", form)
    nothing = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    assert made["address"] == nothing | {"city": "Oslo"}
    assert made["shipping"] == {"address": nothing | {"country": "NO"}, "name": "A", "phone": None}
    path = f"/v1/customers/{made['id']}"
    tax = (await ask(api, "GET", path, {"expand": ["tax"]}))["tax"]
    assert tax["location"] == {"country": "NO", "source": "shipping_destination", "state": None}
    emptied = await ask(api, "POST", path, {"address": "", "shipping": "", "tax": {"ip_address": "192.0.2.1"}})
    assert (emptied["address"], emptied["shipping"]) == (None, None)
    tax = (await ask(api, "GET", path, {"expand": ["tax"]}))["tax"]
    assert (tax["automatic_tax"], tax["ip_address"]) == ("unrecognized_location", "192.0.2.1")


async def test_what_is_asked_for_is_there_and_else_it_is_not(api: httpx.AsyncClient, alice: Any) -> None:
    asked = ["cash_balance", "invoice_credit_balance", "sources", "subscriptions", "tax", "tax_ids"]
    shown = await ask(api, "GET", f"/v1/customers/{alice['id']}", {"expand": asked})
    assert set(shown) - set(alice) == set(asked)
    assert shown["cash_balance"] is None
    assert shown["tax_ids"]["url"] == f"/v1/customers/{alice['id']}/tax_ids"
    error = await ask(api, "GET", f"/v1/customers/{alice['id']}", {"expand": ["secrets"]}, status=400)
    assert error["message"].startswith("This property cannot be expanded (secrets).")


async def test_a_payment_method_comes_along_and_becomes_the_default(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    form = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    made = await ask(api, "POST", "/v1/customers", {**form, "expand": ["invoice_settings.default_payment_method"]})
    method = made["invoice_settings"]["default_payment_method"]
    assert (method["object"], method["customer"], method["card"]["last4"]) == ("payment_method", made["id"], "4242")
    assert len(sandbox.world.every("payment_method", customer=made["id"])) == 1


async def test_only_an_own_payment_method_becomes_the_default(api: httpx.AsyncClient, alice: Any) -> None:
    bob = await ask(api, "POST", "/v1/customers", {"payment_method": "pm_card_visa"})
    (method,) = (await ask(api, "GET", f"/v1/customers/{bob['id']}/payment_methods"))["data"]
    form = {"invoice_settings": {"default_payment_method": method["id"]}}
    error = await ask(api, "POST", f"/v1/customers/{alice['id']}", form, status=400)
    assert error["code"] == "resource_missing"
    assert "must be attached to the customer" in error["message"]
    changed = await ask(api, "POST", f"/v1/customers/{bob['id']}", form)
    assert changed["invoice_settings"]["default_payment_method"] == method["id"]
    form = {"invoice_settings": {"default_payment_method": "", "footer": "Thanks"}}
    emptied = await ask(api, "POST", f"/v1/customers/{bob['id']}", form)
    assert (emptied["invoice_settings"]["default_payment_method"], emptied["invoice_settings"]["footer"]) == (
        None,
        "Thanks",
    )


async def test_a_card_given_as_a_source_is_the_default_source(api: httpx.AsyncClient) -> None:
    made = await ask(api, "POST", "/v1/customers", {"source": "tok_visa", "expand": ["sources", "default_source"]})
    (card,) = made["sources"]["data"]
    assert made["default_source"] == card
    assert (card["object"], card["last4"], card["customer"]) == ("card", "4242", made["id"])
    plain = await ask(api, "GET", f"/v1/customers/{made['id']}")
    assert plain["default_source"] == card["id"]


async def test_a_discount_comes_is_replaced_and_goes(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    for id in ("ten", "twenty"):
        await ask(api, "POST", "/v1/coupons", {"id": id, "percent_off": 10, "duration": "forever"})
    made = await ask(api, "POST", "/v1/customers", {"coupon": "ten"})
    path = f"/v1/customers/{made['id']}"
    assert made["discount"]["source"] == {"coupon": "ten", "type": "coupon"}
    shown = await ask(api, "POST", path, {"coupon": "twenty", "expand": ["discount.source.coupon"]})
    assert shown["discount"]["source"]["coupon"]["percent_off"] == 10
    gone = await ask(api, "DELETE", path + "/discount")
    assert (gone["deleted"], gone["id"], "end" in gone) == (True, shown["discount"]["id"], False)
    assert (await ask(api, "GET", path))["discount"] is None
    await ask(api, "DELETE", path + "/discount", status=404)
    await ask(api, "POST", path, {"coupon": "ten"})
    assert (await ask(api, "POST", path, {"coupon": ""}))["discount"] is None
    told = [each for each in types_of(sandbox) if "discount" in each]
    assert told == [f"customer.discount.{each}" for each in ("created", "updated", "deleted", "created", "deleted")]
    (event,) = events_of(sandbox, "customer.discount.updated")
    assert event["data"]["previous_attributes"]["source"] == {"coupon": "ten", "type": "coupon"}


async def test_the_newest_version_has_no_coupon_on_customers(api: httpx.AsyncClient) -> None:
    form = {"coupon": "ten"}
    error = await ask(api, "POST", "/v1/customers", form, status=400, version="2026-10-28.endive")
    assert (error["code"], error["param"]) == ("parameter_unknown", "coupon")


async def test_deleting_a_customer_takes_what_is_theirs(
    sandbox: Sandbox, api: httpx.AsyncClient, alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed: list[str] = []
    monkeypatch.setattr(customers, "_followers", [lambda world, customer: followed.append(customer["id"])])
    form = {"type": "us_ein", "value": "12-3456789"}
    tax_id = await ask(api, "POST", f"/v1/customers/{alice['id']}/tax_ids", form)
    gone = await ask(api, "DELETE", f"/v1/customers/{alice['id']}")
    assert gone == {"id": alice["id"], "object": "customer", "deleted": True}
    assert followed == [alice["id"]]
    assert (await ask(api, "GET", f"/v1/customers/{alice['id']}")) == gone
    assert (await ask(api, "GET", "/v1/customers"))["data"] == []
    await ask(api, "POST", f"/v1/customers/{alice['id']}", {"name": "A"}, status=404)
    await ask(api, "GET", f"/v1/tax_ids/{tax_id['id']}", status=404)
    (event,) = events_of(sandbox, "customer.deleted")
    assert event["data"]["object"]["email"] == "alice@example.test"


async def test_an_update_tells_only_what_changed(sandbox: Sandbox, api: httpx.AsyncClient, alice: Any) -> None:
    await ask(api, "POST", f"/v1/customers/{alice['id']}", {"name": "Alice", "metadata": {"plan": "pro"}})
    await ask(api, "POST", f"/v1/customers/{alice['id']}", {"name": "Alice"})
    (event,) = events_of(sandbox, "customer.updated")
    assert event["data"]["previous_attributes"] == {"metadata": {"plan": None}}


async def test_customers_are_listed_by_email_time_and_clock(
    sandbox: Sandbox, api: httpx.AsyncClient, alice: Any
) -> None:
    sandbox.advance(10)
    bob = await ask(api, "POST", "/v1/customers", {"email": "Alice@example.test"})

    async def listed(**params: Any) -> list[str]:
        return [each["id"] for each in (await ask(api, "GET", "/v1/customers", params))["data"]]

    assert await listed() == [bob["id"], alice["id"]]
    assert await listed(email="alice@example.test") == [alice["id"]]
    assert await listed(created={"gt": START}) == [bob["id"]]
    assert await listed(starting_after=bob["id"]) == [alice["id"]]
    assert await listed(test_clock="clock_none") == []
