"""Changes within a period: prorations, new cycles, updates that wait for their payment."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import START

from .office import CHALLENGED, DAY, FAILING, VISA, Office, amounts, item, period

HALF = DAY * 31 // 2


async def make(office: Office, amount: int = 1000, method: str = VISA) -> tuple[str, dict[str, str]]:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(amount))
    if method != VISA:
        await office.use(method, customer)
    return customer, made


def quantity(subscription: dict[str, str], count: int) -> list[dict[str, object]]:
    return [{"id": item(subscription), "quantity": count}]


async def test_half_a_month_is_charged_by_half_with_the_next_invoice(office: Office) -> None:
    customer, made = await make(office, 1001)
    office.advance(seconds=HALF)
    changed = await office.post(f"subscriptions/{made['id']}", items=quantity(made, 3))
    assert changed["latest_invoice"] == made["latest_invoice"]
    waiting = (await office.get("invoiceitems", customer=customer, pending=True))["data"]
    assert [each["amount"] for each in waiting] == [1502, -501]  # 1501.5 and -500.5, away from zero
    assert [each["description"] for each in waiting] == [
        "Remaining time on 3 × Plan after 30 Jan 2027", "Unused time on Plan after 30 Jan 2027",
    ]  # fmt: skip
    office.advance(seconds=HALF)
    invoice = (await office.subscription(made["id"]))["latest_invoice"]
    assert sorted(amounts(invoice)) == [-501, 1502, 3003]
    details = invoice["lines"]["data"][0]["parent"]["subscription_item_details"]
    assert details["proration"] is True
    assert details["proration_details"]["credited_items"]["invoice"] == made["latest_invoice"]


async def test_always_invoice_charges_now_and_none_never(office: Office) -> None:
    _, made = await make(office)
    office.advance(seconds=HALF)
    now = await office.post(
        f"subscriptions/{made['id']}",
        items=quantity(made, 2),
        proration_behavior="always_invoice",
        expand=["latest_invoice"],
    )
    assert (now["latest_invoice"]["amount_paid"], now["latest_invoice"]["billing_reason"]) == (
        500,
        "subscription_update",
    )
    await office.post(f"subscriptions/{made['id']}", items=quantity(made, 5), proration_behavior="none")
    assert (await office.get("invoiceitems", pending=True))["data"] == []
    assert office.last("customer.subscription.updated")["previous_attributes"]["quantity"] == 2


async def test_a_proration_date_counts(office: Office) -> None:
    _, made = await make(office, 3100)
    office.advance(days=5)
    for date in (START - 1, START + 32 * DAY):
        await office.post(f"subscriptions/{made['id']}", items=quantity(made, 2), proration_date=date, reply=400)
    await office.post(f"subscriptions/{made['id']}", items=quantity(made, 2), proration_date=START + DAY)
    waiting = (await office.get("invoiceitems", pending=True))["data"]
    assert [each["amount"] for each in waiting] == [6000, -3000]


async def test_credit_is_of_what_was_paid_after_discounts(office: Office) -> None:
    coupon = await office.post("coupons", percent_off=50, duration="once")
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(3100), discounts=[{"coupon": coupon["id"]}])
    office.advance(days=1)
    dearer = await office.price(6200)
    await office.post(f"subscriptions/{made['id']}", items=[{"id": item(made), "price": dearer}])
    waiting = (await office.get("invoiceitems", pending=True))["data"]
    assert [each["amount"] for each in waiting] == [6000, -1500]


async def test_another_interval_begins_a_new_cycle_paid_at_once(office: Office) -> None:
    _, made = await make(office, 3100)
    office.advance(days=10)
    yearly = await office.price(20000, "year")
    changed = await office.post(
        f"subscriptions/{made['id']}", items=[{"id": item(made), "price": yearly}], expand=["latest_invoice"]
    )
    assert period(changed) == (START + 10 * DAY, START + 375 * DAY)
    assert changed["billing_cycle_anchor"] == START + 10 * DAY
    assert (amounts(changed["latest_invoice"]), changed["latest_invoice"]["status"]) == ([-2100, 20000], "paid")


async def test_a_cycle_can_be_begun_anew(office: Office) -> None:
    _, made = await make(office, 3100)
    office.advance(days=1)
    changed = await office.post(
        f"subscriptions/{made['id']}", billing_cycle_anchor={"type": "now"}, expand=["latest_invoice"]
    )
    assert (period(changed)[0], amounts(changed["latest_invoice"])) == (START + DAY, [-3000, 3100])


async def test_items_are_added_and_taken_off(office: Office) -> None:
    _, made = await make(office, 3100)
    other = await office.price(6200)
    office.advance(days=1)
    both = await office.post(f"subscriptions/{made['id']}", items=[{"price": other}])
    assert (len(both["items"]["data"]), both["plan"]) == (2, None)
    one = await office.post(f"subscriptions/{made['id']}", items=[{"id": item(made), "deleted": True}])
    assert [each["price"]["id"] for each in one["items"]["data"]] == [other]
    waiting = (await office.get("invoiceitems", pending=True))["data"]
    assert [each["amount"] for each in waiting] == [-3000, 6000]
    for items in ([{"id": item(one), "deleted": True}], [{"id": "si_none"}], [{"id": item(one), "quantity": -1}]):
        await office.post(f"subscriptions/{made['id']}", items=items, reply=400)


async def test_more_credit_than_charge_goes_to_the_balance(office: Office) -> None:
    customer, made = await make(office, 3100)
    cheap = await office.price(100)
    office.advance(days=1)
    await office.post(
        f"subscriptions/{made['id']}", items=[{"id": item(made), "price": cheap}], proration_behavior="always_invoice"
    )
    assert (await office.get(f"customers/{customer}"))["balance"] == -2903
    office.advance(days=30)
    invoice = (await office.subscription(made["id"]))["latest_invoice"]
    assert (invoice["total"], invoice["amount_due"], invoice["starting_balance"]) == (100, 0, -2903)


async def test_a_declined_change_is_made_nevertheless_and_past_due(office: Office) -> None:
    _, made = await make(office, method=FAILING)
    for behavior in ("allow_incomplete", "default_incomplete"):
        params: dict[str, Any] = {"proration_behavior": "always_invoice", "payment_behavior": behavior}
        count = 4 if behavior == "allow_incomplete" else 6
        changed = await office.post(f"subscriptions/{made['id']}", items=quantity(made, count), **params)
        assert (changed["status"], changed["quantity"]) == ("past_due", count)


async def test_a_change_that_must_succeed_is_undone(office: Office) -> None:
    _, made = await make(office, method=FAILING)
    params: dict[str, Any] = {"proration_behavior": "always_invoice", "payment_behavior": "error_if_incomplete"}
    error = await office.post(f"subscriptions/{made['id']}", items=quantity(made, 4), **params, reply=402)
    assert error["code"] == "card_declined"
    kept = await office.subscription(made["id"])
    assert (kept["status"], kept["quantity"], kept["latest_invoice"]["id"]) == ("active", 1, made["latest_invoice"])


PENDING: dict[str, Any] = {"proration_behavior": "always_invoice", "payment_behavior": "pending_if_incomplete"}


async def test_a_pending_update_is_applied_when_it_is_paid(office: Office) -> None:
    _, made = await make(office, method=CHALLENGED)
    held = await office.post(f"subscriptions/{made['id']}", items=quantity(made, 4), **PENDING)
    assert (held["status"], held["quantity"]) == ("active", 1)
    assert held["pending_update"]["subscription_items"][0]["quantity"] == 4
    await office.post(f"subscriptions/{made['id']}", items=quantity(made, 5), reply=400)
    invoice = await office.get(f"invoices/{held['latest_invoice']}", expand=["payments"])
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    await office.api.post(f"/authenticate/{intent}", data={"answer": "approve"})
    applied = await office.subscription(made["id"])
    assert (applied["pending_update"], applied["quantity"]) == (None, 4)
    assert "customer.subscription.pending_update_applied" in office.news()


async def test_a_pending_update_that_is_not_paid_expires(office: Office) -> None:
    _, made = await make(office, method=FAILING)
    held = await office.post(f"subscriptions/{made['id']}", items=quantity(made, 4), **PENDING)
    assert held["pending_update"] is not None
    office.advance(hours=23)
    kept = await office.subscription(made["id"])
    assert (kept["pending_update"], kept["quantity"], kept["status"]) == (None, 1, "active")
    assert (await office.get(f"invoices/{held['latest_invoice']}"))["status"] == "void"
    assert "customer.subscription.pending_update_expired" in office.news()


async def test_a_pending_update_that_pays_at_once_does_not_wait(office: Office) -> None:
    _, made = await make(office)
    done = await office.post(f"subscriptions/{made['id']}", items=quantity(made, 4), **PENDING)
    assert (done["pending_update"], done["quantity"]) == (None, 4)


async def test_settings_are_kept_and_emptied(office: Office) -> None:
    customer, made = await make(office)
    url = f"subscriptions/{made['id']}"
    method = await office.post(f"payment_methods/{VISA}/attach", customer=customer)
    kept = await office.post(url, default_payment_method=method["id"], description="Gold", metadata={"a": "b"})
    assert (kept["default_payment_method"], kept["description"]) == (method["id"], "Gold")
    kept = await office.post(url, default_payment_method="", description="", metadata={"a": "", "c": "d"})
    assert (kept["default_payment_method"], kept["description"], kept["metadata"]) == (None, None, {"c": "d"})
    stranger = await office.customer()
    other = await office.post(f"payment_methods/{VISA}/attach", customer=stranger)
    error = await office.post(url, default_payment_method=other["id"], reply=400)
    assert error["code"] == "resource_missing"


async def test_discounts_are_replaced_and_taken_back(office: Office) -> None:
    _, made = await make(office)
    url = f"subscriptions/{made['id']}"
    coupons = [await office.post("coupons", percent_off=each, duration="forever") for each in (10, 20)]
    one = await office.post(url, discounts=[{"coupon": coupons[0]["id"]}])
    two = await office.post(url, discounts=[{"discount": one["discounts"][0]}, {"coupon": coupons[1]["id"]}])
    assert (two["discounts"][0], len(two["discounts"])) == (one["discounts"][0], 2)
    office.advance(days=31)
    assert (await office.subscription(made["id"]))["latest_invoice"]["total"] == 720
    assert (await office.delete(url + "/discount"))["deleted"] is True
    await office.delete(url + "/discount", reply=404)
    assert (await office.post(url, coupon=coupons[0]["id"]))["discounts"] != []
    assert (await office.post(url, discounts=""))["discounts"] == []


async def test_a_first_period_can_be_cut_to_an_anchor(office: Office) -> None:
    customer, price = await office.customer(), await office.price(3100)
    made = await office.subscribe(customer, price, billing_cycle_anchor=START + 10 * DAY, expand=["latest_invoice"])
    assert (period(made)[1], amounts(made["latest_invoice"])) == (START + 10 * DAY, [1000])
    free = await office.subscribe(
        customer, price, billing_cycle_anchor=START + DAY, proration_behavior="none", expand=["latest_invoice"]
    )
    assert (free["status"], free["latest_invoice"]["total"]) == ("active", 0)
    first = await office.subscribe(
        customer, price, billing_cycle_anchor_config={"day_of_month": 31, "hour": 0, "minute": 0, "second": 0}
    )
    assert period(first)[1] == 1_801_353_600  # 31 January 2027
    await office.subscribe(customer, price, billing_cycle_anchor=START + 40 * DAY, reply=400)
    office.advance(days=60)
    assert period(await office.subscription(first["id"]))[1] == 1_806_451_200  # 31 March, after 28 February


async def test_a_start_in_the_past_is_charged_from_then(office: Office) -> None:
    customer, price = await office.customer(), await office.price(1000)
    made = await office.subscribe(customer, price, backdate_start_date=START - 40 * DAY, expand=["latest_invoice"])
    assert (made["start_date"], amounts(made["latest_invoice"])) == (START - 40 * DAY, [2000])
    await office.subscribe(customer, price, backdate_start_date=START + DAY, reply=400)


async def test_an_end_at_the_periods_end_moves_with_it(office: Office) -> None:
    _, made = await make(office)
    await office.post(f"subscriptions/{made['id']}", cancel_at_period_end=True)
    yearly = await office.price(20000, "year")
    changed = await office.post(f"subscriptions/{made['id']}", items=[{"id": item(made), "price": yearly}])
    assert changed["cancel_at"] == period(changed)[1] == START + 365 * DAY
    office.advance(days=364)
    assert (await office.subscription(made["id"]))["status"] == "active"
    office.advance(days=1)
    assert (await office.subscription(made["id"]))["status"] == "canceled"
