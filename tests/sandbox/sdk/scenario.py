"""One scenario over every operation, told to the official Python SDK in its synchronous and its asynchronous form."""

from __future__ import annotations

import asyncio
import functools
import secrets
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe

CARD = "pm_card_visa"
WEEK = 7 * 86_400
PAUSE_SECONDS = 2.0  # between two looks for what Stripe itself does a little later


class Sdk:
    """Calls `customers.create` and the like, with `…_async` or in a thread.

    Stripe itself does some things a little later, such as finding what was just made: `patience_seconds` is how long.
    """

    def __init__(self, client: stripe.StripeClient, *, is_async: bool, patience_seconds: float = 0) -> None:
        self.mark = secrets.token_hex(4)  # tells the objects of this run from those of earlier ones
        self._v1 = client.v1
        self._is_async = is_async
        self._patience_seconds = patience_seconds

    async def __call__(self, name: str, /, *arguments: Any, **options: Any) -> Any:
        if options:
            arguments = (*arguments, options)
        if self._is_async:
            return await self._find(name + "_async")(*arguments)
        return await asyncio.to_thread(self._find(name), *arguments)

    async def until(self, holds: Callable[[Any], bool], name: str, /, *arguments: Any, **options: Any) -> Any:
        """The reply for which this holds: the first one, or a later one where patience is needed."""
        deadline = time.monotonic() + self._patience_seconds
        reply = await self(name, *arguments, **options)
        while not holds(reply):
            assert time.monotonic() < deadline, (name, reply)
            await asyncio.sleep(PAUSE_SECONDS)
            reply = await self(name, *arguments, **options)
        return reply

    def _find(self, name: str) -> Any:
        return functools.reduce(getattr, name.split("."), self._v1)

    async def finds(self, name: str, query: str, id: str) -> None:
        """Searching finds exactly this object."""
        await self.until(lambda page: ids(page) == [id], name, query=query)

    async def refused(self, name: str, /, *arguments: Any, **options: Any) -> stripe.StripeError:
        with pytest.raises(stripe.StripeError) as raised:
            await self(name, *arguments, **options)
        return raised.value


def ids(page: Any) -> list[str]:
    return [each.id for each in page.data]


def some(page: Any) -> bool:
    return bool(page.data)


async def play(sdk: Sdk) -> None:
    """Go through everything."""
    await keep_customers(sdk)
    await keep_a_catalogue(sdk)
    await take_cards(sdk)
    await take_payments(sdk)
    await give_money_back(sdk)
    await send_invoices(sdk)
    await subscribe(sdk)
    await sell_by_checkout(sdk)
    await turn_a_test_clock(sdk)
    await tell_of_it(sdk)


async def keep_customers(sdk: Sdk) -> None:
    email = f"alice+{sdk.mark}@example.com"
    alice = await sdk("customers.create", email=email, metadata={"user": sdk.mark})
    assert (await sdk("customers.update", alice.id, name="Alice")).name == "Alice"
    assert (await sdk("customers.retrieve", alice.id, expand=["tax_ids"])).tax_ids.data == []
    assert ids(await sdk("customers.list", email=email)) == [alice.id]
    await sdk.finds("customers.search", f"metadata['user']:'{sdk.mark}'", alice.id)
    number = await sdk("customers.tax_ids.create", alice.id, type="eu_vat", value="DE123456789")
    assert (await sdk("customers.tax_ids.retrieve", alice.id, number.id)).value == "DE123456789"
    assert len((await sdk("customers.tax_ids.list", alice.id)).data) == 1
    assert (await sdk("customers.tax_ids.delete", alice.id, number.id)).deleted
    own = await sdk("tax_ids.create", type="eu_vat", value="FR12345678901")
    assert (await sdk("tax_ids.retrieve", own.id)).id == own.id
    assert own.id in ids(await sdk("tax_ids.list"))
    assert (await sdk("tax_ids.delete", own.id)).deleted
    assert (await sdk("customers.delete", alice.id)).deleted
    assert (await sdk("customers.retrieve", alice.id)).deleted


