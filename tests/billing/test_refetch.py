"""What a refresh reads at Stripe, kind by kind, against the sandbox."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.billing.test_refresh import want
from tests.identity.rows import rows_of
from tollhouse.billing import customers, refetch, refresh
from tollhouse.billing.tables import stripe_entitlements
from tollhouse.testing import TestKit


class Stripe:
    """The sandbox's API, as somebody uses it who knows nothing of us."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def post(self, path: str, **fields: Any) -> dict[str, Any]:
        reply = await self.client.post("/v1" + path, data=fields)
        assert reply.is_success, reply.text
        return reply.json()

    async def get(self, path: str) -> dict[str, Any]:
        return (await self.client.get("/v1" + path)).raise_for_status().json()

    async def make_price(self, name: str = "Plan") -> dict[str, Any]:
        recurring = {"recurring[interval]": "month", "product_data[name]": name}
        return await self.post("/prices", currency="usd", unit_amount=900, **recurring)

    async def subscribe(self, customer_id: str, *price_ids: str, **fields: Any) -> dict[str, Any]:
        method = await self.post("/payment_methods/pm_card_visa/attach", customer=customer_id)
        items = {f"items[{place}][price]": price_id for place, price_id in enumerate(price_ids)}
        payer = {"customer": customer_id, "default_payment_method": method["id"]}
        return await self.post("/subscriptions", **payer, **items, **fields)


@pytest.fixture
async def stripe(kit: TestKit) -> Any:
    async with kit.stripe.client() as client:
        yield Stripe(client)


async def reread(kit: TestKit, kind: str, object_id: str) -> list[dict[str, Any]]:
    """Read an object, and return with what the writes of it would be called."""
    writes = await refetch.READINGS[kind](kit.toll.till, object_id)
    return [{"name": write.func.__name__, **write.keywords} for write in writes]  # type: ignore[attr-defined]


async def test_all_features_of_a_customer_are_read_however_many(kit: TestKit, stripe: Stripe) -> None:
    alice = await kit.sign_in("alice@example.com")
    customer_id = await customers.ensure(kit.toll.till, alice.user_id, email=None)
    price = await stripe.make_price()
    for number in range(12):
        feature = await stripe.post("/entitlements/features", name=f"F{number}", lookup_key=f"feature-{number}")
        await stripe.post(f"/products/{price['product']}/features", entitlement_feature=feature["id"])
    await stripe.subscribe(customer_id, price["id"])
    await want(kit, customer_id, refresh.CUSTOMER)
    refresh.wake(kit.toll.run)
    await kit.stripe.settle()
    await kit.settle()
    rows = await rows_of(kit, stripe_entitlements)
    assert {row["feature"] for row in rows} == {f"feature-{number}" for number in range(12)}
    assert {row["user_id"] for row in rows} == {alice.user_id}


async def test_a_subscription_of_an_erased_user_is_ended_at_stripe(kit: TestKit, stripe: Stripe) -> None:
    customer = await stripe.post("/customers")
    price = await stripe.make_price()
    ours = {"metadata[tollhouse_purchase]": "pur_1", "metadata[tollhouse_user]": "usr_erased"}
    gone = await stripe.subscribe(customer["id"], price["id"], **ours)
    foreign = await stripe.subscribe(customer["id"], price["id"])
    for subscription in (gone, foreign):
        await want(kit, subscription["id"])
    refresh.wake(kit.toll.run)
    await kit.settle()
    assert (await stripe.get(f"/subscriptions/{gone['id']}"))["status"] == "canceled"
    assert (await stripe.get(f"/subscriptions/{foreign['id']}"))["status"] == "active"


async def test_an_invoice_is_read_with_all_of_its_lines_and_what_paid_it(kit: TestKit, stripe: Stripe) -> None:
    customer = await stripe.post("/customers")
    prices = [await stripe.make_price(f"Plan {number}") for number in range(12)]
    subscription = await stripe.subscribe(customer["id"], *(price["id"] for price in prices))
    (settle,) = await reread(kit, refresh.INVOICE, subscription["latest_invoice"])
    facts = settle["facts"]
    assert {line.stripe_price_id for line in facts.lines} == {price["id"] for price in prices}
    assert (facts.has_more_lines, facts.status, facts.subscription_id) == (False, "paid", subscription["id"])
    assert facts.payment_intent_id.startswith("pi_")
    (write,) = await reread(kit, refresh.SUBSCRIPTION, subscription["id"])
    assert write["facts"].latest_invoice.payment_intent_id == facts.payment_intent_id


async def test_a_refund_leads_to_the_invoice_that_it_is_about(kit: TestKit, stripe: Stripe) -> None:
    customer = await stripe.post("/customers")
    price = await stripe.make_price()
    subscription = await stripe.subscribe(customer["id"], price["id"])
    (settle,) = await reread(kit, refresh.INVOICE, subscription["latest_invoice"])
    paid_by = settle["facts"].payment_intent_id
    refunds = [await stripe.post("/refunds", payment_intent=paid_by, amount=100) for _ in range(2)]
    attach = {"name": "attach", "payment_intent_id": paid_by, "invoice_id": subscription["latest_invoice"]}
    for kind, object_id, noted in (
        (refresh.PAYMENT_INTENT, paid_by, {refund["id"] for refund in refunds}),
        (refresh.REFUND, refunds[0]["id"], {refunds[0]["id"]}),
    ):
        *notes, last = await reread(kit, kind, object_id)
        assert {note["facts"].id for note in notes} == noted
        assert last | attach == last
    notes = await reread(kit, refresh.CHARGE, refunds[0]["charge"])
    assert {note["facts"].id for note in notes} == {refund["id"] for refund in refunds}
    assert {note["name"] for note in notes} == {"note"}


async def test_a_dispute_is_read_as_far_as_it_has_come(kit: TestKit, stripe: Stripe) -> None:
    method = {"payment_method": "pm_card_createDispute", "confirm": "true"}
    never = {"automatic_payment_methods[enabled]": "true", "automatic_payment_methods[allow_redirects]": "never"}
    intent = await stripe.post("/payment_intents", amount=900, currency="usd", **method, **never)
    await kit.stripe.settle()
    (note,) = await reread(kit, refresh.PAYMENT_INTENT, intent["id"])
    assert (note["facts"].kind, note["facts"].stage) == ("dispute", 1)
    (again,) = await reread(kit, refresh.DISPUTE, note["facts"].id)
    assert again["facts"] == note["facts"]
