"""What each type of event brings about, as Stripe's sandbox and hand-made events tell of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.billing.posting import inbox_of, make_event, posted
from tests.billing.shop import arrived, begun, bought, pay, purchases_of, session_of
from tests.identity.rows import rows_of
from tollhouse.billing.effects import EFFECTS
from tollhouse.billing.setup import EVENT_TYPES
from tollhouse.billing.tables import customers, payments, prices, stripe_entitlements, subscriptions
from tollhouse.events.tables import events
from tollhouse.ledger import accounts
from tollhouse.testing import TestKit
from tollhouse.testing.kit import SignedInClient


async def told(kit: TestKit) -> list[str]:
    rows = [row for row in await rows_of(kit, events) if not row["type"].startswith("user.")]
    return [row["type"] for row in sorted(rows, key=lambda row: row["sequence"])]


async def available(kit: TestKit, alice: SignedInClient) -> int:
    return (await accounts.find(kit.toll.run.db, alice.user_id)).available


async def intent_of(kit: TestKit, session_id: str) -> str:
    return (await session_of(kit, session_id))["payment_intent"]


def test_what_the_endpoint_is_told_of_has_an_effect() -> None:
    assert set(EVENT_TYPES) == set(EFFECTS)


async def test_a_refund_at_stripe_takes_its_share_back(kit: TestKit, alice: SignedInClient) -> None:
    reply = await bought(kit, alice)
    assert await available(kit, alice) == 100
    intent = await intent_of(kit, reply["checkout_session_id"])
    await kit.stripe.control("/refunds", payment_intent=intent, amount=100)
    await arrived(kit)
    assert await available(kit, alice) == 80
    assert [row["reversed_credits"] for row in await rows_of(kit, payments)] == [20]
    assert await told(kit) == ["checkout.completed", "payment.succeeded", "credits.granted", "payment.refunded"]


async def test_a_subscription_is_renewed_and_its_payment_refunded(kit: TestKit, alice: SignedInClient) -> None:
    await bought(kit, alice, "pro-monthly")
    await kit.stripe.advance_and_settle(32 * 86_400)
    await arrived(kit)
    assert len(await rows_of(kit, payments)) == 2
    assert await available(kit, alice) == 100
    assert [row["status"] for row in await rows_of(kit, subscriptions)] == ["active"]
    async with kit.stripe.client() as client:
        (intent, *_) = (await client.get("/v1/payment_intents")).json()["data"]
    await kit.stripe.control("/refunds", payment_intent=intent["id"])
    await arrived(kit)
    assert await available(kit, alice) == 0
    assert {row["status"] for row in await inbox_of(kit)} <= {"processed", "accepted", "ignored"}


async def test_a_declined_card_is_told_and_the_page_stays_open(kit: TestKit, alice: SignedInClient) -> None:
    reply = await begun(alice)
    intent: dict[str, Any] = {
        "id": "pi_1",
        "object": "payment_intent",
        "metadata": {"tollhouse_purchase": reply["purchase_id"]},
        "last_payment_error": {"code": "card_declined"},
    }
    assert await posted(kit, make_event("payment_intent.payment_failed", data={"object": intent})) == "processed"
    assert await told(kit) == ["payment.failed"]
    assert [row["status"] for row in await purchases_of(kit)] == ["open"]
    await pay(kit, reply["checkout_session_id"])
    await arrived(kit)
    assert [row["status"] for row in await purchases_of(kit)] == ["paid"]


@pytest.mark.parametrize(
    "event_type",
    [
        *("customer.subscription.updated", "charge.refunded", "payment_intent.payment_failed", "customer.updated"),
        *("customer.deleted", "entitlements.active_entitlement_summary.updated"),
    ],
)
async def test_what_belongs_to_a_stranger_is_ignored(kit: TestKit, event_type: str) -> None:
    thing = {"id": "obj_1", "object": "thing", "customer": "cus_stranger", "metadata": {}}
    assert await posted(kit, make_event(event_type, data={"object": thing})) == "ignored"


async def test_customers_are_known_and_forgotten(kit: TestKit, alice: SignedInClient) -> None:
    await begun(alice)
    (row,) = await rows_of(kit, customers)
    customer = {"id": row["customer_id"], "object": "customer"}
    assert await posted(kit, make_event("customer.updated", data={"object": customer})) == "processed"
    assert await posted(kit, make_event("customer.deleted", data={"object": customer})) == "processed"
    (row,) = await rows_of(kit, customers)
    assert (row["customer_id"], row["generation"]) == (None, 1)


async def test_stripes_own_features_are_read(kit: TestKit, alice: SignedInClient) -> None:
    await begun(alice)
    (row,) = await rows_of(kit, customers)
    summary = {"object": "entitlements.active_entitlement_summary", "customer": row["customer_id"]}
    name = "entitlements.active_entitlement_summary.updated"
    assert await posted(kit, make_event(name, data={"object": summary})) == "accepted"
    await kit.settle()
    assert await rows_of(kit, stripe_entitlements) == []


async def test_an_invoice_that_is_not_paid_is_told_and_read(kit: TestKit, alice: SignedInClient) -> None:
    await bought(kit, alice, "pro-monthly")
    async with kit.stripe.client() as client:
        (invoice, *_) = (await client.get("/v1/invoices")).json()["data"]
    for name in ("invoice.payment_failed", "invoice.voided"):
        assert await posted(kit, make_event(name, data={"object": invoice})) == "accepted"
        strange = invoice | {"id": "in_x", "customer": "cus_x", "parent": None, "lines": {"data": []}}
        assert await posted(kit, make_event(name, data={"object": strange})) == "ignored"
    assert (await told(kit)).count("payment.failed") == 1


async def test_a_price_that_says_it_is_ours_is_remembered(kit: TestKit) -> None:
    price: dict[str, Any] = {
        "id": "price_new",
        "object": "price",
        "product": "prod_1",
        "active": True,
        "currency": "usd",
        "unit_amount": 500,
        "metadata": {"tollhouse_price": "pack-100"},
    }
    assert await posted(kit, make_event("price.created", data={"object": price})) == "processed"
    assert "price_new" in {row["stripe_price_id"] for row in await rows_of(kit, prices)}
    strange = price | {"id": "price_x", "metadata": {}}
    assert await posted(kit, make_event("price.updated", data={"object": strange})) == "ignored"
    assert await posted(kit, make_event("product.updated", data={"object": {"id": "prod_1"}})) == "processed"