async def keep_a_catalogue(sdk: Sdk) -> None:
    product = await sdk("products.create", name="Credits", metadata={"kind": sdk.mark})
    assert (await sdk("products.update", product.id, description="A hundred")).description == "A hundred"
    assert (await sdk("products.retrieve", product.id)).name == "Credits"
    assert product.id in ids(await sdk("products.list", active=True))
    await sdk.finds("products.search", f"metadata['kind']:'{sdk.mark}'", product.id)
    price = await sdk("prices.create", product=product.id, currency="usd", unit_amount=1000, lookup_key=sdk.mark)
    assert (await sdk("prices.update", price.id, nickname="Pack")).nickname == "Pack"
    assert (await sdk("prices.retrieve", price.id, expand=["product"])).product.name == "Credits"
    assert ids(await sdk("prices.list", lookup_keys=[sdk.mark])) == [price.id]
    await sdk.finds("prices.search", f"lookup_key:'{sdk.mark}'", price.id)
    feature = await sdk("entitlements.features.create", name="Export", lookup_key=f"export-{sdk.mark}")
    assert (await sdk("entitlements.features.update", feature.id, name="Exports")).name == "Exports"
    assert (await sdk("entitlements.features.retrieve", feature.id)).lookup_key == feature.lookup_key
    assert ids(await sdk("entitlements.features.list")) == [feature.id]
    attached = await sdk("products.features.create", product.id, entitlement_feature=feature.id)
    assert (await sdk("products.features.retrieve", product.id, attached.id)).entitlement_feature.id == feature.id
    assert len((await sdk("products.features.list", product.id)).data) == 1
    assert (await sdk("products.features.delete", product.id, attached.id)).deleted
    coupon = await sdk("coupons.create", percent_off=25, duration="once")
    assert (await sdk("coupons.update", coupon.id, name="Quarter")).name == "Quarter"
    assert (await sdk("coupons.retrieve", coupon.id)).percent_off == 25
    assert coupon.id in ids(await sdk("coupons.list"))
    code = await sdk(
        "promotion_codes.create", promotion={"type": "coupon", "coupon": coupon.id}, code=f"SPRING{sdk.mark}"
    )
    assert not (await sdk("promotion_codes.update", code.id, active=False)).active
    assert (await sdk("promotion_codes.retrieve", code.id)).code == code.code
    assert ids(await sdk("promotion_codes.list", code=f"SPRING{sdk.mark}")) == [code.id]
    assert (await sdk("coupons.delete", coupon.id)).deleted
    unused = await sdk("products.create", name="Nothing")
    assert (await sdk("products.delete", unused.id)).deleted
    assert (await sdk.refused("products.delete", product.id)).http_status == 400


async def take_cards(sdk: Sdk) -> None:
    bob = await sdk("customers.create", email="bob@example.com")
    card = await sdk("payment_methods.create", type="card", card={"token": "tok_visa"})
    assert (await sdk("payment_methods.attach", card.id, customer=bob.id)).customer == bob.id
    assert (await sdk("payment_methods.retrieve", card.id)).card.last4 == "4242"
    renamed = await sdk("payment_methods.update", card.id, billing_details={"name": "Bob"})
    assert renamed.billing_details.name == "Bob"
    assert ids(await sdk("payment_methods.list", customer=bob.id, type="card")) == [card.id]
    assert ids(await sdk("customers.payment_methods.list", bob.id)) == [card.id]
    assert (await sdk("customers.payment_methods.retrieve", bob.id, card.id)).id == card.id
    intent = await sdk("setup_intents.create", customer=bob.id)
    assert (await sdk("setup_intents.update", intent.id, metadata={"a": "b"})).metadata["a"] == "b"
    done = await sdk("setup_intents.confirm", intent.id, payment_method=CARD, return_url="https://example.com")
    assert done.status == "succeeded"
    assert (await sdk("setup_intents.retrieve", intent.id)).status == "succeeded"
    other = await sdk("setup_intents.create", customer=bob.id)
    assert (await sdk("setup_intents.cancel", other.id)).status == "canceled"
    assert len((await sdk("setup_intents.list", customer=bob.id)).data) == 2
    assert (await sdk("payment_methods.detach", card.id)).customer is None


