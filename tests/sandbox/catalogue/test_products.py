"""Products and their prices."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of, types_of
from tollhouse.sandbox import Sandbox


@pytest.fixture
async def product(api: httpx.AsyncClient) -> dict[str, Any]:
    return await ask(api, "POST", "/v1/products", {"name": "Credits", "id": "credits"})


async def test_a_product_has_its_own_id_and_no_other_product_gets_it(api: httpx.AsyncClient, product: Any) -> None:
    error = await ask(api, "POST", "/v1/products", {"name": "Other", "id": "credits"}, status=400)
    assert product["id"] == "credits"
    assert (error["code"], error["param"]) == ("resource_already_exists", "id")


async def test_a_coupon_may_have_the_id_of_a_product(api: httpx.AsyncClient, product: Any) -> None:
    await ask(api, "POST", "/v1/coupons", {"id": "credits", "percent_off": 10})
    price = await ask(
        api, "POST", "/v1/prices", {"product": "credits", "currency": "usd", "unit_amount": 5, "expand": ["product"]}
    )
    assert (await ask(api, "GET", "/v1/products/credits"))["object"] == "product"
    assert (await ask(api, "GET", "/v1/coupons/credits"))["object"] == "coupon"
    assert price["product"]["object"] == "product"
    await ask(api, "DELETE", "/v1/coupons/credits")
    assert (await ask(api, "GET", "/v1/products/credits"))["name"] == "Credits"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "A", "id": "with space"}, "id"),
        ({"name": "A", "images": ["https://a.test"] * 9}, "images"),
        ({"name": "A", "marketing_features": [{"name": "x"}] * 16}, "marketing_features"),
        ({"name": "A", "default_price_data": {"currency": "usd"}}, "default_price_data[unit_amount]"),
        ({"name": "A", "default_price_data": {"currency": "usx", "unit_amount": 1}}, "default_price_data[currency]"),
    ],
)
async def test_a_product_that_makes_no_sense_is_refused(api: httpx.AsyncClient, params: Any, param: str) -> None:
    assert (await ask(api, "POST", "/v1/products", params, status=400))["param"] == param
    assert (await ask(api, "GET", "/v1/products"))["data"] == []


async def test_a_default_price_is_made_along_with_its_product(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    data = {"currency": "EUR", "unit_amount": 900, "recurring": {"interval": "month"}, "metadata": {"a": "b"}}
    product = await ask(
        api, "POST", "/v1/products", {"name": "Pro", "default_price_data": data, "expand": ["default_price"]}
    )
    price = product["default_price"]
    assert (price["product"], price["currency"], price["unit_amount"]) == (product["id"], "eur", 900)
    assert price["recurring"]["interval_count"] == 1
    assert price["metadata"] == {"a": "b"}
    assert types_of(sandbox) == ["product.created", "price.created", "product.updated"]


async def test_an_update_tells_what_was_before(sandbox: Sandbox, api: httpx.AsyncClient, product: Any) -> None:
    sandbox.advance(60)
    await ask(api, "POST", "/v1/products/credits", {"metadata": {"a": "b"}, "tax_details": {"tax_code": "txcd_1"}})
    (event,) = events_of(sandbox, "product.updated")
    assert event["data"]["previous_attributes"] == {
        "metadata": {"a": None},
        "tax_details": None,
        "updated": product["updated"],
    }
    await ask(api, "POST", "/v1/products/credits", {"metadata": {"a": "b"}})
    assert len(events_of(sandbox, "product.updated")) == 1, "nothing changed"
    changed = await ask(api, "POST", "/v1/products/credits", {"metadata": "", "tax_details": ""})
    assert (changed["metadata"], changed["tax_details"]) == ({}, None)


async def test_only_an_own_active_price_becomes_the_default(api: httpx.AsyncClient, product: Any) -> None:
    terms = {"currency": "usd", "unit_amount": 100}
    own = await ask(api, "POST", "/v1/prices", {"product": "credits", **terms})
    other = await ask(api, "POST", "/v1/prices", {"product_data": {"name": "Other"}, **terms})
    off = await ask(api, "POST", "/v1/prices", {"product": "credits", "active": False, **terms})
    for price in (other, off):
        error = await ask(api, "POST", "/v1/products/credits", {"default_price": price["id"]}, status=400)
        assert error["param"] == "default_price"
    changed = await ask(api, "POST", "/v1/products/credits", {"default_price": own["id"]})
    assert changed["default_price"] == own["id"]
    error = await ask(api, "POST", f"/v1/prices/{own['id']}", {"active": False}, status=400)
    assert error["param"] == "active"
    assert (await ask(api, "POST", "/v1/products/credits", {"default_price": ""}))["default_price"] is None


async def test_a_product_with_prices_stays_and_one_without_leaves(api: httpx.AsyncClient, product: Any) -> None:
    await ask(api, "POST", "/v1/prices", {"product": "credits", "currency": "usd", "unit_amount": 100})
    error = await ask(api, "DELETE", "/v1/products/credits", status=400)
    assert "user-created prices" in error["message"]
    lonely = await ask(api, "POST", "/v1/products", {"name": "Lonely"})
    gone = await ask(api, "DELETE", f"/v1/products/{lonely['id']}")
    assert gone == {"id": lonely["id"], "object": "product", "deleted": True}
    error = await ask(api, "GET", f"/v1/products/{lonely['id']}", status=404)
    assert error["code"] == "resource_missing"
    assert [each["id"] for each in (await ask(api, "GET", "/v1/products"))["data"]] == ["credits"]


async def test_products_are_listed_by_ids_and_whether_they_are_active(api: httpx.AsyncClient, product: Any) -> None:
    off = await ask(api, "POST", "/v1/products", {"name": "Off", "active": False})
    by_id = await ask(api, "GET", "/v1/products", {"ids": ["credits", "nothing"]})
    assert [each["id"] for each in by_id["data"]] == ["credits"]
    inactive = await ask(api, "GET", "/v1/products", {"active": "false"})
    assert [each["id"] for each in inactive["data"]] == [off["id"]]
