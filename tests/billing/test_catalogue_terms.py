"""What of one of Stripe's prices is not as the settings have it, and which ones cannot be sold at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.billing.stripe_rig import PLAN
from tollhouse.billing.catalogue import Price
from tollhouse.billing.catalogue_pull import why_not
from tollhouse.billing.catalogue_terms import differences, is_active, price_fields, product_fields
from tollhouse.settings_structures import ProductSettings

PRODUCT = ProductSettings.model_validate({"id": "plan", "name": "Plan", "prices": [PLAN | {"interval_count": 3}]})
PRICE = Price(PRODUCT, PRODUCT.prices[0])
RECURRING = {"interval": "month", "interval_count": 3, "usage_type": "licensed"}
RAW: dict[str, Any] = {
    "id": "price_1",
    "billing_scheme": "per_unit",
    "unit_amount": 900,
    "currency": "eur",
    "recurring": RECURRING,
    "transform_quantity": None,
}


def test_what_was_pushed_does_not_differ() -> None:
    assert differences(PRICE, price_fields(PRICE)) == []
    assert differences(PRICE, RAW) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"unit_amount": 901}, "amount is 901 at Stripe and 900"),
        ({"unit_amount": None}, "amount is None at Stripe"),
        ({"currency": "usd"}, "currency is usd at Stripe"),
        ({"recurring": RECURRING | {"interval": "year"}}, "interval is year at Stripe"),
        ({"recurring": None}, "interval is None at Stripe"),
        ({"recurring": RECURRING | {"interval_count": 1}}, "interval count is 1 at Stripe"),
        ({"recurring": RECURRING | {"usage_type": "metered"}}, "is billed by usage"),
    ],
)
def test_what_differs_is_said(changed: dict[str, Any], said: str) -> None:
    (found,) = differences(PRICE, RAW | changed)
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"recurring": None}, None),
        ({"billing_scheme": "tiered"}, "its amount is not one whole number"),
        ({"unit_amount": None}, "its amount is not one whole number"),
        ({"recurring": RECURRING | {"usage_type": "metered"}}, "it is billed by usage"),
        ({"transform_quantity": {"divide_by": 10}}, "its quantity is divided"),
    ],
)
def test_what_cannot_be_sold_is_not_pulled(changed: dict[str, Any], said: str | None) -> None:
    assert why_not(RAW | changed) == said


@pytest.mark.parametrize(
    ("active", "product", "expected"),
    [
        (True, "prod_1", True),
        (False, "prod_1", False),
        (True, {"id": "prod_1", "active": True}, True),
        (True, {"id": "prod_1", "active": False}, False),
        (True, {"id": "prod_1", "deleted": True}, False),
    ],
)
def test_a_price_is_active_with_its_product_alone(active: bool, product: Any, expected: bool) -> None:
    assert is_active({"active": active, "product": product}) is expected


def test_a_description_is_told_where_there_is_one() -> None:
    assert "description" not in product_fields(PRODUCT)
    assert product_fields(PRODUCT.model_copy(update={"description": "Better"}))["description"] == "Better"