async def take_payments(sdk: Sdk) -> None:
    intent = await sdk("payment_intents.create", amount=2000, currency="usd", metadata={"order": sdk.mark})
    assert (await sdk("payment_intents.update", intent.id, amount=2500)).amount == 2500
    options = {"payment_method": CARD, "return_url": "https://example.com"}
    assert (await sdk("payment_intents.confirm", intent.id, options)).status == "succeeded"
    assert (await sdk("payment_intents.retrieve", intent.id, expand=["latest_charge"])).latest_charge.amount == 2500
    await sdk.finds("payment_intents.search", f"metadata['order']:'{sdk.mark}'", intent.id)
    declined = await sdk.refused(
        "payment_intents.create",
        amount=900,
        currency="usd",
        confirm=True,
        payment_method="pm_card_visa_chargeDeclined",
        return_url="https://example.com",
    )
    assert isinstance(declined, stripe.CardError)
    assert declined.http_status == 402
    assert declined.code == "card_declined"
    held = await sdk(
        "payment_intents.create",
        amount=3000,
        currency="usd",
        capture_method="manual",
        confirm=True,
        payment_method=CARD,
        return_url="https://example.com",
        payment_method_options={"card": {"request_incremental_authorization": "if_available"}},
    )
    assert held.status == "requires_capture"
    assert (await sdk("payment_intents.increment_authorization", held.id, amount=3500)).amount == 3500
    captured = await sdk("payment_intents.capture", held.id, amount_to_capture=1500)
    assert (captured.status, captured.amount_received) == ("succeeded", 1500)
    abandoned = await sdk("payment_intents.create", amount=700, currency="usd")
    assert (await sdk("payment_intents.cancel", abandoned.id)).status == "canceled"
    assert abandoned.id in ids(await sdk("payment_intents.list"))
    charge = await sdk("charges.create", amount=1200, currency="usd", source="tok_visa", capture=False)
    assert (await sdk("charges.capture", charge.id)).captured
    assert (await sdk("charges.update", charge.id, metadata={"way": sdk.mark})).metadata["way"] == sdk.mark
    assert (await sdk("charges.retrieve", charge.id)).paid
    assert charge.id in ids(await sdk("charges.list"))
    await sdk.finds("charges.search", f"metadata['way']:'{sdk.mark}'", charge.id)
    transactions = (await sdk("balance_transactions.list", source=charge.id)).data
    assert [(each.amount, each.net) for each in transactions] == [(1200, 1200 - transactions[0].fee)]
    assert (await sdk("balance_transactions.retrieve", transactions[0].id)).source == charge.id


async def give_money_back(sdk: Sdk) -> None:
    pay = {"currency": "usd", "confirm": True, "return_url": "https://example.com"}
    intent = await sdk("payment_intents.create", {"amount": 5000, "payment_method": CARD, **pay})
    part = await sdk("refunds.create", payment_intent=intent.id, amount=2000)
    assert (part.status, part.amount) == ("succeeded", 2000)
    assert (await sdk("refunds.update", part.id, metadata={"why": "asked"})).metadata["why"] == "asked"
    assert (await sdk("refunds.retrieve", part.id)).id == part.id
    too_much = await sdk.refused("refunds.create", payment_intent=intent.id, amount=3001)
    assert isinstance(too_much, stripe.InvalidRequestError)
    assert len((await sdk("refunds.list", payment_intent=intent.id)).data) == 1
    assert (await sdk.refused("refunds.cancel", part.id)).http_status == 400
    disputed = await sdk("payment_intents.create", {"amount": 6000, "payment_method": "pm_card_createDispute", **pay})
    (dispute,) = (await sdk.until(some, "disputes.list", payment_intent=disputed.id)).data
    assert dispute.status == "needs_response"
    evidence = {"uncategorized_text": "winning_evidence"}
    assert (await sdk("disputes.update", dispute.id, evidence=evidence, submit=True)).status in {"under_review", "won"}
    assert (await sdk("disputes.retrieve", dispute.id)).status in {"under_review", "won"}
    second = await sdk("payment_intents.create", {"amount": 6100, "payment_method": "pm_card_createDispute", **pay})
    (other,) = (await sdk.until(some, "disputes.list", payment_intent=second.id)).data
    assert (await sdk("disputes.close", other.id)).status == "lost"


