"""Test clocks: customers in a time of their own."""

from __future__ import annotations

from tests.sandbox.conftest import START

from .office import DAY, FAILING, HOUR, Office, period

THEN = 1_738_281_600  # 31 January 2025, 00:00 UTC
PATH = "test_helpers/test_clocks"


async def advance(office: Office, clock: str, time: int) -> None:
    moving = await office.post(f"{PATH}/{clock}/advance", frozen_time=time)
    assert (moving["status"], moving["status_details"]["advancing"]["target_frozen_time"]) == ("advancing", time)
    arrived = await office.get(f"{PATH}/{clock}")
    assert (arrived["status"], arrived["frozen_time"]) == ("ready", time)


async def test_everything_under_a_clock_happens_in_its_time(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN, name="January"))["id"]
    customer = await office.customer(test_clock=clock)
    made = await office.subscribe(customer, await office.price())
    assert (made["created"], made["test_clock"]) == (THEN, clock)
    assert period(made) == (THEN, THEN + 28 * DAY)  # 31 January to 28 February
    await advance(office, clock, THEN + 59 * DAY)
    found = await office.invoices(customer)
    assert [each["created"] for each in found] == [THEN, THEN + 28 * DAY, THEN + 59 * DAY]
    assert found[1]["status_transitions"]["paid_at"] == THEN + 28 * DAY + HOUR
    charges = (await office.get("charges", customer=customer))["data"]
    assert [each["created"] for each in charges] == [THEN + 28 * DAY + HOUR, THEN]
    assert period(await office.subscription(made["id"])) == (THEN + 59 * DAY, THEN + 89 * DAY)
    assert office.news("test_helpers") == [
        f"test_helpers.test_clock.{each}" for each in ("created", "advancing", "ready")
    ]  # fmt: skip


async def test_the_accounts_own_time_does_not_move_a_clock(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN))["id"]
    customer = await office.customer(test_clock=clock)
    await office.subscribe(customer, await office.price())
    office.advance(days=20)
    assert len(await office.invoices(customer)) == 1
    other = await office.subscribe(await office.customer(), await office.price())
    await advance(office, clock, THEN + 50 * DAY)
    assert other["created"] == START + 20 * DAY
    assert len(await office.invoices(other["customer"])) == 1


async def test_a_clock_moves_two_intervals_at_most_and_never_back(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN))["id"]
    customer = await office.customer(test_clock=clock)
    await office.subscribe(customer, await office.price())
    for time in (THEN, THEN - 1, THEN + 60 * DAY):
        error = await office.post(f"{PATH}/{clock}/advance", frozen_time=time, reply=400)
        assert error["param"] == "frozen_time"
    await advance(office, clock, THEN + 59 * DAY)
    free = (await office.post(PATH, frozen_time=THEN))["id"]
    await advance(office, free, THEN + 700 * DAY)


async def test_dunning_under_a_clock_runs_to_its_end(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN))["id"]
    customer = await office.customer(test_clock=clock)
    made = await office.subscribe(customer, await office.price())
    await office.use(FAILING, customer)
    await advance(office, clock, THEN + 50 * DAY)
    ended = await office.subscription(made["id"])
    assert (ended["status"], ended["ended_at"]) == ("canceled", THEN + 43 * DAY + HOUR)


async def test_deleting_a_clock_deletes_its_customers(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN))["id"]
    customer = await office.customer(test_clock=clock)
    made = await office.subscribe(customer, await office.price())
    listed = (await office.get(PATH))["data"]
    assert [each["id"] for each in listed] == [clock]
    assert (await office.delete(f"{PATH}/{clock}"))["deleted"] is True
    assert (await office.get(f"customers/{customer}"))["deleted"] is True
    assert (await office.subscription(made["id"]))["status"] == "canceled"
    await office.get(f"{PATH}/{clock}", reply=404)
    await office.post("customers", test_clock=clock, reply=400)


async def test_a_clock_is_gone_after_thirty_days(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN))["id"]
    office.advance(days=30)
    await office.get(f"{PATH}/{clock}", reply=404)


async def test_a_clock_has_three_customers_at_most(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN))["id"]
    made = [await office.customer(None, test_clock=clock) for _ in range(3)]
    error = await office.post("customers", test_clock=clock, reply=400)
    assert error["param"] == "test_clock"
    await office.delete(f"customers/{made[0]}")
    await office.customer(None, test_clock=clock)
    other = (await office.post(PATH, frozen_time=THEN))["id"]
    await office.customer(None, test_clock=other)


async def test_a_customer_under_a_clock_has_three_subscriptions_at_most(office: Office) -> None:
    clock = (await office.post(PATH, frozen_time=THEN))["id"]
    customer, price = await office.customer(test_clock=clock), await office.price()
    made = [await office.subscribe(customer, price) for _ in range(3)]
    assert (await office.subscribe(customer, price, reply=400))["param"] == "customer"
    await office.delete(f"subscriptions/{made[0]['id']}")
    await office.subscribe(customer, price)
    free = await office.customer()
    for _ in range(4):
        await office.subscribe(free, price)
