"""Prices: what they may ask, and what they come to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.resources.catalogue import prices

TIERS: list[dict[str, Any]] = [
    {"up_to": 10, "unit_amount": 500},
    {"up_to": 20, "unit_amount": 400, "flat_amount": 1000},
    {"up_to": "inf", "unit_amount_decimal": "0.5"},
]


@pytest.fixture(autouse=True)
async def product(api: httpx.AsyncClient) -> None:
    await ask(api, "POST", "/v1/products", {"name": "Credits", "id": "credits"})


async def make(api: httpx.AsyncClient, status: int = 200, **params: Any) -> Any:
    return await ask(api, "POST", "/v1/prices", {"product": "credits", "currency": "usd", **params}, status=status)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "unit_amount"),
        ({"unit_amount": -1}, "unit_amount"),
        ({"unit_amount": 100_000_000}, "unit_amount"),
        ({"unit_amount": 1, "unit_amount_decimal": "1"}, "unit_amount_decimal"),
        ({"unit_amount_decimal": "1.0000000000001"}, "unit_amount_decimal"),
        ({"unit_amount_decimal": "much"}, "unit_amount_decimal"),
        ({"unit_amount_decimal": "NaN"}, "unit_amount_decimal"),
        ({"unit_amount_decimal": "Infinity"}, "unit_amount_decimal"),
        ({"unit_amount": 1, "currency": "xyz"}, "currency"),
        ({"unit_amount": 1, "product": "nothing"}, "product"),
        ({"unit_amount": 1, "product_data": {"name": "Both"}}, "product"),
        ({"unit_amount": 1, "recurring": {"interval": "month", "interval_count": 37}}, "recurring[interval_count]"),
        ({"unit_amount": 1, "recurring": {"interval": "month", "usage_type": "metered"}}, "recurring[usage_type]"),
        ({"custom_unit_amount": {"enabled": True}, "recurring": {"interval": "month"}}, "custom_unit_amount"),
        ({"billing_scheme": "tiered", "tiers": TIERS}, "tiers_mode"),
        ({"billing_scheme": "tiered", "tiers_mode": "volume"}, "tiers"),
        ({"tiers_mode": "volume", "tiers": TIERS[:2]}, "tiers[1][up_to]"),
        ({"tiers_mode": "volume", "tiers": [TIERS[1], TIERS[0], TIERS[2]]}, "tiers[1][up_to]"),
        ({"unit_amount": 1, "lookup_key": "k" * 201}, "lookup_key"),
        ({"unit_amount": 1, "currency_options": {"xyz": {"unit_amount": 1}}}, "currency_options[xyz]"),
    ],
)
async def test_a_price_that_makes_no_sense_is_refused(api: httpx.AsyncClient, params: Any, param: str) -> None:
    assert (await make(api, 400, **params))["param"] == param
    assert (await ask(api, "GET", "/v1/prices"))["data"] == []


async def test_a_decimal_amount_is_kept_exactly(api: httpx.AsyncClient) -> None:
    fine = await make(api, unit_amount_decimal="0.0500")
    assert (fine["unit_amount"], fine["unit_amount_decimal"]) == (None, "0.05")
    whole = await make(api, unit_amount_decimal="12.0")
    assert (whole["unit_amount"], whole["unit_amount_decimal"]) == (12, "12")


async def test_a_lookup_key_belongs_to_one_price_until_it_is_transferred(
    sandbox: Sandbox, api: httpx.AsyncClient
) -> None:
    first = await make(api, unit_amount=1, lookup_key="basic")
    error = await make(api, 400, unit_amount=2, lookup_key="basic")
    assert error["message"] == f"A price (`{first['id']}`) already uses that lookup key."
    second = await make(api, unit_amount=2, lookup_key="basic", transfer_lookup_key=True)
    found = await ask(api, "GET", "/v1/prices", {"lookup_keys": ["basic", "other"]})
    assert [each["id"] for each in found["data"]] == [second["id"]]
    (event,) = events_of(sandbox, "price.updated")
    assert event["data"]["previous_attributes"] == {"lookup_key": "basic"}
    kept = await ask(api, "POST", f"/v1/prices/{second['id']}", {"lookup_key": "basic"})
    assert kept["lookup_key"] == "basic"


async def test_amounts_and_intervals_cannot_be_changed(api: httpx.AsyncClient) -> None:
    price = await make(api, unit_amount=1, tax_behavior="inclusive")
    path = f"/v1/prices/{price['id']}"
    for params, param in (({"unit_amount": 2}, "unit_amount"), ({"tax_behavior": "exclusive"}, "tax_behavior")):
        assert (await ask(api, "POST", path, params, status=400))["param"] == param
    changed = await ask(api, "POST", path, {"nickname": "One", "active": "false", "metadata": {"a": "b"}})
    assert (changed["nickname"], changed["active"], changed["metadata"]) == ("One", False, {"a": "b"})


@pytest.mark.parametrize(
    ("mode", "quantity", "amount"),
    [
        ("volume", 0, 0),
        ("volume", 10, 5000),
        ("volume", 11, 5400),
        ("volume", 20, 9000),
        ("volume", 25, 13),
        ("graduated", 0, 0),
        ("graduated", 10, 5000),
        ("graduated", 11, 6400),
        ("graduated", 20, 10000),
        ("graduated", 25, 10003),
    ],
)
async def test_tiers_count_as_a_whole_or_one_after_the_other(
    sandbox: Sandbox, api: httpx.AsyncClient, mode: str, quantity: int, amount: int
) -> None:
    made = await make(api, tiers_mode=mode, tiers=TIERS, billing_scheme="tiered")
    price = sandbox.world.get("price", made["id"])
    assert prices.amount(price, quantity, "usd") == amount


async def test_tiers_and_further_currencies_are_shown_when_they_are_asked_for(
    sandbox: Sandbox, api: httpx.AsyncClient
) -> None:
    options = {"eur": {"unit_amount": 90}, "usd": {"unit_amount": 7}}
    made = await make(api, unit_amount=100, currency_options=options)
    assert "currency_options" not in made
    path = f"/v1/prices/{made['id']}"
    shown = await ask(api, "GET", path, {"expand": ["currency_options", "tiers"]})
    amounts = {currency: each["unit_amount"] for currency, each in shown["currency_options"].items()}
    assert amounts == {"usd": 100, "eur": 90}
    assert "tiers" not in shown
    await ask(api, "POST", path, {"currency_options": {"gbp": {"unit_amount": 80}}})
    price = sandbox.world.get("price", made["id"])
    assert [prices.unit_amount(price, each) for each in ("usd", "eur", "gbp")] == [100, 90, 80]
    with pytest.raises(StripeError, match="only available in `usd`"):
        prices.unit_amount(price, "jpy")
    listed = await ask(api, "GET", "/v1/prices", {"expand": ["data.currency_options"]})
    assert set(listed["data"][0]["currency_options"]) == {"usd", "eur", "gbp"}
    tiered = await make(api, tiers_mode="volume", tiers=TIERS, expand=["tiers"])
    assert [each["up_to"] for each in tiered["tiers"]] == [10, 20, None]


@pytest.mark.parametrize(("how", "amount"), [("up", 300), ("down", 200)])
async def test_a_quantity_is_divided_into_packages(
    sandbox: Sandbox, api: httpx.AsyncClient, how: str, amount: int
) -> None:
    made = await make(api, unit_amount=100, transform_quantity={"divide_by": 10, "round": how})
    assert prices.amount(sandbox.world.get("price", made["id"]), 25, "usd") == amount


async def test_prices_are_listed_by_what_they_are(api: httpx.AsyncClient) -> None:
    once = await make(api, unit_amount=1)
    monthly = await make(api, unit_amount=1, currency="eur", recurring={"interval": "month"})
    yearly = await make(api, unit_amount=1, recurring={"interval": "year"}, active=False)

    async def listed(**params: Any) -> list[str]:
        return [each["id"] for each in (await ask(api, "GET", "/v1/prices", params))["data"]]

    assert await listed(type="one_time") == [once["id"]]
    assert await listed(currency="eur") == [monthly["id"]]
    assert await listed(recurring={"interval": "year"}) == [yearly["id"]]
    assert await listed(active="true", product="credits") == [monthly["id"], once["id"]]
    assert await listed(product="other") == []


async def test_a_price_of_one_use_is_not_active(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    data = {"currency": "usd", "unit_amount": 5, "product_data": {"name": "This once"}}
    with sandbox.world.store.transaction():
        price = prices.inline(sandbox.world, data, "line_items[0][price_data]")
    shown = await ask(api, "GET", f"/v1/prices/{price['id']}", {"expand": ["product"]})
    assert (shown["active"], shown["product"]["active"], shown["product"]["name"]) == (False, False, "This once")
    with pytest.raises(StripeError) as refused:
        prices.inline(sandbox.world, {"currency": "usd", "unit_amount": 5}, "line_items[0][price_data]")
    assert refused.value.fields["param"] == "line_items[0][price_data][product]"
