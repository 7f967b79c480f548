"""What a session and a subscription say of how they are billed: nonsense is refused, the rest is kept."""

from __future__ import annotations

from typing import Any

import pytest

from .shop import Shop

NONSENSE = [("hour", 25), ("hour", -1), ("minute", 99), ("second", -1), ("day_of_month", 0), ("day_of_month", -5)]
NONSENSE += [("day_of_month", 32), ("month", 13), ("month", 0)]


async def subscriber(shop: Shop) -> str:
    customer = await shop.post("/v1/customers")
    card = await shop.post("/v1/payment_methods/pm_card_visa/attach", {"customer": customer["id"]})
    settings = {"invoice_settings": {"default_payment_method": card["id"]}}
    await shop.post(f"/v1/customers/{customer['id']}", settings)
    return customer["id"]


@pytest.mark.parametrize(("name", "value"), NONSENSE)
async def test_an_anchor_of_no_calendar_is_refused(shop: Shop, name: str, value: int) -> None:
    plan = await shop.plan()
    config = {"day_of_month": 20, "hour": 23, "minute": 59, "second": 59}
    wrong = {"billing_cycle_anchor_config": config | {name: value}}
    given = {"customer": await subscriber(shop), "items": [{"price": plan["id"]}]}
    for more in ({}, {"trial_period_days": 3}):
        error = await shop.post("/v1/subscriptions", given | more | wrong, status=400)
        assert error["param"] == f"billing_cycle_anchor_config[{name}]"
    error = await shop.session(plan, subscription_data=wrong, status=400)
    assert error["param"] == f"subscription_data[billing_cycle_anchor_config][{name}]"


async def test_the_ends_of_the_calendar_are_taken(shop: Shop) -> None:
    config = {"day_of_month": 31, "hour": 0, "minute": 0, "second": 0}
    given = {"customer": await subscriber(shop), "items": [{"price": (await shop.plan())["id"]}]}
    await shop.post("/v1/subscriptions", given | {"billing_cycle_anchor_config": config})


async def test_an_added_item_needs_a_price(shop: Shop) -> None:
    given: dict[str, Any] = {"customer": await subscriber(shop), "items": [{"price": (await shop.plan())["id"]}]}
    error = await shop.post("/v1/subscriptions", given | {"add_invoice_items": [{"quantity": 2}]}, status=400)
    assert (error["code"], error["param"]) == ("parameter_missing", "add_invoice_items[0][price]")
    price = await shop.price(500)
    made = await shop.post("/v1/subscriptions", given | {"add_invoice_items": [{"price": price["id"], "quantity": 2}]})
    invoice = await shop.get(f"/v1/invoices/{made['latest_invoice']}")
    assert invoice["total"] == 900 + 2 * 500


async def test_a_session_hands_its_terms_on_to_the_subscription(shop: Shop) -> None:
    settings = {
        "description": "Thank you",
        "footer": "VAT included",
        "custom_fields": [{"name": "Order", "value": "7"}],
        "issuer": {"type": "self"},
    }
    data = {"invoice_settings": settings, "billing_mode": {"type": "classic"}}
    session = await shop.session(await shop.plan(), subscription_data=data)
    assert (await shop.pay(session)).status_code == 303
    subscription = (await shop.read(session, "subscription"))["subscription"]
    assert subscription["billing_mode"]["type"] == "classic"
    assert subscription["invoice_settings"] == {"account_tax_ids": None} | settings
    invoice = await shop.get(f"/v1/invoices/{subscription['latest_invoice']}")
    assert (invoice["description"], invoice["footer"]) == ("Thank you", "VAT included")
    assert invoice["custom_fields"] == settings["custom_fields"]


async def test_invoices_are_issued_by_the_account_alone(shop: Shop) -> None:
    data = {"invoice_settings": {"issuer": {"type": "account", "account": "acct_1"}}}
    error = await shop.session(await shop.plan(), subscription_data=data, status=400)
    assert error["param"] == "subscription_data[invoice_settings][issuer]"


async def test_a_session_names_no_configuration_of_payment_methods(shop: Shop) -> None:
    error = await shop.session(await shop.price(), payment_method_configuration="pmc_123", status=400)
    assert (error["code"], error["param"]) == ("resource_missing", "payment_method_configuration")
