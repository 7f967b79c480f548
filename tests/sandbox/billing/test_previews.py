"""Invoices to come, asked for before they do."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import START

from .office import DAY, FAILING, Office, amounts, item


async def preview(office: Office, *, reply: int = 200, **params: Any) -> Any:
    return await office.post("invoices/create_preview", params, reply=reply)


async def test_the_next_renewal_is_told_and_nothing_happens(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(1500))
    office.news()
    told = await preview(office, subscription=made["id"])
    assert told["id"].startswith("upcoming_in_")
    assert (told["status"], told["amount_due"], told["number"], told["created"]) == (
        "draft",
        1500,
        None,
        START + 31 * DAY,
    )
    assert told["lines"]["data"][0]["period"] == {"start": START + 31 * DAY, "end": START + 59 * DAY}
    assert office.news() == []
    assert (await office.subscription(made["id"]))["latest_invoice"]["id"] == made["latest_invoice"]
    assert len(await office.invoices(customer)) == 1
    assert (await preview(office, customer=customer))["amount_due"] == 1500


async def test_a_preview_of_a_change_tells_what_the_change_then_does(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(3100))
    office.advance(days=1)
    items = [{"id": item(made), "quantity": 2}]
    now = await preview(
        office, subscription=made["id"], subscription_details={"items": items, "proration_behavior": "always_invoice"}
    )
    assert amounts(now) == [-3000, 6000]
    later = await preview(office, subscription=made["id"], subscription_details={"items": items})
    assert amounts(later) == [-3000, 6000, 6200]
    steady = await preview(
        office, subscription=made["id"], subscription_details={"items": items}, preview_mode="recurring"
    )
    assert amounts(steady) == [6200]
    assert (await office.get("invoiceitems", pending=True))["data"] == []
    done = await office.post(
        f"subscriptions/{made['id']}", items=items, proration_behavior="always_invoice", expand=["latest_invoice"]
    )
    assert amounts(done["latest_invoice"]) == amounts(now)


async def test_a_subscription_to_come_is_told(office: Office) -> None:
    price = await office.price(900)
    told = await preview(office, subscription_details={"items": [{"price": price, "quantity": 2}]})
    assert (told["amount_due"], told["status"], told["number"]) == (1800, "draft", None)
    customer = await office.customer(FAILING)
    coupon = await office.post("coupons", percent_off=50, duration="once")
    told = await preview(
        office,
        customer=customer,
        subscription_details={"items": [{"price": price}]},
        discounts=[{"coupon": coupon["id"]}],
        invoice_items=[{"amount": 100, "description": "Setup", "currency": "usd"}],
    )
    assert (sorted(amounts(told)), told["total"]) == ([100, 900], 500)
    assert (await office.get("subscriptions", status="all"))["data"] == []
    assert (await office.get(f"coupons/{coupon['id']}"))["times_redeemed"] == 0


async def test_an_end_is_told_by_what_it_gives_back(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(3100))
    office.advance(days=1)
    told = await preview(office, subscription=made["id"], subscription_details={"cancel_now": True})
    assert (amounts(told), told["amount_due"]) == ([-3000], 0)


async def test_what_waits_is_told(office: Office) -> None:
    customer = await office.customer()
    assert (await preview(office, customer=customer, reply=404))["code"] == "invoice_upcoming_none"
    await office.post("invoiceitems", customer=customer, amount=2500)
    coupon = await office.post("coupons", percent_off=10, duration="once")
    told = await preview(office, customer=customer, discounts=[{"coupon": coupon["id"]}])
    assert (told["subtotal"], told["total"]) == (2500, 2250)


async def test_what_does_not_come_is_not_told(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(), cancel_at_period_end=True)
    assert (await preview(office, subscription=made["id"], reply=404))["code"] == "invoice_upcoming_none"
    await office.delete(f"subscriptions/{made['id']}")
    await preview(office, subscription=made["id"], reply=404)
    await preview(office, schedule="sub_sched_1", reply=400)
