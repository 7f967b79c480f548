"""Trials, and pauses of whole subscriptions."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import START

from .office import DAY, FAILING, VISA, Office, amounts, period


async def test_a_trial_costs_nothing_and_then_the_price(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(), trial_period_days=14, expand=["latest_invoice"])
    invoice = made["latest_invoice"]
    assert (made["status"], made["trial_end"], made["billing_cycle_anchor"]) == ("trialing", *[START + 14 * DAY] * 2)
    assert period(made) == (START, START + 14 * DAY)
    assert (invoice["status"], invoice["total"], invoice["attempt_count"]) == ("paid", 0, 0)
    assert invoice["lines"]["data"][0]["description"] == "Free trial for 1 × Plan"
    office.news()
    office.advance(days=11)
    assert office.news()[-1] == "customer.subscription.trial_will_end"
    office.advance(days=3, hours=1)
    begun = await office.subscription(made["id"])
    assert (begun["status"], begun["latest_invoice"]["status"]) == ("active", "paid")
    assert amounts(begun["latest_invoice"]) == [1000]
    assert period(begun) == (START + 14 * DAY, START + 44 * DAY)  # 29 January to 28 February


async def test_a_short_trial_is_warned_of_at_once(office: Office) -> None:
    await office.subscribe(await office.customer(None), await office.price(), trial_period_days=1)
    assert office.news("customer.subscription") == [
        "customer.subscription.created", "customer.subscription.trial_will_end",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("behavior", "status"), [("create_invoice", "past_due"), ("cancel", "canceled"), ("pause", "paused")]
)
async def test_a_trial_that_ends_without_a_card_does_as_it_was_told(office: Office, behavior: str, status: str) -> None:
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    made = await office.subscribe(
        await office.customer(None), await office.price(), trial_period_days=7, trial_settings=settings
    )
    office.advance(days=7, hours=1)
    ended = await office.subscription(made["id"])
    assert ended["status"] == status
    if status == "paused":
        assert ended["status_details"]["paused"]["subscription"]["type"] == "trial_end_without_payment_method"
        assert office.news("customer.subscription")[-1] == "customer.subscription.paused"


async def test_a_trial_can_be_ended_at_once(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(), trial_end=START + 9 * DAY)
    office.advance(days=2)
    ended = await office.post(f"subscriptions/{made['id']}", trial_end="now", expand=["latest_invoice"])
    assert (ended["status"], ended["trial_end"]) == ("active", START + 2 * DAY)
    assert (ended["latest_invoice"]["status"], amounts(ended["latest_invoice"])) == ("paid", [1000])
    assert period(ended)[0] == START + 2 * DAY


@pytest.mark.parametrize(("behavior", "status"), [("cancel", "canceled"), ("pause", "paused")])
async def test_ending_a_trial_without_a_card_does_as_it_was_told(office: Office, behavior: str, status: str) -> None:
    settings = {"end_behavior": {"missing_payment_method": behavior}}
    made = await office.subscribe(
        await office.customer(None), await office.price(), trial_period_days=7, trial_settings=settings
    )
    assert (await office.post(f"subscriptions/{made['id']}", trial_end="now"))["status"] == status
    assert len(await office.invoices(made["customer"])) == 1


async def test_a_trial_can_be_granted_and_prolonged(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(3100))
    office.advance(days=1)
    granted = await office.post(f"subscriptions/{made['id']}", trial_end=START + 6 * DAY, expand=["latest_invoice"])
    assert (granted["status"], granted["latest_invoice"]["total"]) == ("trialing", -3000)
    longer = await office.post(f"subscriptions/{made['id']}", trial_end=START + 9 * DAY)
    assert period(longer)[1] == longer["billing_cycle_anchor"] == START + 9 * DAY
    await office.post(f"subscriptions/{made['id']}", trial_end=START - 5, reply=400)


async def test_trials_are_bounded_and_may_come_with_the_price(office: Office) -> None:
    customer = await office.customer()
    price = await office.price(1000, None, recurring={"interval": "month", "trial_period_days": 3})
    assert (await office.subscribe(customer, price))["status"] == "active"
    assert (await office.subscribe(customer, price, trial_from_plan=True))["trial_end"] == START + 3 * DAY
    for params in (
        {"trial_end": START - 1},
        {"trial_period_days": 731},
        {"trial_period_days": 1, "trial_end": START + 9},
    ):
        await office.subscribe(customer, price, **params, reply=400)


async def test_what_is_set_up_during_a_trial_pays_later(office: Office) -> None:
    made = await office.subscribe(
        await office.customer(None), await office.price(), trial_period_days=7, payment_behavior="default_incomplete"
    )
    await office.post(f"setup_intents/{made['pending_setup_intent']}/confirm", payment_method=VISA)
    ready = await office.subscription(made["id"])
    assert (ready["pending_setup_intent"], ready["default_payment_method"][:3]) == (None, "pm_")
    office.advance(days=7, hours=1)
    assert (await office.subscription(made["id"]))["latest_invoice"]["status"] == "paid"


async def test_a_paused_one_bills_nothing_until_it_is_resumed(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    paused = await office.post(f"subscriptions/{made['id']}/pause", type="subscription")
    assert paused["status"] == "paused"
    await office.post(f"subscriptions/{made['id']}/pause", reply=400)
    office.advance(days=50)
    assert len(await office.invoices(customer)) == 1
    resumed = await office.post(f"subscriptions/{made['id']}/resume", expand=["latest_invoice"])
    assert (resumed["status"], resumed["latest_invoice"]["status"]) == ("active", "paid")
    assert period(resumed)[0] == resumed["billing_cycle_anchor"] == START + 50 * DAY
    assert "status_details" not in resumed
    assert office.news("customer.subscription")[-2:] == [
        "customer.subscription.paused", "customer.subscription.resumed",
    ]  # fmt: skip
    await office.post(f"subscriptions/{made['id']}/resume", reply=400)


async def test_resuming_waits_for_its_payment(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.post(f"subscriptions/{made['id']}/pause")
    await office.use(FAILING, customer)
    held = await office.post(f"subscriptions/{made['id']}/resume")
    assert held["status"] == "paused"
    method = await office.use(VISA, customer)
    await office.post(f"invoices/{held['latest_invoice']}/pay", payment_method=method)
    assert (await office.subscription(made["id"]))["status"] == "active"


async def test_resuming_on_an_attempt_does_not_wait(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price())
    await office.post(f"subscriptions/{made['id']}/pause")
    await office.use(FAILING, customer)
    resumed = await office.post(f"subscriptions/{made['id']}/resume", payment_behavior="resume_on_payment_attempt")
    assert resumed["status"] == "past_due"


async def test_pausing_credits_unused_time_and_resuming_keeps_the_cycle(office: Office) -> None:
    made = await office.subscribe(await office.customer(), await office.price(3100))
    office.advance(days=1)
    unused = {"unused_time_from": {"type": "now"}}
    await office.post(f"subscriptions/{made['id']}/pause", bill_for=unused, invoicing_behavior="invoice")
    paused = await office.subscription(made["id"])
    assert (paused["status"], amounts(paused["latest_invoice"])) == ("paused", [-3000])
    office.advance(days=10)
    resumed = await office.post(
        f"subscriptions/{made['id']}/resume", billing_cycle_anchor={"type": "unchanged"}, expand=["latest_invoice"]
    )
    assert (period(resumed), amounts(resumed["latest_invoice"])) == ((START, START + 31 * DAY), [2000])
    assert resumed["status"] == "active"