async def send_invoices(sdk: Sdk) -> None:
    carol = await sdk(
        "customers.create",
        email="carol@example.com",
        payment_method=CARD,
        invoice_settings={"default_payment_method": CARD},
    )
    item = await sdk("invoice_items.create", customer=carol.id, amount=1500, currency="usd")
    assert (await sdk("invoice_items.update", item.id, description="Work")).description == "Work"
    assert (await sdk("invoice_items.retrieve", item.id)).amount == 1500
    assert ids(await sdk("invoice_items.list", customer=carol.id)) == [item.id]
    invoice = await sdk("invoices.create", customer=carol.id, pending_invoice_items_behavior="include")
    assert invoice.amount_due == 1500
    more = await sdk("invoices.add_lines", invoice.id, lines=[{"amount": 500, "description": "More"}])
    assert more.amount_due == 2000
    lines = (await sdk("invoices.line_items.list", invoice.id)).data
    added = next(each for each in lines if each.amount == 500)
    renamed = await sdk("invoices.line_items.update", invoice.id, added.id, description="Much more")
    assert renamed.description == "Much more"
    changed = await sdk("invoices.update_lines", invoice.id, lines=[{"id": added.id, "amount": 700}])
    assert changed.amount_due == 2200
    fewer = await sdk("invoices.remove_lines", invoice.id, lines=[{"id": added.id, "behavior": "delete"}])
    assert fewer.amount_due == 1500
    assert (await sdk("invoices.update", invoice.id, metadata={"n": sdk.mark})).metadata["n"] == sdk.mark
    final = await sdk("invoices.finalize_invoice", invoice.id)
    assert (final.status, bool(final.number)) == ("open", True)
    paid = await sdk("invoices.pay", invoice.id)
    assert (paid.status, paid.amount_remaining) == ("paid", 0)
    (payment,) = (await sdk("invoice_payments.list", invoice=invoice.id)).data
    assert (await sdk("invoice_payments.retrieve", payment.id)).amount_paid == 1500
    assert (await sdk("invoices.retrieve", invoice.id, expand=["payments"])).payments.data[0].id == payment.id
    assert invoice.id in ids(await sdk("invoices.list", customer=carol.id))
    await sdk.finds("invoices.search", f"metadata['n']:'{sdk.mark}'", invoice.id)
    for action, status in (("void_invoice", "void"), ("mark_uncollectible", "uncollectible"), ("send_invoice", "open")):
        other = await open_invoice(sdk, carol.id)
        assert (await sdk(f"invoices.{action}", other.id)).status == status
    other = await open_invoice(sdk, carol.id)
    intent = await sdk("payment_intents.create", amount=900, currency="usd", customer=carol.id)
    await sdk("invoices.attach_payment", other.id, payment_intent=intent.id)
    draft = await sdk("invoices.create", customer=carol.id)
    assert (await sdk("invoices.delete", draft.id)).deleted
    loose = await sdk("invoice_items.create", customer=carol.id, amount=10, currency="usd")
    assert (await sdk("invoice_items.delete", loose.id)).deleted


async def open_invoice(sdk: Sdk, customer: str) -> Any:
    draft = await sdk("invoices.create", customer=customer, collection_method="send_invoice", days_until_due=30)
    await sdk("invoice_items.create", customer=customer, invoice=draft.id, amount=900, currency="usd")
    return await sdk("invoices.finalize_invoice", draft.id)


async def subscribe(sdk: Sdk) -> None:
    dave = await sdk(
        "customers.create",
        email="dave@example.com",
        payment_method=CARD,
        invoice_settings={"default_payment_method": CARD},
    )
    plan = await sdk("products.create", name="Plan")
    feature = await sdk("entitlements.features.create", name="Teams", lookup_key=f"teams-{sdk.mark}")
    await sdk("products.features.create", plan.id, entitlement_feature=feature.id)
    monthly = {"currency": "usd", "recurring": {"interval": "month"}}
    small = await sdk("prices.create", {"product": plan.id, "unit_amount": 1000, **monthly})
    large = await sdk("prices.create", {"product": plan.id, "unit_amount": 3000, **monthly})
    coupon = await sdk("coupons.create", amount_off=100, currency="usd", duration="forever")
    living = await sdk(
        "subscriptions.create",
        customer=dave.id,
        items=[{"price": small.id}],
        discounts=[{"coupon": coupon.id}],
        metadata={"seat": sdk.mark},
        billing_mode={"type": "classic"},
    )
    assert living.status == "active"
    (entitled,) = (await sdk.until(some, "entitlements.active_entitlements.list", customer=dave.id)).data
    assert (await sdk("entitlements.active_entitlements.retrieve", entitled.id)).lookup_key == feature.lookup_key
    expanded = await sdk("subscriptions.retrieve", living.id, expand=["latest_invoice", "items.data.price.product"])
    assert (expanded.latest_invoice.total, expanded.latest_invoice.status) == (900, "paid")
    assert expanded["items"].data[0].price.product.name == "Plan"
    (item,) = (await sdk("subscription_items.list", subscription=living.id)).data
    assert (await sdk("subscription_items.retrieve", item.id)).quantity == 1
    assert (await sdk("subscription_items.update", item.id, quantity=2)).quantity == 2
    preview = await sdk("invoices.create_preview", customer=dave.id, subscription=living.id)
    assert preview.lines.data
    added = await sdk("subscription_items.create", subscription=living.id, price=large.id)
    assert (await sdk("subscription_items.delete", added.id)).deleted
    changed = await sdk("subscriptions.update", living.id, cancel_at_period_end=True)
    assert changed.cancel_at_period_end
    await sdk("subscriptions.delete_discount", living.id)
    assert ids(await sdk("subscriptions.list", customer=dave.id)) == [living.id]
    await sdk.finds("subscriptions.search", f"metadata['seat']:'{sdk.mark}'", living.id)
    await sdk("subscriptions.migrate", living.id, billing_mode={"type": "flexible"})
    assert (await sdk("subscriptions.cancel", living.id)).status == "canceled"
    paused = await sdk(
        "subscriptions.create", customer=dave.id, items=[{"price": small.id}], billing_mode={"type": "flexible"}
    )
    assert (await sdk("subscriptions.pause", paused.id, type="subscription")).status == "paused"
    assert (await sdk("subscriptions.resume", paused.id)).status == "active"
    discounted = await sdk("customers.create", email="erin@example.com")
    assert (await sdk.refused("customers.delete_discount", discounted.id)).http_status == 404


