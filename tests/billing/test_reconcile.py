"""Stripe and our books made to differ on purpose: each difference is found, explained, and repaired where it can be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.billing.shop import arrived, begun, bought, hold_webhooks_back, mend_stripe, pay, session_of
from tests.identity.rows import everything, rows_of, run_sql
from tollhouse.billing import reconcile
from tollhouse.billing.readers import read_session
from tollhouse.billing.reconcile import Difference, Report, nightly
from tollhouse.billing.reconcile.differences import UNREADABLE
from tollhouse.billing.reconcile.reconciling import YOUNG_US
from tollhouse.billing.reconcile.run import Run
from tollhouse.billing.reconcile.sessions import compare_session
from tollhouse.billing.tables import payments, purchases
from tollhouse.ledger import accounts
from tollhouse.testing import SignedInClient, TestKit

WEEK = 7 * 86_400
YOUNG_SECONDS = YOUNG_US // 1_000_000


async def compare(kit: TestKit, *, days: int = 30, repair: bool = False, later: int = YOUNG_SECONDS + 1) -> Report:
    """What a run finds once all there is has grown old enough; nothing that time brings is told by events."""
    await hold_webhooks_back(kit)
    kit.stripe.advance(later)
    return await reconcile.reconcile(kit.toll.till, days=days, repair=repair)


async def only_difference(kit: TestKit, **options: Any) -> Difference:
    report = await compare(kit, **options)
    assert len(report.differences) == 1, report.differences
    return report.differences[0]


async def available(alice: SignedInClient) -> int:
    return (await accounts.find(alice.browser.kit.toll.run.db, alice.user_id)).available


async def refund(kit: TestKit, session_id: str, **fields: Any) -> None:
    async with kit.stripe.client() as client:
        intent = (await client.get(f"/v1/checkout/sessions/{session_id}")).json()["payment_intent"]
    await kit.stripe.control("/refunds", payment_intent=intent, **fields)


async def test_a_shop_where_all_went_well_shows_no_difference(kit: TestKit, alice: SignedInClient):
    pack = await bought(kit, alice)
    await bought(kit, alice, "pro-monthly")
    await bought(kit, alice, "pack-free")
    await refund(kit, pack["checkout_session_id"], amount=100)
    await begun(alice, "pack-100", quantity=2)
    await arrived(kit)
    report = await compare(kit)
    assert report.differences == []
    assert report.remaining == 0
    assert {"sessions", "invoices", "subscriptions", "refunds", "payments", "accounts"} <= set(report.compared)


async def test_what_no_event_ever_told_of_is_made_good_and_then_nothing_is_left(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    pack = await bought(kit, alice, quantity=2)
    await bought(kit, alice, "pro-monthly")
    await refund(kit, pack["checkout_session_id"], amount=500)
    assert await available(alice) == 0
    found = await compare(kit, repair=True)
    assert found.remaining == 0, found.differences
    assert found.repaired.keys() == {"payment_missing", "subscription_unknown", "reversal_missing"}
    assert await available(alice) == 200  # 100 of the pack went back with half of its price, and 100 of the plan
    assert (await alice.get("/billing/entitlements")).json()["features"] == ["exports", "long-history"]
    assert (await compare(kit, repair=True)).differences == []
    assert await available(alice) == 200


async def test_events_that_come_after_the_repair_grant_nothing_more(kit: TestKit, alice: SignedInClient):
    await kit.stripe.control("/faults", fault="delay", seconds=WEEK)
    await bought(kit, alice)
    await bought(kit, alice, "pro-monthly")
    assert (await compare(kit, repair=True)).remaining == 0
    before = await rows_of(kit, purchases), await available(alice)
    await mend_stripe(kit)
    await kit.stripe.advance_and_settle(WEEK)
    await arrived(kit)
    assert (await rows_of(kit, purchases), await available(alice)) == before


async def test_without_repair_differences_are_told_and_nothing_changes(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    reply = await bought(kit, alice)
    await arrived(kit)
    before = await everything(kit)
    difference = await only_difference(kit)
    assert (difference.kind, difference.user_id) == ("payment_missing", alice.user_id)
    assert difference.object_id == reply["checkout_session_id"]
    assert (difference.is_repairable, difference.is_repaired) == (True, False)
    assert reply["purchase_id"] in difference.detail
    assert await everything(kit) == before


async def test_what_is_younger_than_two_minutes_is_left_to_its_webhooks(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    await bought(kit, alice)
    await bought(kit, alice, "pro-monthly")
    assert (await compare(kit, later=0)).differences == []
    assert len((await compare(kit)).differences) >= 2


async def test_what_is_older_than_the_window_is_not_looked_at(kit: TestKit, alice: SignedInClient):
    reply = await bought(kit, alice)
    await hold_webhooks_back(kit)
    await refund(kit, reply["checkout_session_id"])
    assert (await compare(kit, days=1, later=2 * 86_400)).differences == []
    assert (await only_difference(kit, days=3)).kind == "reversal_missing"


async def test_a_subscription_of_before_the_window_is_looked_at_all_the_same(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    found = await compare(kit, days=1, later=31 * 86_400, repair=True)  # it was renewed, and nobody told us
    assert found.remaining == 0, found.differences
    assert found.repaired == {"subscription_differs": 1}  # and with it what its newest invoice brings
    assert await available(alice) == 100
    assert (await compare(kit, days=1)).differences == []


async def test_a_page_that_expired_unheard_frees_its_purchase(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    await begun(alice, "pro-monthly")
    found = await compare(kit, later=25 * 3600, repair=True)
    assert found.repaired == {"purchase_behind": 1}
    (row,) = await rows_of(kit, purchases)
    assert (row["status"], row["claim"]) == ("expired", None)


async def test_a_purchase_whose_page_was_never_made_is_given_up(kit: TestKit, alice: SignedInClient):
    await begun(alice)
    await run_sql(kit, "UPDATE tollhouse_purchases SET status = 'creating', checkout_session_id = NULL, expires_at = 1")
    async with kit.stripe.client() as client:
        (session,) = (await client.get("/v1/checkout/sessions")).json()["data"]
    await hold_webhooks_back(kit)
    await kit.stripe.control(f"/checkout/sessions/{session['id']}/expire")
    found = await compare(kit, days=30, later=31 * 86_400, repair=True)
    assert found.repaired == {"purchase_stuck": 1}, found.differences
    (row,) = await rows_of(kit, purchases)
    assert row["status"] == "expired"


async def test_a_bank_that_refuses_unheard_fails_the_purchase(kit: TestKit, alice: SignedInClient):
    reply = await begun(alice)
    await pay(kit, reply["checkout_session_id"], bank_account="000123456789")
    await arrived(kit)
    (row,) = await rows_of(kit, purchases)
    assert row["status"] == "processing"
    assert (await compare(kit)).differences == []
    await kit.stripe.control(f"/payment_intents/{row['payment_intent_id']}/fail")
    found = await compare(kit, repair=True)
    assert found.repaired == {"purchase_behind": 1}, found.differences
    assert [row["status"] for row in await rows_of(kit, purchases)] == ["failed"]
    assert (await compare(kit)).differences == []


async def test_money_for_a_purchase_that_is_nowhere_needs_a_person(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    await bought(kit, alice)
    await run_sql(kit, "DELETE FROM tollhouse_purchases")
    difference = await only_difference(kit, repair=True)
    assert (difference.kind, difference.is_repairable) == ("purchase_unknown", False)


async def test_a_purchase_that_was_paid_on_two_pages_needs_a_person(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice)
    await run_sql(kit, "UPDATE tollhouse_purchases SET checkout_session_id = 'cs_another'")
    report = await compare(kit, repair=True)
    assert report.found["paid_twice"] == 1
    assert report.repaired.total() == 0


async def test_an_amount_that_is_not_what_stripe_was_paid_is_told(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice)
    await run_sql(kit, "UPDATE tollhouse_payments SET amount_minor = 499")
    difference = await only_difference(kit, repair=True)
    assert (difference.kind, difference.is_repaired) == ("amount_differs", False)
    assert "500" in difference.detail
    assert "499" in difference.detail


SUBSCRIPTIONS_CHANGED = {
    "DELETE FROM tollhouse_subscriptions": "subscription_unknown",
    "UPDATE tollhouse_subscriptions SET status = 'past_due'": "subscription_differs",
    "UPDATE tollhouse_subscriptions SET current_period_end = 1": "subscription_differs",
    "UPDATE tollhouse_subscriptions SET stripe_price_id = 'price_other'": "subscription_differs",
}


async def test_a_subscription_that_is_not_as_stripe_has_it_is_read_again(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    for sql, kind in SUBSCRIPTIONS_CHANGED.items():
        await run_sql(kit, sql)
        assert (await only_difference(kit)).kind == kind
        assert (await compare(kit, repair=True)).repaired == {kind: 1}
        assert (await compare(kit)).differences == []


async def test_a_subscription_that_ended_unheard_ends_here(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    async with kit.stripe.client() as client:
        (subscription,) = (await client.get("/v1/subscriptions")).json()["data"]
        await hold_webhooks_back(kit)
        (await client.delete(f"/v1/subscriptions/{subscription['id']}")).raise_for_status()
    found = await compare(kit, days=1, later=5 * 86_400, repair=True)  # it began before the window
    assert found.repaired == {"subscription_differs": 1}, found.differences
    assert (await alice.get("/billing/entitlements")).json()["features"] == []


async def test_a_subscription_that_stripe_does_not_know_needs_a_person(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    await run_sql(kit, "UPDATE tollhouse_subscriptions SET id = 'sub_ghost'")
    report = await compare(kit)
    assert report.found == {"subscription_unknown": 1, "subscription_unbacked": 1}


async def test_two_living_subscriptions_of_one_product_are_told(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    await bought(kit, await kit.sign_in("bob@example.com"), "pro-yearly")
    await run_sql(kit, f"UPDATE tollhouse_subscriptions SET user_id = '{alice.user_id}'")
    difference = await only_difference(kit, repair=True)
    assert (difference.kind, difference.user_id, difference.is_repairable) == ("subscribed_twice", alice.user_id, False)


@pytest.mark.parametrize("price", ["pack-100", "pro-monthly"])
async def test_a_payment_that_stripe_knows_nothing_of_is_told(kit: TestKit, alice: SignedInClient, price: str):
    await bought(kit, alice, price)
    for table in ("payments", "purchases"):
        await run_sql(kit, f"UPDATE tollhouse_{table} SET id = 'ghost'")
    await run_sql(kit, "UPDATE tollhouse_lots SET source_id = 'ghost'")
    await run_sql(kit, "UPDATE tollhouse_entries SET source_id = 'ghost'")
    await run_sql(kit, "UPDATE tollhouse_purchases SET checkout_session_id = 'cs_ghost'")
    report = await compare(kit)
    assert report.found["payment_unbacked"] == 1, report.differences
    assert report.found.keys() <= {"payment_unbacked", "payment_missing", "purchase_unknown"}


async def test_a_purchase_that_is_paid_here_alone_is_told(kit: TestKit, alice: SignedInClient):
    await begun(alice)
    await run_sql(kit, "UPDATE tollhouse_purchases SET status = 'paid'")
    assert (await only_difference(kit, repair=True)).kind == "payment_unbacked"


async def test_a_refund_that_stripe_does_not_know_is_told(kit: TestKit, alice: SignedInClient):
    reply = await bought(kit, alice)
    await refund(kit, reply["checkout_session_id"])
    await arrived(kit)
    await run_sql(kit, "UPDATE tollhouse_reversals SET id = 're_ghost'")
    report = await compare(kit)
    assert report.found["reversal_unbacked"] == 1
    assert report.found["reversal_missing"] == 1


async def test_a_refund_that_counts_here_and_not_at_stripe_is_told(kit: TestKit, alice: SignedInClient):
    reply = await bought(kit, alice)
    await refund(kit, reply["checkout_session_id"])
    await arrived(kit)
    await run_sql(kit, "UPDATE tollhouse_reversals SET stage = 2")
    report = await compare(kit)
    assert report.found["reversal_unbacked"] == 1


async def test_a_dispute_that_no_event_told_of_takes_its_credits(kit: TestKit, alice: SignedInClient):
    reply = await bought(kit, alice)
    await hold_webhooks_back(kit)
    async with kit.stripe.client() as client:
        session = (await client.get(f"/v1/checkout/sessions/{reply['checkout_session_id']}")).json()
    await kit.stripe.control("/disputes", payment_intent=session["payment_intent"])
    found = await compare(kit, repair=True)
    assert found.repaired == {"reversal_missing": 1}, found.differences
    assert await available(alice) == 0
    assert (await compare(kit, days=1, later=3 * 86_400)).differences == []


async def test_a_refund_of_an_invoice_is_found_though_its_payment_names_no_intent(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    await run_sql(kit, "UPDATE tollhouse_payments SET payment_intent_id = NULL")
    await hold_webhooks_back(kit)
    async with kit.stripe.client() as client:
        (paid,) = (await client.get("/v1/invoice_payments")).json()["data"]
    await kit.stripe.control("/refunds", payment_intent=paid["payment"]["payment_intent"])
    found = await compare(kit, repair=True)
    assert found.repaired == {"reversal_missing": 1}, found.differences
    assert await available(alice) == 0


async def test_what_others_sell_through_the_same_account_is_left_alone(kit: TestKit):
    card = {"payment_method": "pm_card_visa", "invoice_settings[default_payment_method]": "pm_card_visa"}
    price = {"currency": "usd", "unit_amount": "900", "recurring[interval]": "month", "product_data[name]": "Theirs"}
    async with kit.stripe.client() as client:
        customer = (await client.post("/v1/customers", data=card)).raise_for_status().json()["id"]
        theirs = (await client.post("/v1/prices", data=price)).raise_for_status().json()["id"]
        fields = {"customer": customer, "items[0][price]": theirs}
        (await client.post("/v1/subscriptions", data=fields)).raise_for_status()
        (paid,) = (await client.get("/v1/invoice_payments")).json()["data"]
        fields = {"mode": "payment", "success_url": "https://example.com", "line_items[0][quantity]": "1"}
        fields |= {"line_items[0][price_data][currency]": "usd", "line_items[0][price_data][unit_amount]": "500"}
        fields |= {"line_items[0][price_data][product_data][name]": "Theirs"}
        session = (await client.post("/v1/checkout/sessions", data=fields)).raise_for_status().json()
    await pay(kit, session["id"])
    await refund(kit, session["id"])
    await kit.stripe.control("/refunds", payment_intent=paid["payment"]["payment_intent"])
    await arrived(kit)
    assert (await compare(kit, repair=True)).differences == []


async def test_an_invoice_is_compared_by_what_was_paid(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice, "pro-monthly")
    await run_sql(kit, "UPDATE tollhouse_payments SET amount_minor = 1")
    difference = await only_difference(kit)
    assert (difference.kind, difference.object_id[:3]) == ("amount_differs", "in_")
    await run_sql(kit, "DELETE FROM tollhouse_payments")
    difference = await only_difference(kit)
    assert (difference.kind, difference.object_id[:3], difference.user_id) == ("payment_missing", "in_", alice.user_id)


@pytest.mark.parametrize("price", ["pack-100", "pro-monthly"])
async def test_a_payment_is_compared_though_its_object_is_older_than_the_window(
    kit: TestKit, alice: SignedInClient, price: str
):
    await bought(kit, alice, price)
    await compare(kit, later=2 * 86_400)
    await run_sql(kit, f"UPDATE tollhouse_payments SET created_at = {kit.clock.now_us() - 10 * YOUNG_US}")
    assert (await compare(kit, days=1)).differences == []
    await run_sql(kit, "UPDATE tollhouse_payments SET amount_minor = amount_minor + 1")
    assert (await compare(kit, days=1)).found["amount_differs"] == 1


async def test_a_clawback_that_did_not_happen_is_made_up_for(kit: TestKit, alice: SignedInClient):
    reply = await bought(kit, alice)
    await hold_webhooks_back(kit)
    await refund(kit, reply["checkout_session_id"], amount=250)
    assert await available(alice) == 100
    assert (await compare(kit, repair=True)).repaired == {"reversal_missing": 1}
    assert await available(alice) == 50
    await run_sql(kit, "UPDATE tollhouse_payments SET reversed_minor = 0")
    assert (await only_difference(kit)).kind == "clawback_differs"
    assert (await compare(kit, repair=True)).repaired == {"clawback_differs": 1}
    await run_sql(kit, "UPDATE tollhouse_entries SET credits = -49 WHERE kind = 'clawback'")
    report = await compare(kit, repair=True)
    assert report.found["clawback_differs"] == 1
    assert report.remaining >= 1


async def test_credits_that_expired_before_their_refund_are_no_difference(kit: TestKit, alice: SignedInClient):
    reply = await bought(kit, alice)
    await run_sql(kit, "UPDATE tollhouse_lots SET expires_at = 1")
    await run_sql(kit, "UPDATE tollhouse_accounts SET expires_next_at = 1")
    await refund(kit, reply["checkout_session_id"])
    await arrived(kit)
    (row,) = await rows_of(kit, payments)
    assert (row["reversed_minor"], row["reversed_credits"]) == (500, 0)
    assert (await compare(kit)).differences == []
    await run_sql(kit, "UPDATE tollhouse_payments SET reversed_credits = 100")
    assert (await compare(kit, repair=True)).repaired == {"clawback_differs": 1}


BOOKS_CHANGED = {
    "UPDATE tollhouse_accounts SET balance = balance {} 7": {"balance_differs", "lots_differ"},
    "UPDATE tollhouse_accounts SET held = held {} 1": {"holds_differ"},
    "UPDATE tollhouse_accounts SET entries = entries {} 1": {"entries_missing"},
    "UPDATE tollhouse_lots SET granted = granted {0} 1, remaining = remaining {0} 1": {"lots_differ"},
    "UPDATE tollhouse_entries SET credits = credits {} 1": {"balance_differs", "credits_differ"},
    "UPDATE tollhouse_payments SET credits = credits {} 1": {"credits_differ"},
}


async def test_books_that_do_not_agree_with_themselves_need_a_person(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice)
    for sql, kinds in BOOKS_CHANGED.items():
        await run_sql(kit, sql.format("+"))
        report = await compare(kit, repair=True)
        assert report.found.keys() == kinds
        assert all(each.user_id == alice.user_id and not each.is_repairable for each in report.differences)
        await run_sql(kit, sql.format("-"))
    assert (await compare(kit)).differences == []


async def test_an_object_that_cannot_be_read_is_told_and_passed_over(kit: TestKit):
    run = Run(kit.toll.till, Report(0, 1), repairs=True)
    assert run.read({"id": "cs_1", "mode": 7}, read_session) is None
    assert [(each.kind, each.object_id) for each in run.report.differences] == [(UNREADABLE, "cs_1")]


async def test_a_list_that_is_older_than_a_webhook_is_not_believed(kit: TestKit, alice: SignedInClient):
    reply = await begun(alice)
    stale = read_session(await session_of(kit, reply["checkout_session_id"]))
    await pay(kit, reply["checkout_session_id"])
    await arrived(kit)
    run = Run(kit.toll.till, Report(0, 1), repairs=False)
    await compare_session(run, stale)
    assert run.report.differences == []


async def test_a_repair_that_fails_keeps_nothing_else_from_being_repaired(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    await bought(kit, alice)
    await begun(alice, "pro-monthly")
    (session_id,) = [row["checkout_session_id"] for row in await rows_of(kit, purchases) if row["mode"] != "payment"]
    await pay(kit, session_id)
    await run_sql(kit, "UPDATE tollhouse_purchases SET credits = 2000000000000 WHERE mode = 'payment'")
    report = await compare(kit, repair=True)
    assert report.repaired["subscription_unknown"] == 1
    assert report.remaining == 1
    (left,) = [each for each in report.differences if not each.is_repaired]
    assert left.kind == "payment_missing"
    assert "failed" in left.detail


async def test_progress_goes_from_nothing_to_all(kit: TestKit, alice: SignedInClient):
    await bought(kit, alice)
    kit.stripe.advance(YOUNG_SECONDS + 1)
    shares: list[float] = []
    await reconcile.reconcile(kit.toll.till, days=1, repair=False, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


async def test_every_night_what_is_missing_is_repaired(kit: TestKit, alice: SignedInClient):
    await hold_webhooks_back(kit)
    await bought(kit, alice)
    kit.stripe.advance(YOUNG_SECONDS + 1)
    await nightly.run(kit.toll.till)
    assert await available(alice) == 100
