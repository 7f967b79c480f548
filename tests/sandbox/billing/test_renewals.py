"""Renewals: by the calendar, with the payments that fail and are tried again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import START

from .office import CHALLENGED, DAY, FAILING, HOUR, VISA, Office, amounts, item, period


async def test_a_new_period_is_drafted_then_paid_an_hour_later(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(), metadata={"plan": "gold"})
    office.news()
    office.advance(days=31)
    renewed = await office.subscription(made["id"])
    invoice = renewed["latest_invoice"]
    assert office.news() == ["invoice.upcoming", "invoice.created", "customer.subscription.updated"]
    assert period(renewed) == (START + 31 * DAY, START + 59 * DAY)
    assert (invoice["status"], invoice["number"], invoice["billing_reason"]) == ("draft", None, "subscription_cycle")
    assert (invoice["period_start"], invoice["period_end"]) == (START, START + 31 * DAY)
    assert invoice["automatically_finalizes_at"] == START + 31 * DAY + HOUR
    assert invoice["parent"]["subscription_details"]["metadata"] == {"plan": "gold"}
    office.advance(hours=1)
    paid = (await office.subscription(made["id"]))["latest_invoice"]
    assert (paid["status"], paid["number"][-5:]) == ("paid", "-0002")
    assert paid["status_transitions"]["paid_at"] == START + 31 * DAY + HOUR
    assert office.news("invoice.") == [
        "invoice.finalized", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
    ]  # fmt: skip


async def test_the_upcoming_invoice_is_told_a_week_ahead(office: Office) -> None:
    await office.subscribe(await office.customer(), await office.price(700))
    office.advance(days=23)
    assert "invoice.upcoming" not in office.news()
    office.advance(days=1)
    told = office.last("invoice.upcoming")["object"]
    assert "id" not in told
    assert (told["amount_due"], told["status"], told["billing_reason"]) == (700, "draft", "upcoming")


async def test_two_months_at_once_make_two_invoices_at_their_own_times(office: Office) -> None:
    customer = await office.customer()
    await office.subscribe(customer, await office.price())
    office.advance(days=60)
    made = [each["created"] for each in await office.invoices(customer)]
    assert made == [START, START + 31 * DAY, START + 59 * DAY]


async def test_declines_are_tried_again_and_end_it_after_the_fourth(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.use(FAILING, customer)
    office.advance(days=31, hours=1)
    office.news()
    late = await office.subscription(made["id"])
    invoice = late["latest_invoice"]
    assert (late["status"], invoice["status"], invoice["attempt_count"]) == ("past_due", "open", 1)
    assert invoice["next_payment_attempt"] == START + 34 * DAY + HOUR
    for days, count in ((3, 2), (5, 3)):
        office.advance(days=days)
        invoice = (await office.subscription(made["id"]))["latest_invoice"]
        assert invoice["attempt_count"] == count
        assert "invoice.payment_failed" in office.news()
    office.advance(days=7)
    over = await office.subscription(made["id"])
    assert (over["status"], over["cancellation_details"]["reason"]) == ("canceled", "payment_failed")
    assert (over["latest_invoice"]["status"], over["latest_invoice"]["next_payment_attempt"]) == ("open", None)
    office.advance(days=40)
    assert len(await office.invoices(customer)) == 2


@pytest.mark.parametrize("end", ["unpaid", "past_due"])
async def test_the_account_may_keep_what_was_not_paid(office: Office, end: str) -> None:
    await office.api.post("/control/account", json={"after_dunning": end})
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.use(FAILING, customer)
    office.advance(days=31 + 16)
    kept = await office.subscription(made["id"])
    assert kept["status"] == end
    await office.use(VISA, customer)
    await office.post(f"invoices/{kept['latest_invoice']['id']}/pay")
    assert (await office.subscription(made["id"]))["status"] == "active"


async def test_an_unpaid_one_drafts_invoices_and_charges_nothing(office: Office) -> None:
    await office.api.post("/control/account", json={"after_dunning": "unpaid"})
    customer = await office.customer()
    await office.subscribe(customer, await office.price())
    await office.use(FAILING, customer)
    office.advance(days=60, hours=2)
    assert [each["status"] for each in await office.invoices(customer)] == ["paid", "open", "draft"]


async def test_a_new_card_pays_at_the_next_attempt(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.use(FAILING, customer)
    office.advance(days=32)
    await office.use(VISA, customer)
    office.advance(days=3)
    saved = await office.subscription(made["id"])
    assert (saved["status"], saved["latest_invoice"]["status"]) == ("active", "paid")
    assert (saved["latest_invoice"]["attempt_count"], saved["latest_invoice"]["next_payment_attempt"]) == (2, None)


async def test_a_card_that_asks_its_owner_makes_it_past_due(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.use(CHALLENGED, customer)
    office.advance(days=31, hours=1)
    late = await office.subscription(made["id"])
    assert (late["status"], late["latest_invoice"]["attempt_count"]) == ("past_due", 1)
    assert office.news("invoice.payment")[-2:] == ["invoice.payment_action_required", "invoice.payment_failed"]


async def test_without_a_card_a_renewal_fails(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    method = (await office.get("payment_methods", customer=customer, type="card"))["data"][0]["id"]
    await office.post(f"payment_methods/{method}/detach")
    office.advance(days=31, hours=1)
    late = await office.subscription(made["id"])
    assert (late["status"], late["latest_invoice"]["attempt_count"]) == ("past_due", 1)


async def test_sent_invoices_are_due_and_then_overdue(office: Office) -> None:
    customer = await office.customer(None)
    made = await office.subscribe(customer, await office.price(), collection_method="send_invoice", days_until_due=5)
    assert made["status"] == "active"
    office.advance(hours=1)
    invoice = (await office.subscription(made["id"]))["latest_invoice"]
    assert (invoice["status"], invoice["due_date"]) == ("open", START + HOUR + 5 * DAY)
    assert "invoice.sent" in office.news()
    office.advance(days=5)
    assert "invoice.overdue" in office.news()
    assert (await office.subscription(made["id"]))["status"] == "past_due"
    await office.post(f"invoices/{invoice['id']}/pay", paid_out_of_band=True)
    assert (await office.subscription(made["id"]))["status"] == "active"


async def test_giving_an_invoice_up_lets_the_subscription_go_on(office: Office) -> None:
    for word in ("void", "mark_uncollectible"):
        customer = await office.customer()
        made = await office.subscribe(customer, await office.price())
        await office.use(FAILING, customer)
        office.advance(days=31, hours=1)
        late = await office.subscription(made["id"])
        assert late["status"] == "past_due"
        await office.post(f"invoices/{late['latest_invoice']['id']}/{word}")
        assert (await office.subscription(made["id"]))["status"] == "active"


@pytest.mark.parametrize(
    ("behavior", "status"), [("void", "void"), ("mark_uncollectible", "uncollectible"), ("keep_as_draft", "draft")]
)
async def test_collection_can_be_paused(office: Office, behavior: str, status: str) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    pause = {"behavior": behavior, "resumes_at": START + 40 * DAY}
    paused = await office.post(f"subscriptions/{made['id']}", pause_collection=pause)
    assert (paused["status"], paused["pause_collection"]) == ("active", pause)
    office.advance(days=31, hours=2)
    assert (await office.invoices(customer))[-1]["status"] == status
    office.advance(days=28)
    resumed = await office.subscription(made["id"])
    assert (resumed["pause_collection"], resumed["latest_invoice"]["status"]) == (None, "paid")


async def test_the_method_that_paid_can_be_kept(office: Office) -> None:
    made = await office.subscribe(
        await office.customer(),
        await office.price(),
        payment_settings={"save_default_payment_method": "on_subscription"},
    )
    assert made["default_payment_method"].startswith("pm_")


async def test_discounts_last_as_long_as_their_coupons(office: Office) -> None:
    customer, price = await office.customer(), await office.price(1000)
    totals = {"once": [500, 1000, 1000], "repeating": [500, 500, 1000], "forever": [500, 500, 500]}
    made: dict[str, str] = {}
    for duration in totals:
        months: dict[str, Any] = {"duration_in_months": 2} if duration == "repeating" else {}
        coupon = await office.post("coupons", percent_off=50, duration=duration, **months)
        one = await office.subscribe(customer, price, discounts=[{"coupon": coupon["id"]}])
        made[duration] = one["id"]
    office.advance(days=60)
    for duration, expected in totals.items():
        found = (await office.get("invoices", subscription=made[duration]))["data"]
        assert [each["total"] for each in reversed(found)] == expected, duration
    assert "customer.discount.deleted" in office.news()


async def test_changed_quantities_are_billed_from_then_on(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(1000))
    await office.post(
        f"subscriptions/{made['id']}", items=[{"id": item(made), "quantity": 3}], proration_behavior="none"
    )
    office.advance(days=31)
    assert amounts((await office.invoices(customer))[-1]) == [3000]


async def test_a_renewal_is_told_with_the_time_it_is_to_be_finalized(office: Office) -> None:
    await office.subscribe(await office.customer(), await office.price())
    assert office.last("invoice.created")["object"]["automatically_finalizes_at"] is None
    office.advance(days=31)
    told = office.last("invoice.created")["object"]
    assert told["automatically_finalizes_at"] == told["next_payment_attempt"] == told["created"] + HOUR


async def test_a_renewal_that_is_sent_is_told_without_a_payment_to_come(office: Office) -> None:
    customer = await office.customer()
    await office.subscribe(customer, await office.price(), collection_method="send_invoice", days_until_due=7)
    office.advance(days=31)
    told = office.last("invoice.created")["object"]
    assert (told["automatically_finalizes_at"], told["next_payment_attempt"]) == (told["created"] + HOUR, None)


async def test_a_payment_tells_of_its_attempt(office: Office) -> None:
    await office.subscribe(await office.customer(), await office.price())
    told = office.last("invoice.updated")
    before = told["previous_attributes"]
    assert (before["attempted"], before["attempt_count"], before["status"]) == (False, 0, "open")
    assert (told["object"]["attempted"], told["object"]["attempt_count"]) == (True, 1)


async def test_a_declined_payment_tells_of_its_attempt_too(office: Office) -> None:
    customer = await office.customer()
    await office.subscribe(customer, await office.price())
    await office.use(FAILING, customer)
    office.advance(days=31, hours=1)
    before = office.last("invoice.updated")["previous_attributes"]
    assert (before["attempted"], before["attempt_count"]) == (False, 0)
    office.advance(days=3)
    assert "attempted" not in office.last("invoice.updated")["previous_attributes"]


async def test_a_payment_elsewhere_is_no_attempt_to_charge(office: Office) -> None:
    customer = await office.customer()
    await office.post("invoiceitems", customer=customer, amount=2000)
    invoice = await office.post("invoices", customer=customer, pending_invoice_items_behavior="include")
    await office.post(f"invoices/{invoice['id']}/pay", paid_out_of_band=True)
    assert "attempt_count" not in office.last("invoice.updated")["previous_attributes"]
