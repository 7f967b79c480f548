"""Why somebody has what they have."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.billing.facts import ALICE, MONTH, NOW, Desk, invoice, open_desk, refund, session, subscription
from tollhouse.billing import entitlements, invoices, purchases, reversals, subscriptions, why
from tollhouse.billing.tables import stripe_events
from tollhouse.ledger.spends import spend


@pytest.fixture
async def desk(migrated_database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(migrated_database_url) as opened:
        yield opened


async def test_credits_lead_from_the_spend_back_to_the_event(desk: Desk) -> None:
    await desk.begin()
    event = {"id": "evt_1", "type": "checkout.session.completed", "livemode": 0, "object_id": "cs_1"}
    await desk.add(stripe_events, **event, status="processed", received_at=NOW)
    await desk.do(purchases.settle, session())
    await desk.db.transact(spend, desk.till.run, ALICE, 30, reference="report 7")
    await desk.do(reversals.note, refund(100))
    told = await why.explain_credits(desk.till, ALICE)
    assert told["what"] == "50 credits available, 0 held, 0 owed"
    (lot,) = told["because"]
    assert [(each["what"], each["reference"]) for each in lot["became"]] == [
        ("spend of 30", "report 7"),
        ("clawback of 20", "re_1"),
    ]
    (payment,) = lot["because"]
    assert (payment["reversed_minor"], payment["stripe_object_id"]) == (100, "cs_1")
    assert [each["what"] for each in payment["reversals"]] == ["refund re_1 of 100 usd: succeeded"]
    assert [each["what"] for each in payment["because"]] == ["event evt_1: checkout.session.completed"]


async def test_a_feature_leads_to_what_is_paid_for_it(desk: Desk) -> None:
    await desk.do(subscriptions.write, subscription(cancel_at=NOW + MONTH))
    await desk.do(invoices.settle, invoice())
    await desk.do(entitlements.replace, ALICE, frozenset({"exports"}))
    told = await why.explain_feature(desk.till, ALICE, "exports")
    assert told["what"] == "exports: entitled"
    plan, own = told["because"]
    assert (plan["what"], plan["entitles"], plan["until"]) == (
        "subscription sub_1 of pro: active",
        True,
        "2027-02-14T08:00:00Z",
    )
    assert plan["because"][0]["what"] == "payment in_1 of 900 eur for 100 credits"
    assert own["what"] == "an entitlement at Stripe"


async def test_what_does_not_entitle_any_more_says_so(desk: Desk) -> None:
    await desk.begin("kept-once")
    await desk.do(purchases.settle, session(amount_total_minor=1000))
    await desk.do(reversals.note, refund(1000))
    await desk.do(subscriptions.write, subscription(status="past_due"))
    desk.clock.at += MONTH
    told = await why.explain_feature(desk.till, ALICE, "lasting")
    assert (told["what"], told["because"][0]["entitles"]) == ("lasting: not entitled", False)
    late = (await why.explain_feature(desk.till, ALICE, "exports"))["because"][0]
    assert (late["entitles"], late["until"]) == (False, "2027-01-22T08:00:00Z")
    assert (await why.explain_feature(desk.till, "usr_bob", "x"))["because"] == []


async def test_credits_of_no_payment_name_their_source(desk: Desk) -> None:
    from tollhouse.ledger.grants import Source, grant

    await desk.db.transact(grant, desk.till.run, ALICE, 5, source=Source("sign_up", ALICE))
    (lot,) = (await why.explain_credits(desk.till, ALICE))["because"]
    assert lot["because"] == [{"what": f"sign_up {ALICE}"}]
