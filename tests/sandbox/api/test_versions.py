"""Objects and events as earlier API versions showed them."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.asking import ask, events_of
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.api.versions import CHANGES, downgrade, downgrade_event
from tollhouse.sandbox.state.world import HIDDEN

NEWEST, DAHLIA, CLOVER, BASIL = "2026-10-28.endive", "2026-03-25.dahlia", "2025-09-30.clover", "2025-03-31.basil"
ACACIA, OLD, OLDER = "2025-02-24.acacia", "2022-11-15", "2022-08-01"
VERSIONS = (NEWEST, DAHLIA, CLOVER, BASIL, ACACIA, OLD, OLDER)


@pytest.fixture
async def sold(sandbox: Sandbox, api: httpx.AsyncClient) -> dict[str, str]:
    """A subscription with a discount, its paid invoice, and a refund: what they are called."""
    await ask(api, "POST", "/v1/coupons", {"id": "ten", "percent_off": 10, "duration": "forever"})
    form = {"payment_method": "pm_card_visa", "invoice_settings": {"default_payment_method": "pm_card_visa"}}
    customer = await ask(api, "POST", "/v1/customers", form)
    price = await ask(
        api,
        "POST",
        "/v1/prices",
        {"product_data": {"name": "Pro"}, "currency": "usd", "unit_amount": 1000, "recurring": {"interval": "month"}},
    )
    subscription = await ask(
        api,
        "POST",
        "/v1/subscriptions",
        {"customer": customer["id"], "items": [{"price": price["id"]}], "discounts": [{"coupon": "ten"}]},
    )
    (intent,) = sandbox.world.every("payment_intent")
    await ask(api, "POST", "/v1/refunds", {"payment_intent": intent["id"], "amount": 100})
    return {
        "customer": customer["id"],
        "price": price["id"],
        "subscription": subscription["id"],
        "invoice": subscription["latest_invoice"],
        "payment_intent": intent["id"],
        "charge": intent["latest_charge"],
    }


@pytest.mark.parametrize(("version", "is_lifted"), [(NEWEST, False), (BASIL, False), (ACACIA, True), (OLDER, True)])
async def test_the_period_and_the_discount_were_the_subscriptions_own_before_basil(
    api: httpx.AsyncClient, sold: dict[str, str], version: str, *, is_lifted: bool
) -> None:
    shown = await ask(api, "GET", f"/v1/subscriptions/{sold['subscription']}", version=version)
    (item,) = shown["items"]["data"]
    for name in ("current_period_start", "current_period_end"):
        assert (name in shown, name in item) == (is_lifted, not is_lifted)
    assert ("discount" in shown) == is_lifted
    if is_lifted:
        assert shown["current_period_end"] > shown["current_period_start"]
        assert shown["discount"]["coupon"]["percent_off"] == 10


async def test_an_invoice_named_its_subscription_and_payment_before_basil(
    api: httpx.AsyncClient, sold: dict[str, str]
) -> None:
    path = f"/v1/invoices/{sold['invoice']}"
    shown = await ask(api, "GET", path, {"expand": ["payment_intent", "charge"]}, version=ACACIA)
    assert shown["payment_intent"]["id"] == sold["payment_intent"]
    assert shown["charge"]["invoice"] == shown["payment_intent"]["invoice"] == sold["invoice"]
    assert (shown["subscription"], shown["paid"], shown["paid_out_of_band"]) == (sold["subscription"], True, False)
    assert (shown["tax"], shown["total_tax_amounts"]) == (None, [])
    assert {"parent", "total_taxes"}.isdisjoint(shown)
    (line,) = shown["lines"]["data"]
    assert (line["type"], line["subscription"], line["proration"]) == ("subscription", sold["subscription"], False)
    assert (line["price"]["id"], line["plan"]["id"], line["plan"]["interval"]) == (
        sold["price"],
        sold["price"],
        "month",
    )
    assert (line["tax_amounts"], line["tax_rates"]) == ([], [])
    assert {"parent", "pricing", "taxes"}.isdisjoint(line)
    newer = await ask(api, "GET", path, version=BASIL)
    assert {"subscription", "paid", "payment_intent", "charge", "tax"}.isdisjoint(newer)
    assert newer["parent"]["subscription_details"]["subscription"] == sold["subscription"]
    await ask(api, "GET", path, {"expand": ["payment_intent"]}, version=BASIL, status=400)


async def test_an_invoice_item_had_its_price_before_basil(api: httpx.AsyncClient, sold: dict[str, str]) -> None:
    form = {"customer": sold["customer"], "amount": 500, "currency": "usd", "description": "Setup"}
    item = await ask(api, "POST", "/v1/invoiceitems", form)
    shown = await ask(api, "GET", f"/v1/invoiceitems/{item['id']}", version=ACACIA)
    assert {"pricing", "parent"}.isdisjoint(shown)
    assert (shown["subscription"], shown["plan"]) == (None, None)
    assert {"price", "unit_amount", "unit_amount_decimal"} <= set(shown)


@pytest.mark.parametrize(("version", "is_embedded"), [(NEWEST, False), (OLD, False), (OLDER, True)])
async def test_charges_and_refunds_were_embedded_until_2022(
    api: httpx.AsyncClient, sold: dict[str, str], version: str, *, is_embedded: bool
) -> None:
    intent = await ask(api, "GET", f"/v1/payment_intents/{sold['payment_intent']}", version=version)
    charge = await ask(api, "GET", f"/v1/charges/{sold['charge']}", version=version)
    assert ("charges" in intent, "latest_charge" in intent) == (is_embedded, not is_embedded)
    assert ("refunds" in charge) == is_embedded
    if is_embedded:
        assert intent["charges"]["data"] == [charge]
        assert [each["amount"] for each in charge["refunds"]["data"]] == [100]


@pytest.mark.parametrize(("version", "is_newer"), [(NEWEST, True), (CLOVER, True), (BASIL, False), (OLDER, False)])
async def test_discounts_and_codes_had_the_whole_coupon_before_clover(
    api: httpx.AsyncClient, version: str, *, is_newer: bool
) -> None:
    await ask(api, "POST", "/v1/coupons", {"id": "c", "percent_off": 5})
    code = await ask(api, "POST", "/v1/promotion_codes", {"promotion": {"type": "coupon", "coupon": "c"}})
    customer = await ask(api, "POST", "/v1/customers", {"coupon": "c"})
    discount = (await ask(api, "GET", f"/v1/customers/{customer['id']}", version=version))["discount"]
    code = await ask(api, "GET", f"/v1/promotion_codes/{code['id']}", version=version)
    assert ("source" in discount, "coupon" in discount) == (is_newer, not is_newer)
    assert ("promotion" in code, "coupon" in code) == (is_newer, not is_newer)
    if not is_newer:
        assert discount["coupon"]["percent_off"] == code["coupon"]["percent_off"] == 5


async def test_a_discount_keeps_its_coupon_after_that_is_deleted(api: httpx.AsyncClient) -> None:
    await ask(api, "POST", "/v1/coupons", {"id": "c", "percent_off": 5})
    customer = await ask(api, "POST", "/v1/customers", {"coupon": "c"})
    await ask(api, "DELETE", "/v1/coupons/c")
    shown = await ask(api, "GET", f"/v1/customers/{customer['id']}", version=BASIL)
    assert shown["discount"]["coupon"]["percent_off"] == 5


@pytest.mark.parametrize(
    ("version", "mode"),
    [(NEWEST, "hosted_page"), (DAHLIA, "hosted_page"), (CLOVER, "hosted"), ("2026-02-25.clover", "hosted")],
)
async def test_a_page_was_called_hosted_before_dahlia(sandbox: Sandbox, version: str, mode: str) -> None:
    session = sandbox.world.new("checkout.session", ui_mode="hosted_page", collected_information={"a": 1})
    shown = downgrade(session, version, sandbox.world)
    assert shown["ui_mode"] == mode
    assert ("allowed_payment_method_types" in shown) == (version == NEWEST)
    assert "payment_method_types" in shown


async def test_shipping_was_the_sessions_own_before_basil(sandbox: Sandbox) -> None:
    shipping = {"address": {}, "name": "A"}
    session = sandbox.world.new("checkout.session", collected_information={"shipping_details": shipping})
    assert "shipping_details" not in downgrade(session, BASIL, sandbox.world)
    shown = downgrade(session, ACACIA, sandbox.world)
    assert (shown["shipping_details"], "collected_information" in shown) == (shipping, False)


async def test_a_product_had_features_before_2024(api: httpx.AsyncClient) -> None:
    form = {"name": "A", "marketing_features": [{"name": "Fast"}]}
    product = await ask(api, "POST", "/v1/products", form)
    old = await ask(api, "GET", f"/v1/products/{product['id']}", version="2023-10-16")
    assert (old["features"], "marketing_features" in old) == ([{"name": "Fast"}], False)


async def test_an_endpoint_gets_events_in_its_own_version(
    sandbox: Sandbox, api: httpx.AsyncClient, sold: dict[str, str]
) -> None:
    event = events_of(sandbox, "invoice.paid")[-1]
    old = downgrade_event(event, ACACIA, sandbox.world)
    assert (old["api_version"], old["data"]["object"]["paid"]) == (ACACIA, True)
    new = downgrade_event(event, NEWEST, sandbox.world)
    assert (new["api_version"], "paid" in new["data"]["object"]) == (NEWEST, False)
    assert event["data"]["object"].get("paid") is None, "the event itself stays as it was"
    listed = await ask(api, "GET", f"/v1/events/{event['id']}", version=ACACIA)
    assert (listed["api_version"], "paid" in listed["data"]["object"]) == (NEWEST, False)


async def test_what_an_object_was_before_is_told_in_the_endpoints_version(sandbox: Sandbox) -> None:
    world = sandbox.world
    invoice = world.save(world.new("invoice", status="open", customer="cus_1"))
    world.change(invoice, {"status": "paid"}, "invoice.updated")
    item = world.new("subscription_item", current_period_start=1, current_period_end=2)
    subscription = world.new("subscription") | {"items": {"object": "list", "data": [item]}}
    world.save(subscription)
    later = {"object": "list", "data": [item | {"current_period_end": 3}]}
    world.change(subscription, {"items": later}, "customer.subscription.updated")
    told = [
        downgrade_event(each, ACACIA, world)["data"]["previous_attributes"]
        for each in events_of(sandbox, "invoice.updated", "customer.subscription.updated")
    ]
    assert told[0] == {"status": "open", "paid": False}
    assert (told[1]["current_period_start"], told[1]["current_period_end"]) == (1, 2)
    assert "current_period_end" not in told[1]["items"]["data"][0]


async def test_nothing_is_changed_twice_and_nothing_kept(
    sandbox: Sandbox, api: httpx.AsyncClient, sold: dict[str, str]
) -> None:
    kinds = {each.kind for each in CHANGES}
    for kind in sorted(kinds):
        for obj in sandbox.world.every(kind):
            for version in VERSIONS:
                before = repr(obj)
                once = downgrade(obj, version, sandbox.world)
                assert repr(obj) == before
                assert downgrade(once, version, sandbox.world) == once
                assert once.get(HIDDEN) == obj.get(HIDDEN), "what is hidden is left to whoever shows the object"


@pytest.mark.parametrize("version", ["2022-11-16", "2023-01-01.unheard_of", "2026-09-30.dahlia"])
async def test_an_unknown_version_is_placed_by_its_date(api: httpx.AsyncClient, version: str) -> None:
    shown = await ask(api, "POST", "/v1/products", {"name": "A"}, version=version)
    assert ("features" in shown) == (version < "2024-04-10")


@pytest.mark.parametrize("version", ["latest", "2022", "2022-11-15.BASIL", "2022-11-15\t"])
async def test_what_is_no_version_is_refused(api: httpx.AsyncClient, version: str) -> None:
    error = await ask(api, "GET", "/v1/products", status=400, version=version)
    assert error["message"].startswith("Invalid Stripe API version")
