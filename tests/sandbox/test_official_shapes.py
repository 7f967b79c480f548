"""The objects of a sandbox in use have the fields of Stripe's own samples."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of
from tests.support.testdata import require_testdata
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.api.rendering import conceal

SAMPLES: dict[str, dict[str, Any]] = json.loads(
    require_testdata("stripe", "official-fixtures3.json").read_text(encoding="utf-8")
)["resources"]
CARD = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
# Fields of the samples that our objects lack, and why.
EXCEPTIONS = {
    "charge": {"refunds": "part of a charge only when it is asked for, since 2022-11-15"},
    "invoice": {"subscription": "left the object with basil, and is of no version that the samples otherwise show"},
}
KINDS = [
    "balance_transaction", "billing_portal.configuration", "billing_portal.session", "charge", "checkout.session",
    "coupon", "customer", "discount", "dispute", "entitlements.active_entitlement", "entitlements.feature", "event",
    "invoice", "invoice_payment", "invoiceitem", "item", "line_item", "payment_intent", "payment_method", "price",
    "product", "product_feature", "promotion_code", "refund", "setup_intent", "subscription", "subscription_item",
    "tax_id", "test_helpers.test_clock", "webhook_endpoint",
]  # fmt: skip


async def use(api: httpx.AsyncClient) -> list[Any]:
    """Sell, take back and set up a little of everything; return what the replies showed and the store may not have."""
    product = await ask(api, "POST", "/v1/products", {"name": "Pro"})
    feature = await ask(api, "POST", "/v1/entitlements/features", {"lookup_key": "seats", "name": "Seats"})
    await ask(api, "POST", f"/v1/products/{product['id']}/features", {"entitlement_feature": feature["id"]})
    terms = {"product": product["id"], "currency": "usd", "unit_amount": 1000}
    once = await ask(api, "POST", "/v1/prices", terms)
    monthly = await ask(api, "POST", "/v1/prices", {**terms, "recurring": {"interval": "month"}})
    coupon = await ask(api, "POST", "/v1/coupons", {"percent_off": 10, "duration": "forever"})
    promotion = {"type": "coupon", "coupon": coupon["id"]}
    await ask(api, "POST", "/v1/promotion_codes", {"promotion": promotion})
    customer = await ask(api, "POST", "/v1/customers", CARD)
    path = f"/v1/customers/{customer['id']}"
    await ask(api, "POST", path + "/tax_ids", {"type": "eu_vat", "value": "DE123456789"})
    await ask(api, "POST", "/v1/invoiceitems", {"customer": customer["id"], "amount": 500, "currency": "usd"})
    form = {"customer": customer["id"], "items": [{"price": monthly["id"]}], "discounts": [{"coupon": coupon["id"]}]}
    subscription = await ask(api, "POST", "/v1/subscriptions", form)
    invoice = await ask(api, "GET", f"/v1/invoices/{subscription['latest_invoice']}")
    pay = {"amount": 1000, "currency": "usd", "confirm": "true", "return_url": "https://shop.test"}
    intent = await ask(api, "POST", "/v1/payment_intents", {**pay, "payment_method": "pm_card_createDispute"})
    other = await ask(api, "POST", "/v1/payment_intents", {**pay, "payment_method": "pm_card_visa"})
    refund = await ask(api, "POST", "/v1/refunds", {"payment_intent": other["id"]})
    await ask(api, "POST", "/v1/setup_intents", {"customer": customer["id"]})
    line = {"price": once["id"], "quantity": 1}
    form = {"mode": "payment", "line_items": [line], "success_url": "https://shop.test/ok", "expand": ["line_items"]}
    session = await ask(api, "POST", "/v1/checkout/sessions", form)
    portal = await ask(api, "POST", "/v1/billing_portal/sessions", {"customer": customer["id"]})
    await ask(api, "POST", "/v1/test_helpers/test_clocks", {"frozen_time": 1_800_000_000})
    endpoint = {"url": "https://shop.test/hook", "enabled_events": ["price.deleted"]}
    await ask(api, "POST", "/v1/webhook_endpoints", endpoint)
    return [
        portal,
        intent,
        refund,
        *session["line_items"]["data"],
        *invoice["lines"]["data"],
        *subscription["items"]["data"],
    ]


@pytest.fixture
async def made(sandbox: Sandbox, api: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    """One object of each kind, as a reply shows it."""
    shown = {each["object"]: each for each in await use(api)}
    for kind in KINDS:
        for obj in sandbox.world.every(kind)[:1]:
            shown[kind] = conceal(obj)
    (summary,) = events_of(sandbox, "entitlements.active_entitlement_summary.updated")
    shown["entitlements.active_entitlement_summary"] = conceal(summary["data"]["object"])
    return shown


async def test_our_objects_have_the_fields_of_the_samples(made: dict[str, dict[str, Any]]) -> None:
    departures: dict[str, list[str]] = {}
    for kind in (*KINDS, "entitlements.active_entitlement_summary"):
        lacking = sorted(SAMPLES[kind].keys() - made.get(kind, {}).keys() - EXCEPTIONS.get(kind, {}).keys())
        if lacking:
            departures[kind] = lacking
    assert departures == {}


async def test_every_exception_is_still_one(made: dict[str, dict[str, Any]]) -> None:
    for kind, fields in EXCEPTIONS.items():
        assert fields.keys() <= SAMPLES[kind].keys() - made[kind].keys(), kind


async def test_what_is_deleted_has_the_shape_of_the_samples(api: httpx.AsyncClient) -> None:
    """Of all kinds that the catalogue deletes."""
    coupon = await ask(api, "POST", "/v1/coupons", {"percent_off": 10})
    customer = await ask(api, "POST", "/v1/customers", {"coupon": coupon["id"]})
    path = f"/v1/customers/{customer['id']}"
    tax_id = await ask(api, "POST", path + "/tax_ids", {"type": "us_ein", "value": "12-3456789"})
    product = await ask(api, "POST", "/v1/products", {"name": "Pro"})
    feature = await ask(api, "POST", "/v1/entitlements/features", {"lookup_key": "seats", "name": "Seats"})
    attached = await ask(api, "POST", f"/v1/products/{product['id']}/features", {"entitlement_feature": feature["id"]})
    for kind, gone in (
        ("discount", path + "/discount"),
        ("tax_id", f"{path}/tax_ids/{tax_id['id']}"),
        ("coupon", f"/v1/coupons/{coupon['id']}"),
        ("product_feature", f"/v1/products/{product['id']}/features/{attached['id']}"),
        ("product", f"/v1/products/{product['id']}"),
        ("customer", path),
    ):
        assert (await ask(api, "DELETE", gone)).keys() == SAMPLES[f"deleted_{kind}"].keys(), kind
