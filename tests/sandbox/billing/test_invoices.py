"""Invoices one by one: drafted, changed, finalized, paid, voided."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import START

from .office import CHALLENGED, DAY, FAILING, HOUR, VISA, Office, amounts


async def draft(office: Office, customer: str, amount: int = 2000, **params: Any) -> Any:
    """Draft an invoice of one item."""
    made = await office.post("invoices", customer=customer, **params)
    await office.post("invoiceitems", customer=customer, invoice=made["id"], amount=amount, description="Work")
    return await office.get(f"invoices/{made['id']}")


async def test_a_draft_takes_what_waits_when_asked_to(office: Office) -> None:
    customer = await office.customer()
    item = await office.post("invoiceitems", customer=customer, amount=2000, currency="usd", description="Work")
    assert (item["invoice"], item["pricing"]["unit_amount_decimal"]) == (None, "2000")
    empty = await office.post("invoices", customer=customer)
    assert (empty["status"], empty["total"], empty["auto_advance"], empty["number"]) == ("draft", 0, False, None)
    full = await office.post("invoices", customer=customer, pending_invoice_items_behavior="include")
    assert (amounts(full), full["lines"]["data"][0]["description"]) == ([2000], "Work")
    assert (await office.get(f"invoiceitems/{item['id']}"))["invoice"] == full["id"]
    error = await office.post("invoices", customer=customer, pending_invoice_items_behavior="include", reply=400)
    assert error["code"] == "invoice_no_customer_line_items"
    assert (await office.get("invoiceitems", pending=True))["data"] == []


async def test_a_changed_item_is_told_to_nobody_for_stripe_has_no_event_for_it(office: Office) -> None:
    item = await office.post("invoiceitems", customer=await office.customer(), amount=2000, currency="usd")
    office.news()
    assert (await office.post(f"invoiceitems/{item['id']}", amount=2500))["amount"] == 2500
    assert office.news() == []


async def test_finalizing_numbers_and_opens_it(office: Office) -> None:
    customer = await office.customer()
    made = await draft(office, customer)
    office.news()
    done = await office.post(f"invoices/{made['id']}/finalize", expand=["payments", "confirmation_secret"])
    assert (done["status"], done["number"][-5:], done["amount_due"]) == ("open", "-0001", 2000)
    assert done["hosted_invoice_url"].endswith(f"/invoices/{made['id']}")
    assert done["payments"]["data"][0]["status"] == "open"
    assert office.news() == ["payment_intent.created", "invoice.finalized"]
    await office.post(f"invoices/{made['id']}/finalize", reply=400)
    error = await office.post(f"invoices/{made['id']}", discounts="", reply=400)
    assert error["code"] == "invoice_not_editable"
    await office.post(f"invoices/{made['id']}", description="Later", metadata={"a": "b"})
    await office.post("invoiceitems", customer=customer, invoice=made["id"], amount=1, reply=400)
    await office.delete(f"invoices/{made['id']}", reply=400)


async def test_paying_a_draft_finalizes_it_first(office: Office) -> None:
    customer = await office.customer()
    made = await draft(office, customer)
    office.news()
    paid = await office.post(f"invoices/{made['id']}/pay")
    assert (paid["status"], paid["amount_paid"], paid["amount_remaining"], paid["attempt_count"]) == (
        "paid",
        2000,
        0,
        1,
    )
    assert office.news("invoice") == [
        "invoice.finalized", "invoice_payment.paid", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
    ]  # fmt: skip
    error = await office.post(f"invoices/{made['id']}/pay", reply=400)
    assert error["message"] == "Invoice is already paid"
    payments = await office.get("invoice_payments", invoice=made["id"], status="paid")
    found = payments["data"][0]
    assert (found["amount_paid"], found["is_default"]) == (2000, True)
    assert await office.get(f"invoice_payments/{found['id']}") == found
    intent = {"type": "payment_intent", "payment_intent": found["payment"]["payment_intent"]}
    assert (await office.get("invoice_payments", payment=intent))["data"] == [found]
    assert (await office.get("invoice_payments", status="canceled"))["data"] == []


async def test_a_decline_leaves_it_open_to_be_paid_otherwise(office: Office) -> None:
    customer = await office.customer(None)
    made = await draft(office, customer)
    error = await office.post(f"invoices/{made['id']}/pay", reply=400)
    assert error["code"] == "resource_missing"
    failing = await office.post(f"payment_methods/{FAILING}/attach", customer=customer)
    error = await office.post(f"invoices/{made['id']}/pay", payment_method=failing["id"], reply=402)
    assert (error["type"], error["code"]) == ("card_error", "card_declined")
    assert "invoice.payment_failed" in office.news()
    still = await office.get(f"invoices/{made['id']}")
    assert (still["status"], still["attempt_count"], still["attempted"]) == ("open", 1, True)
    assert (await office.post(f"invoices/{made['id']}/pay", payment_method=VISA))["attempt_count"] == 2


async def test_three_d_secure_is_told_as_an_action(office: Office) -> None:
    made = await draft(office, await office.customer(CHALLENGED))
    error = await office.post(f"invoices/{made['id']}/pay", reply=402)
    assert (error["type"], error["code"]) == ("card_error", "invoice_payment_intent_requires_action")
    assert "invoice.payment_action_required" in office.news()


async def test_voiding_takes_it_back(office: Office) -> None:
    customer = await office.customer(balance=-500)
    made = await draft(office, customer)
    for word in ("void", "mark_uncollectible"):
        await office.post(f"invoices/{made['id']}/{word}", reply=400)
    await office.post(f"invoices/{made['id']}/finalize")
    assert (await office.get(f"customers/{customer}"))["balance"] == 0
    gone = await office.post(f"invoices/{made['id']}/void", expand=["payments"])
    assert (gone["status"], gone["payments"]["data"][0]["status"]) == ("void", "canceled")
    assert (await office.get(f"customers/{customer}"))["balance"] == -500
    assert office.news()[-1] == "invoice.voided"
    await office.post(f"invoices/{made['id']}/pay", reply=400)


async def test_what_is_uncollectible_can_still_be_paid(office: Office) -> None:
    made = await draft(office, await office.customer())
    await office.post(f"invoices/{made['id']}/finalize")
    given_up = await office.post(f"invoices/{made['id']}/mark_uncollectible")
    assert given_up["status_transitions"]["marked_uncollectible_at"] == START
    assert office.news()[-1] == "invoice.marked_uncollectible"
    assert (await office.post(f"invoices/{made['id']}/pay"))["status"] == "paid"


async def test_a_balance_is_set_against_it(office: Office) -> None:
    customer = await office.customer(balance=-2500)
    first = await office.post(f"invoices/{(await draft(office, customer))['id']}/finalize")
    assert (first["status"], first["amount_due"], first["starting_balance"]) == ("paid", 0, -2500)
    assert (first["ending_balance"], first["attempt_count"]) == (-500, 0)
    second = await office.post(f"invoices/{(await draft(office, customer))['id']}/finalize")
    assert (second["amount_due"], second["ending_balance"]) == (1500, 0)


async def test_too_little_to_be_charged_is_owed_next_time(office: Office) -> None:
    customer = await office.customer()
    small = await office.post(f"invoices/{(await draft(office, customer, 30))['id']}/finalize")
    assert (small["status"], small["amount_due"], small["ending_balance"]) == ("paid", 0, 30)
    large = await office.post(f"invoices/{(await draft(office, customer, 100))['id']}/finalize")
    assert large["amount_due"] == 130


async def test_discounts_are_shared_out_over_the_lines(office: Office) -> None:
    customer = await office.customer()
    off = await office.post("coupons", amount_off=1000, currency="usd", duration="once")
    half = await office.post("coupons", percent_off=50, duration="forever")
    made = await office.post("invoices", customer=customer, discounts=[{"coupon": off["id"]}])
    given: list[dict[str, Any]] = [
        {"amount": 1000},
        {"amount": 3000, "discounts": [{"coupon": half["id"]}]},
        {"amount": 700, "discountable": False},
    ]
    for params in given:
        await office.post("invoiceitems", customer=customer, invoice=made["id"], **params)
    made = await office.get(f"invoices/{made['id']}", expand=["total_discount_amounts.discount"])
    assert (made["subtotal"], made["total"]) == (3200, 2200)
    shares = [[each["amount"] for each in line["discount_amounts"]] for line in made["lines"]["data"]]
    assert shares == [[400], [1500, 600], []]
    assert sum(each["amount"] for each in made["total_discount_amounts"]) == 2500
    assert made["total_discount_amounts"][0]["discount"]["object"] == "discount"


async def test_a_coupon_for_one_product_leaves_others_alone(office: Office) -> None:
    price, other = await office.price(1000), await office.price(2000)
    product = (await office.get(f"prices/{price}"))["product"]
    coupon = await office.post("coupons", percent_off=10, duration="forever", applies_to={"products": [product]})
    made = await office.subscribe(
        await office.customer(), price, other, discounts=[{"coupon": coupon["id"]}], expand=["latest_invoice"]
    )
    assert made["latest_invoice"]["total"] == 2900


async def test_the_customers_own_discount_is_used(office: Office) -> None:
    coupon = await office.post("coupons", percent_off=25, duration="once")
    customer = await office.customer(coupon=coupon["id"])
    price = await office.price(1000)
    made = await office.subscribe(customer, price, expand=["latest_invoice"])
    assert made["latest_invoice"]["total"] == 750
    assert (await office.get(f"customers/{customer}"))["discount"] is None
    again = await office.subscribe(customer, price, expand=["latest_invoice"])
    assert again["latest_invoice"]["total"] == 1000


async def test_lines_are_added_changed_and_removed(office: Office) -> None:
    customer = await office.customer()
    made = await office.post("invoices", customer=customer)
    url = f"invoices/{made['id']}"
    price = await office.price(300, None)
    added = await office.post(
        url + "/add_lines",
        lines=[{"pricing": {"price": price}, "quantity": 2}, {"amount": 150, "description": "Tip"}],
        invoice_metadata={"a": "b"},
    )
    assert (amounts(added), added["total"], added["metadata"]) == ([600, 150], 750, {"a": "b"})
    first, second = (each["id"] for each in added["lines"]["data"])
    line = await office.post(f"{url}/lines/{first}", quantity=3, description="Mugs")
    assert (line["amount"], line["quantity"], line["description"]) == (900, 3, "Mugs")
    changed = await office.post(url + "/update_lines", lines=[{"id": second, "amount": 200}])
    assert (amounts(changed), changed["total"]) == ([900, 200], 1100)
    listed = await office.get(url + "/lines", limit=1)
    assert ([each["id"] for each in listed["data"]], listed["has_more"]) == ([first], True)
    kept = await office.post(url + "/remove_lines", lines=[{"id": first, "behavior": "unassign"}])
    assert amounts(kept) == [200]
    waiting = (await office.get("invoiceitems", pending=True))["data"]
    assert [each["amount"] for each in waiting] == [900]
    back = await office.post(url + "/add_lines", lines=[{"invoice_item": waiting[0]["id"]}])
    assert back["total"] == 1100
    gone = await office.post(url + "/remove_lines", lines=[{"id": second, "behavior": "delete"}])
    assert amounts(gone) == [900]
    await office.post(f"{url}/lines/il_none", quantity=1, reply=404)
    await office.post(url + "/remove_lines", lines=[{"id": "il_none", "behavior": "delete"}], reply=400)
    await office.post(url + "/finalize")
    await office.post(url + "/add_lines", lines=[{"amount": 1}], reply=400)


async def test_only_ten_lines_are_embedded(office: Office) -> None:
    made = await office.post("invoices", customer=await office.customer())
    lines = [{"amount": 100} for _ in range(11)]
    full = await office.post(f"invoices/{made['id']}/add_lines", lines=lines)
    assert (len(full["lines"]["data"]), full["lines"]["has_more"], full["total"]) == (10, True, 1100)
    assert len((await office.get(f"invoices/{made['id']}/lines", limit=100))["data"]) == 11


async def test_invoice_items_can_be_changed_while_they_wait_or_lie_on_a_draft(office: Office) -> None:
    customer = await office.customer()
    made = await draft(office, customer)
    item = (await office.get("invoiceitems", invoice=made["id"]))["data"][0]
    changed = await office.post(f"invoiceitems/{item['id']}", amount=500, description="Less")
    assert (changed["amount"], changed["description"]) == (500, "Less")
    assert (await office.get(f"invoices/{made['id']}"))["total"] == 500
    assert (await office.delete(f"invoiceitems/{item['id']}"))["deleted"] is True
    assert (await office.get(f"invoices/{made['id']}"))["total"] == 0
    for params in ({"customer": customer}, {"amount": 5}, {"customer": customer, "amount": 5, "currency": "zzz"}):
        await office.post("invoiceitems", params, reply=400)
    recurring = await office.price()
    await office.post("invoiceitems", customer=customer, pricing={"price": recurring}, reply=400)


async def test_a_deleted_draft_lets_its_items_wait_again(office: Office) -> None:
    customer = await office.customer()
    made = await draft(office, customer)
    assert (await office.delete(f"invoices/{made['id']}"))["deleted"] is True
    assert office.news()[-1] == "invoice.deleted"
    assert len((await office.get("invoiceitems", pending=True))["data"]) == 1


async def test_drafts_that_advance_are_collected_after_an_hour(office: Office) -> None:
    customer = await office.customer()
    made = await draft(office, customer, auto_advance=True)
    assert made["automatically_finalizes_at"] == START + HOUR
    office.advance(hours=1)
    assert (await office.get(f"invoices/{made['id']}"))["status"] == "paid"
    still = await draft(office, customer)
    office.advance(hours=2)
    assert (await office.get(f"invoices/{still['id']}"))["status"] == "draft"
    await office.post(f"invoices/{still['id']}", auto_advance=True)
    now = await office.post(f"invoices/{still['id']}/finalize")
    assert now["status"] == "paid"


async def test_sent_invoices_need_an_address_and_a_due_date(office: Office) -> None:
    customer = await office.customer(None)
    sent: dict[str, Any] = {"collection_method": "send_invoice"}
    await office.post("invoices", customer=customer, **sent, reply=400)
    await office.post("invoices", customer=customer, days_until_due=3, reply=400)
    nameless = (await office.post("customers"))["id"]
    await office.post("invoices", customer=nameless, **sent, days_until_due=3, reply=400)
    made = await draft(office, customer, **sent, days_until_due=3)
    told = await office.post(f"invoices/{made['id']}/send")
    assert (told["status"], told["due_date"]) == ("open", START + 3 * DAY)
    assert office.news()[-1] == "invoice.sent"
    charged = await draft(office, customer)
    await office.post(f"invoices/{charged['id']}/send", reply=400)


async def test_payments_made_elsewhere_are_counted(office: Office) -> None:
    customer = await office.customer()
    made = await draft(office, customer)
    await office.post(f"invoices/{made['id']}/finalize")
    for amount, status in ((500, "open"), (1500, "paid")):
        intent = await office.post(
            "payment_intents", amount=amount, currency="usd", customer=customer, payment_method=VISA, confirm=True,
            return_url="https://shop.example.com",
        )  # fmt: skip
        counted = await office.post(f"invoices/{made['id']}/attach_payment", payment_intent=intent["id"])
        assert counted["status"] == status
    await office.post(f"invoices/{made['id']}/attach_payment", payment_intent=intent["id"], reply=400)
    await office.post(f"invoices/{made['id']}/attach_payment", reply=400)


async def test_invoices_of_a_subscription_are_found(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.post("invoices", customer=customer)
    found = (await office.get("invoices", subscription=made["id"]))["data"]
    assert [each["id"] for each in found] == [made["latest_invoice"]]
    assert len((await office.get("invoices", customer=customer))["data"]) == 2
    assert len((await office.get("invoices", status="draft"))["data"]) == 1
    found = await office.get("invoices/search", query=f"subscription:'{made['id']}'")
    assert len(found["data"]) == 1
    error = await office.post("invoices", customer=customer, subscription=made["id"], reply=400)
    assert error["code"] == "invoice_no_subscription_line_items"


async def test_automatic_tax_is_complete_and_nothing(office: Office) -> None:
    made = await office.subscribe(
        await office.customer(), await office.price(), automatic_tax={"enabled": True}, expand=["latest_invoice"]
    )
    tax = made["latest_invoice"]["automatic_tax"]
    assert (tax["enabled"], tax["status"], made["latest_invoice"]["total"]) == (True, "complete", 1000)


async def test_what_is_not_simulated_is_refused(office: Office) -> None:
    customer = await office.customer()
    for name, value in (
        ("shipping_cost", {"shipping_rate": "shr_1"}),
        ("from_invoice", {"action": "revision", "invoice": "in_1"}),
        ("default_tax_rates", ["txr_1"]),
        ("transfer_data", {"destination": "acct_1"}),
    ):
        error = await office.post("invoices", {"customer": customer, name: value}, reply=400)
        assert error["param"] == name
    error = await office.subscribe(customer, await office.price(), billing_thresholds={"amount_gte": 5000}, reply=400)
    assert error["param"] == "billing_thresholds"
    items = [{"price": await office.price(), "tax_rates": ["txr_1"]}]
    error = await office.post("subscriptions", customer=customer, items=items, reply=400)
    assert (error["param"], error["message"]) == ("items[0][tax_rates]", "No such tax rate: 'txr_1'")
    await office.post("invoiceitems", customer=customer, amount=5, quantity_decimal="1.5", reply=400)
    await office.post("test_helpers/test_clocks", frozen_time=1, customer=customer, reply=400)


async def test_a_drafts_settings_can_be_changed(office: Office) -> None:
    customer = await office.customer(None)
    made = await draft(office, customer)
    url = f"invoices/{made['id']}"
    method = await office.post(f"payment_methods/{VISA}/attach", customer=customer)
    half = await office.post("coupons", percent_off=50, duration="once")
    changed = await office.post(
        url,
        default_payment_method=method["id"],
        discounts=[{"coupon": half["id"]}],
        automatic_tax={"enabled": True},
        custom_fields=[{"name": "Order", "value": "1"}],
        payment_settings={"payment_method_types": ["card"]},
        rendering={"amount_tax_display": "exclude_tax"},
        number="A-1",
    )
    assert (changed["total"], changed["automatic_tax"]["status"]) == (1000, "complete")
    paid = await office.post(url + "/pay")
    assert (paid["status"], paid["number"], paid["custom_fields"][0]["name"]) == ("paid", "A-1", "Order")
    stranger = await draft(office, await office.customer())
    await office.post(f"invoices/{stranger['id']}", default_payment_method=method["id"], reply=400)


async def test_a_deleted_customers_draft_is_left_alone(office: Office) -> None:
    customer = await office.customer()
    made = await draft(office, customer, auto_advance=True)
    await office.delete(f"customers/{customer}")
    office.advance(hours=2)
    assert (await office.get(f"invoices/{made['id']}"))["status"] == "draft"


async def test_an_invoice_whose_payment_is_under_way_is_not_paid_twice(office: Office) -> None:
    customer = await office.customer(None)
    account = {"account_number": "000123456789", "routing_number": "110000000", "account_holder_type": "individual"}
    method = await office.post(
        "payment_methods", type="us_bank_account", us_bank_account=account, billing_details={"name": "Alice"}
    )
    await office.use(method["id"], customer)
    made = await draft(office, customer)
    under_way = await office.post(f"invoices/{made['id']}/pay")
    assert (under_way["status"], under_way["attempt_count"]) == ("open", 1)
    await office.post(f"invoices/{made['id']}/pay", reply=400)
    office.advance(days=10)
    paid = await office.get(f"invoices/{made['id']}")
    assert (paid["status"], paid["attempt_count"]) == ("paid", 1)