async def sell_by_checkout(sdk: Sdk) -> None:
    price = {"currency": "usd", "unit_amount": 1500, "product_data": {"name": "Pack"}}
    urls = {"success_url": "https://example.com/ok", "cancel_url": "https://example.com/no"}
    session = await sdk(
        "checkout.sessions.create",
        mode="payment",
        client_reference_id="user-1",
        line_items=[{"price_data": price, "quantity": 2}],
        **urls,
    )
    assert (session.amount_total, session.payment_status, bool(session.url)) == (3000, "unpaid", True)
    assert (await sdk("checkout.sessions.update", session.id, metadata={"x": "y"})).metadata["x"] == "y"
    assert (await sdk("checkout.sessions.retrieve", session.id, expand=["line_items"])).line_items.data[0].quantity == 2
    assert (await sdk("checkout.sessions.line_items.list", session.id)).data[0].amount_total == 3000
    assert session.id in ids(await sdk("checkout.sessions.list", status="open"))
    assert (await sdk("checkout.sessions.expire", session.id)).status == "expired"
    customer = await sdk("customers.create", email="frank@example.com")
    setup = await sdk("billing_portal.configurations.create", features={"invoice_history": {"enabled": True}})
    assert (await sdk("billing_portal.configurations.update", setup.id, active=False)).active is False
    assert (await sdk("billing_portal.configurations.retrieve", setup.id)).id == setup.id
    assert setup.id in ids(await sdk("billing_portal.configurations.list"))
    portal = await sdk("billing_portal.sessions.create", customer=customer.id, return_url="https://example.com")
    assert portal.url.startswith("http")


async def turn_a_test_clock(sdk: Sdk) -> None:
    clock = await sdk("test_helpers.test_clocks.create", frozen_time=1_700_000_000)
    grace = await sdk(
        "customers.create",
        email="grace@example.com",
        test_clock=clock.id,
        payment_method=CARD,
        invoice_settings={"default_payment_method": CARD},
    )
    price = {"currency": "usd", "unit_amount": 1000, "recurring": {"interval": "month"}}
    product = await sdk("products.create", name="Clocked")
    plan = await sdk("prices.create", {"product": product.id, **price})
    living = await sdk("subscriptions.create", customer=grace.id, items=[{"price": plan.id}])
    await sdk("test_helpers.test_clocks.advance", clock.id, frozen_time=1_700_000_000 + 5 * WEEK)
    await sdk.until(lambda clock: clock.status == "ready", "test_helpers.test_clocks.retrieve", clock.id)
    assert len((await sdk("invoices.list", subscription=living.id)).data) == 2
    assert clock.id in ids(await sdk("test_helpers.test_clocks.list"))
    assert (await sdk("test_helpers.test_clocks.delete", clock.id)).deleted


async def tell_of_it(sdk: Sdk) -> None:
    endpoint = await sdk("webhook_endpoints.create", url="https://example.com/hook", enabled_events=["invoice.paid"])
    assert endpoint.secret.startswith("whsec_")
    assert (await sdk("webhook_endpoints.update", endpoint.id, disabled=True)).status == "disabled"
    assert "secret" not in await sdk("webhook_endpoints.retrieve", endpoint.id)
    assert endpoint.id in ids(await sdk("webhook_endpoints.list"))
    assert (await sdk("webhook_endpoints.delete", endpoint.id)).deleted
    paid = (await sdk.until(some, "events.list", type="invoice.paid")).data
    assert (await sdk("events.retrieve", paid[0].id)).data.object.object == "invoice"
