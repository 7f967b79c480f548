"""What is given back of a period, by the billing mode of the subscription; and which mode a request gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.asking import ask

from .office import VISA, Office, amounts, item

CLOVER = "2025-09-30.clover"
BEFORE_CLOVER = "2025-08-27.basil"
CLASSIC: dict[str, Any] = {"billing_mode": {"type": "classic"}}


async def make(office: Office, amount: int = 3100, **params: Any) -> Any:
    return await office.subscribe(await office.customer(), await office.price(amount), **params)


async def change(office: Office, made: Any, behavior: str = "create_prorations", **params: Any) -> None:
    items = [{"id": item(made), **params}]
    await office.post(f"subscriptions/{made['id']}", items=items, proration_behavior=behavior)


async def waiting(office: Office) -> list[int]:
    """Return what waits for the next invoice, the oldest first."""
    found = (await office.get("invoiceitems", pending=True))["data"]
    return [each["amount"] for each in reversed(found)]


async def cancel(office: Office, made: Any) -> int:
    """Cancel at once, give back what is unused, and return what the customer's balance is then."""
    await office.delete(f"subscriptions/{made['id']}", prorate=True, invoice_now=True)
    return (await office.get(f"customers/{made['customer']}"))["balance"]


async def test_what_was_never_debited_is_not_given_back(office: Office) -> None:
    made = await make(office)
    await change(office, made, "none", price=await office.price(9300))
    office.advance(days=10)
    assert await cancel(office, made) == -2100


async def test_the_classic_mode_gives_back_by_the_price_there_is(office: Office) -> None:
    made = await make(office, **CLASSIC)
    await change(office, made, "none", price=await office.price(9300))
    office.advance(days=10)
    assert await cancel(office, made) == -6300


@pytest.mark.parametrize(("mode", "expected"), [({}, [-2100, 10500]), (CLASSIC, [-6300, 10500])])
async def test_a_change_after_a_free_one_gives_back_what_was_paid(
    office: Office, mode: dict[str, Any], expected: list[int]
) -> None:
    made = await make(office, **mode)
    office.advance(days=10)
    await change(office, made, "none", quantity=3)
    await change(office, made, quantity=5)
    assert await waiting(office) == expected


async def test_every_debit_is_given_back_once(office: Office) -> None:
    made = await make(office)
    office.advance(days=1)
    await change(office, made, quantity=3)
    office.advance(days=10)
    await change(office, made, "always_invoice", quantity=2)
    invoice = (await office.subscription(made["id"]))["latest_invoice"]
    assert amounts(invoice) == [-3000, 9000, -6000, 4000]
    assert [each["quantity"] for each in invoice["lines"]["data"]] == [1, 3, 3, 2]
    office.advance(days=10)
    assert await cancel(office, made) == -2000


async def test_a_proration_that_was_invoiced_names_the_line_it_gives_back(office: Office) -> None:
    made = await make(office)
    office.advance(days=1)
    await change(office, made, "always_invoice", quantity=2)
    paid = (await office.subscription(made["id"]))["latest_invoice"]
    debit = paid["lines"]["data"][1]
    await change(office, made, "always_invoice", quantity=3)
    credit = (await office.subscription(made["id"]))["latest_invoice"]["lines"]["data"][0]
    details = credit["parent"]["subscription_item_details"]["proration_details"]["credited_items"]
    assert (credit["amount"], details) == (-6000, {"invoice": paid["id"], "invoice_line_items": [debit["id"]]})


async def test_what_a_voided_invoice_debited_is_not_given_back(office: Office) -> None:
    made = await make(office)
    office.advance(days=1)
    unpaid: dict[str, Any] = {"proration_behavior": "always_invoice", "payment_behavior": "default_incomplete"}
    await office.post(f"subscriptions/{made['id']}", items=[{"id": item(made), "quantity": 2}], **unpaid)
    invoice = (await office.subscription(made["id"]))["latest_invoice"]
    assert amounts(invoice) == [-3000, 6000]
    await office.post(f"invoices/{invoice['id']}/void")
    await change(office, made, quantity=3)
    assert await waiting(office) == [-3000, 9000]


async def test_a_renewal_that_is_a_draft_still_is_given_back_too(office: Office) -> None:
    made = await make(office, 2800)
    office.advance(days=31)
    await change(office, made, "none", price=await office.price(9900))
    await change(office, made, price=await office.price(5600))
    assert await waiting(office) == [-2800, 5600]


async def test_a_mode_that_changes_gives_nothing_back_twice(office: Office) -> None:
    made = await make(office, **CLASSIC)
    await change(office, made, quantity=2)
    await change(office, made, quantity=3)
    await office.post(f"subscriptions/{made['id']}/migrate", billing_mode={"type": "flexible"})
    await change(office, made, quantity=4)
    assert await waiting(office) == [-3100, 6200, -6200, 9300, -9300, 12400]


@pytest.mark.parametrize(
    ("version", "mode"),
    [(None, "flexible"), (CLOVER, "flexible"), (BEFORE_CLOVER, "classic"), ("2020-08-27", "classic")],
)
async def test_the_version_of_a_request_decides_the_mode(office: Office, version: str | None, mode: str) -> None:
    customer, price = await office.customer(), await office.price()
    params: dict[str, Any] = {"customer": customer, "items": [{"price": price}]}
    made = await ask(office.api, "POST", "/v1/subscriptions", params, version=version)
    assert made["billing_mode"]["type"] == mode
    asked = {"type": "classic" if mode == "flexible" else "flexible"}
    made = await ask(office.api, "POST", "/v1/subscriptions", params | {"billing_mode": asked}, version=version)
    assert made["billing_mode"]["type"] == asked["type"]


@pytest.mark.parametrize(("version", "mode"), [(CLOVER, "flexible"), (BEFORE_CLOVER, "classic")])
async def test_the_version_that_a_session_was_made_in_decides_the_mode(office: Office, version: str, mode: str) -> None:
    params: dict[str, Any] = {
        "mode": "subscription",
        "customer": await office.customer(VISA),
        "line_items": [{"price": await office.price(), "quantity": 1}],
        "success_url": "https://app.example.com/",
    }
    session = await ask(office.api, "POST", "/v1/checkout/sessions", params, version=version)
    await office.get("customers")  # a request of another version comes between
    await office.api.post(f"/control/checkout/sessions/{session['id']}/pay", json={})
    made = (await office.get("subscriptions"))["data"][0]
    assert made["billing_mode"]["type"] == mode
