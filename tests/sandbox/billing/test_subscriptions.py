"""Subscriptions as they begin, are listed, and end."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import START

from .office import CHALLENGED, DAY, FAILING, VISA, Office, amounts, item, period

FIRST_PAYMENT = [
    "invoice.created", "payment_intent.created", "invoice.finalized", "charge.succeeded", "payment_intent.succeeded",
    "invoice_payment.paid", "invoice.updated", "invoice.paid", "invoice.payment_succeeded",
    "customer.subscription.created",
]  # fmt: skip


async def test_a_card_that_pays_makes_it_active(office: Office) -> None:
    customer, price = await office.customer(), await office.price(1500)
    office.news()
    made = await office.subscribe(
        customer, price, expand=["latest_invoice.payments", "latest_invoice.confirmation_secret"]
    )
    assert (made["status"], period(made)) == ("active", (START, START + 31 * DAY))
    invoice = made["latest_invoice"]
    assert (invoice["status"], invoice["amount_paid"], invoice["billing_reason"]) == (
        "paid",
        1500,
        "subscription_create",
    )
    assert invoice["number"].endswith("-0001")
    assert invoice["parent"]["subscription_details"]["subscription"] == made["id"]
    assert invoice["lines"]["data"][0]["description"] == "1 × Plan (at $15.00 / month)"
    assert invoice["payments"]["data"][0]["status"] == "paid"
    assert invoice["confirmation_secret"]["type"] == "payment_intent"
    assert office.news()[1:] == FIRST_PAYMENT


async def test_without_a_payment_method_it_is_refused(office: Office) -> None:
    error = await office.subscribe(await office.customer(None), await office.price(), reply=400)
    assert (error["type"], error["code"]) == ("invalid_request_error", "resource_missing")
    assert "no attached payment source or default payment method" in error["message"]


async def test_a_declined_card_leaves_it_incomplete_for_23_hours(office: Office) -> None:
    made = await office.subscribe(await office.customer(FAILING), await office.price(), expand=["latest_invoice"])
    assert made["status"] == "incomplete"
    assert (made["latest_invoice"]["attempt_count"], made["latest_invoice"]["next_payment_attempt"]) == (1, None)
    office.advance(hours=22)
    assert (await office.subscription(made["id"]))["status"] == "incomplete"
    office.advance(hours=1)
    expired = await office.subscription(made["id"])
    assert (expired["status"], expired["latest_invoice"]["status"]) == ("incomplete_expired", "void")


async def test_an_incomplete_one_is_saved_by_paying_its_invoice(office: Office) -> None:
    customer = await office.customer(FAILING)
    made = await office.subscribe(customer, await office.price())
    method = await office.post(f"payment_methods/{VISA}/attach", customer=customer)
    await office.post(f"invoices/{made['latest_invoice']}/pay", payment_method=method["id"])
    assert (await office.subscription(made["id"]))["status"] == "active"
    assert office.last("customer.subscription.updated")["previous_attributes"] == {"status": "incomplete"}
    office.advance(days=2)
    assert (await office.subscription(made["id"]))["status"] == "active"


async def test_error_if_incomplete_leaves_nothing_behind(office: Office) -> None:
    customer, price = await office.customer(FAILING), await office.price()
    error = await office.subscribe(customer, price, payment_behavior="error_if_incomplete", reply=402)
    assert (error["type"], error["code"]) == ("card_error", "card_declined")
    assert (await office.get("subscriptions", status="all"))["data"] == []
    challenged = await office.customer(CHALLENGED)
    error = await office.subscribe(challenged, price, payment_behavior="error_if_incomplete", reply=402)
    assert error["code"] == "subscription_payment_intent_requires_action"


async def test_default_incomplete_waits_for_the_browser(office: Office) -> None:
    made = await office.subscribe(
        await office.customer(None),
        await office.price(),
        payment_behavior="default_incomplete",
        expand=["latest_invoice.confirmation_secret"],
    )
    secret = made["latest_invoice"]["confirmation_secret"]["client_secret"]
    assert made["status"] == "incomplete"
    await office.post(f"payment_intents/{secret.partition('_secret_')[0]}/confirm", payment_method=VISA)
    assert (await office.subscription(made["id"]))["status"] == "active"


async def test_three_d_secure_is_asked_for_and_then_it_is_active(office: Office) -> None:
    made = await office.subscribe(await office.customer(CHALLENGED), await office.price())
    assert made["status"] == "incomplete"
    assert "invoice.payment_action_required" in office.news()
    invoice = await office.get(f"invoices/{made['latest_invoice']}", expand=["payments"])
    intent = invoice["payments"]["data"][0]["payment"]["payment_intent"]
    await office.api.post(f"/authenticate/{intent}", data={"answer": "approve"})
    done = await office.subscription(made["id"])
    assert (done["status"], done["latest_invoice"]["attempt_count"]) == ("active", 1)


async def test_a_bank_debit_under_way_is_trusted_and_may_fail(office: Office) -> None:
    customer = await office.customer(None)
    account = {"account_number": "000111111116", "routing_number": "110000000", "account_holder_type": "individual"}
    method = await office.post(
        "payment_methods", type="us_bank_account", us_bank_account=account, billing_details={"name": "Alice"}
    )
    await office.use(method["id"], customer)
    made = await office.subscribe(
        customer, await office.price(), payment_settings={"payment_method_types": ["us_bank_account"]}
    )
    assert made["status"] == "active"
    office.advance(days=10)
    failed = await office.subscription(made["id"])
    assert (failed["status"], failed["latest_invoice"]["status"]) == ("past_due", "open")


async def test_one_time_prices_go_on_the_first_invoice_alone(office: Office) -> None:
    customer, price, setup = await office.customer(), await office.price(), await office.price(500, None)
    made = await office.subscribe(customer, price, add_invoice_items=[{"price": setup}], expand=["latest_invoice"])
    assert sorted(amounts(made["latest_invoice"])) == [500, 1000]
    office.advance(days=31, hours=1)
    assert amounts((await office.subscription(made["id"]))["latest_invoice"]) == [1000]


async def test_quantities_and_tiers_are_priced(office: Office) -> None:
    tiers = [{"up_to": 2, "unit_amount": 1000}, {"up_to": "inf", "unit_amount": 500}]
    for mode, total in (("graduated", 3500), ("volume", 2500)):
        price = await office.price(None, billing_scheme="tiered", tiers_mode=mode, tiers=tiers)
        params = {"customer": await office.customer(), "items": [{"price": price, "quantity": 5}]}
        made = await office.post("subscriptions", params, expand=["latest_invoice"])
        assert made["latest_invoice"]["total"] == total, mode


async def test_what_cannot_go_together_is_refused(office: Office) -> None:
    customer, monthly, yearly = await office.customer(), await office.price(), await office.price(1, "year")
    euros = await office.price(900, currency="eur")
    once = await office.price(500, None)
    for prices in ((), (monthly, yearly), (monthly, euros), (monthly, monthly), (once,), ("price_none",)):
        await office.subscribe(customer, *prices, reply=400)
    await office.subscribe("cus_none", monthly, reply=400)
    await office.subscribe(customer, monthly, payment_behavior="pending_if_incomplete", reply=400)
    await office.subscribe(customer, monthly, collection_method="send_invoice", reply=400)
    await office.subscribe(customer, monthly, days_until_due=3, reply=400)
    await office.subscribe(customer, monthly)
    error = await office.subscribe(customer, euros, reply=400)
    assert "cannot combine currencies" in error["message"]


async def test_canceling_at_once_ends_it(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price())
    gone = await office.delete(f"subscriptions/{made['id']}", cancellation_details={"comment": "Too hot"})
    assert (gone["status"], gone["ended_at"]) == ("canceled", START)
    assert gone["cancellation_details"]["reason"] == "cancellation_requested"
    assert gone["cancellation_details"]["comment"] == "Too hot"
    assert office.news("customer.subscription")[-1] == "customer.subscription.deleted"
    await office.delete(f"subscriptions/{made['id']}", reply=404)
    await office.post(f"subscriptions/{made['id']}", description="again", reply=400)
    await office.post(f"subscriptions/{made['id']}", metadata={"a": "b"})
    office.advance(days=40)
    assert len(await office.invoices(made["customer"])) == 1


async def test_canceling_with_prorate_and_invoice_now_gives_credit(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(3100))
    office.advance(days=21)
    await office.delete(f"subscriptions/{made['id']}", prorate=True, invoice_now=True)
    last = (await office.invoices(customer))[-1]
    assert (amounts(last), last["status"]) == ([-1000], "paid")
    assert (await office.get(f"customers/{customer}"))["balance"] == -1000


async def test_canceling_at_the_period_end_can_be_taken_back(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price())
    end = period(made)[1]
    asked = await office.post(f"subscriptions/{made['id']}", cancel_at_period_end=True)
    assert (asked["cancel_at"], asked["canceled_at"], asked["status"]) == (end, START, "active")
    back = await office.post(f"subscriptions/{made['id']}", cancel_at_period_end=False)
    assert (back["cancel_at"], back["canceled_at"], back["cancellation_details"]["reason"]) == (None, None, None)
    await office.post(f"subscriptions/{made['id']}", cancel_at_period_end=True)
    office.advance(days=31)
    over = await office.subscription(made["id"])
    assert (over["status"], over["ended_at"], over["canceled_at"]) == ("canceled", end, START)
    assert len(await office.invoices(made["customer"])) == 1


async def test_cancel_at_ends_it_at_that_time(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(), cancel_at=START + 5 * DAY)
    await office.post(f"subscriptions/{made['id']}", cancel_at=START - 1, reply=400)
    office.advance(days=4)
    assert (await office.subscription(made["id"]))["status"] == "active"
    office.advance(days=1)
    assert (await office.subscription(made["id"]))["status"] == "canceled"


async def test_deleting_the_customer_ends_subscriptions(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.delete(f"customers/{customer}")
    assert (await office.subscription(made["id"]))["status"] == "canceled"
    office.advance(days=40)


async def test_lists_leave_the_canceled_out_unless_asked(office: Office) -> None:
    customer, price = await office.customer(), await office.price()
    kept = await office.subscribe(customer, price)
    gone = await office.subscribe(customer, price)
    await office.delete(f"subscriptions/{gone['id']}")

    async def ids(**params: Any) -> list[str]:
        return [each["id"] for each in (await office.get("subscriptions", customer=customer, **params))["data"]]

    assert await ids() == [kept["id"]]
    assert await ids(status="all") == [gone["id"], kept["id"]]
    assert await ids(status="ended") == await ids(status="canceled") == [gone["id"]]
    assert await ids(price=price) == [kept["id"]]
    assert await ids(price="price_other") == await ids(status="trialing") == []
    assert await ids(current_period_end={"gt": START}) == [kept["id"]]
    found = await office.get("subscriptions/search", query="status:'active'")
    assert [each["id"] for each in found["data"]] == [kept["id"]]


async def test_entitling_follows_the_status(office: Office) -> None:
    price = await office.price()
    product = (await office.get(f"prices/{price}"))["product"]
    feature = await office.post("entitlements/features", lookup_key="gold", name="Gold")
    await office.post(f"products/{product}/features", entitlement_feature=feature["id"])
    customer = await office.customer()
    made = await office.subscribe(customer, price)
    assert len((await office.get("entitlements/active_entitlements", customer=customer))["data"]) == 1
    await office.delete(f"subscriptions/{made['id']}")
    assert (await office.get("entitlements/active_entitlements", customer=customer))["data"] == []


async def test_earlier_versions_ask_in_their_own_words(office: Office) -> None:
    customer, price = await office.customer(), await office.price()
    made = await office.post("subscriptions", customer=customer, plan=price, quantity=2)
    assert (made["items"]["data"][0]["quantity"], made["items"]["data"][0]["plan"]["amount"]) == (2, 1000)
    more = await office.post(f"subscriptions/{made['id']}", quantity=3, prorate="false", billing_cycle_anchor="now")
    assert more["items"]["data"][0]["quantity"] == 3
    error = await office.post("subscriptions", customer=customer, items=[{"plan": "none"}], reply=400)
    assert (error["param"], error["message"]) == ("plan", "No such plan: 'none'")
    await office.post(f"subscriptions/{made['id']}", billing_cycle_anchor="later", reply=400)


async def test_items_are_found_by_themselves(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price())
    other = await office.price(300)
    added = await office.post("subscription_items", subscription=made["id"], price=other, quantity=2)
    listed = await office.get("subscription_items", subscription=made["id"])
    assert [each["id"] for each in listed["data"]] == [item(made), added["id"]]
    changed = await office.post(f"subscription_items/{added['id']}", quantity=4, metadata={"a": "b"})
    assert (changed["quantity"], changed["metadata"]) == (4, {"a": "b"})
    assert await office.get(f"subscription_items/{added['id']}") == changed
    assert (await office.subscription(made["id"]))["items"]["data"][1] == changed
    assert (await office.delete(f"subscription_items/{added['id']}"))["deleted"] is True
    await office.get(f"subscription_items/{added['id']}", reply=404)
    await office.delete(f"subscription_items/{item(made)}", reply=400)


async def test_migrating_leads_to_the_flexible_mode(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(), billing_mode={"type": "classic"})
    assert made["billing_mode"]["type"] == "classic"
    moved = await office.post(f"subscriptions/{made['id']}/migrate", billing_mode={"type": "flexible"})
    assert moved["billing_mode"]["type"] == "flexible"
    await office.post(f"subscriptions/{made['id']}/migrate", billing_mode={"type": "flexible"}, reply=400)


async def test_what_ran_out_says_that_it_was_to_and_what_was_stopped_does_not(office: Office) -> None:
    price = await office.price()
    ran_out = await office.subscribe(await office.customer(), price, cancel_at_period_end=True)
    stopped = await office.subscribe(await office.customer(), price, cancel_at_period_end=True)
    await office.delete(f"subscriptions/{stopped['id']}")
    assert office.last("customer.subscription.deleted")["object"]["cancel_at_period_end"] is False
    office.advance(days=31)
    told = office.last("customer.subscription.deleted")["object"]
    assert (told["id"], told["cancel_at_period_end"], told["status"]) == (ran_out["id"], True, "canceled")
    assert (await office.subscription(ran_out["id"]))["cancel_at_period_end"] is True
