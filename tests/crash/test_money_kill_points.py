"""A till killed at each named point: whoever comes next finishes it, and everything happens once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from tests.crash.money import Task, die, rows, till_of, work
from tollhouse import failpoints
from tollhouse.billing.catalogue_sync import push
from tollhouse.billing.reconcile import reconcile
from tollhouse.billing.tables import payments, purchases, stripe_events
from tollhouse.identity import foreign_users
from tollhouse.ledger import accounts
from tollhouse.ledger.api import Credits
from tollhouse.ledger.tables import entries
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.serving import serving

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured]

CARD = "4242424242424242"
KILLS = 5  # of each point, in one test: what differs is how far the others are
CHECKOUT = ("checkout.row_committed", "checkout.session_made", "checkout.stored")
WEBHOOK = ("webhook.before_commit", "webhook.committed")
SPEND = ("spend.before_commit", "spend.committed")
CAPTURE = ("capture.before_commit", "capture.committed")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox()
    async with serving(sandbox):
        yield sandbox


@pytest.fixture
async def task(sandbox: Sandbox, migrated_database_url: str) -> Task:
    task = Task(migrated_database_url, sandbox.url)
    async with till_of(task) as till:
        await push(till)
    return task


@pytest.fixture
def people(seeds: range) -> list[str]:
    """As many as there are to be deaths."""
    return [f"usr_{number:032x}" for number in range(1, 1 + max(KILLS, len(seeds)))]


def test_every_point_is_tried() -> None:
    assert set(failpoints.MONEY_POINTS) == {*CHECKOUT, *WEBHOOK, *SPEND, *CAPTURE, "reconcile.repaired"}


async def all_of(client: httpx.AsyncClient, path: str) -> list[dict]:
    return (await client.get(path, params={"limit": 100})).raise_for_status().json()["data"]


@pytest.mark.parametrize("point", CHECKOUT)
async def test_a_click_after_a_death_goes_on_with_the_same_purchase(
    task: Task, sandbox: Sandbox, people: list[str], point: str
) -> None:
    for user_id in people:
        mine = replace(task, work="checkout", user_id=user_id)
        await die(mine, point)
        begun = await work(mine)
        assert begun.status == "open"
    async with sandbox.client() as client:
        sessions = await all_of(client, "/v1/checkout/sessions")
        assert len(sessions) == len(await all_of(client, "/v1/customers")) == len(people)
    written = await rows(task, purchases)
    assert {row["checkout_session_id"] for row in written} == {session["id"] for session in sessions}
    assert len(written) == len(people)


async def buy(task: Task, sandbox: Sandbox, user_id: str) -> bytes:
    """A purchase that is paid at Stripe; its event, which nobody has received."""
    begun = await work(replace(task, work="checkout", user_id=user_id))
    await sandbox.control(f"/checkout/sessions/{begun.checkout_session_id}/pay", card=CARD)
    async with sandbox.client() as client:
        listed = await client.get("/v1/events", params={"type": "checkout.session.completed", "limit": 1})
        event = listed.json()["data"][0]
        assert event["data"]["object"]["id"] == begun.checkout_session_id
        return (await client.get(f"/v1/events/{event['id']}")).content


async def check_books(task: Task, **balances: int) -> None:
    """Balances are the sums of entries, and the reconciler has nothing to say."""
    async with till_of(task) as till:
        found = await reconcile(till, days=1, repair=False)
        assert not found.found.total(), found
        for user_id, balance in balances.items():
            assert (await accounts.find(till.run.db, user_id)).balance == balance
    written = await rows(task, entries)
    for user_id, balance in balances.items():
        assert sum(row["credits"] for row in written if row["user_id"] == user_id) == balance


@pytest.mark.parametrize("point", WEBHOOK)
async def test_an_event_that_comes_again_after_a_death_is_paid_once(
    task: Task, sandbox: Sandbox, people: list[str], point: str
) -> None:
    for user_id in people:
        told = replace(task, work="webhook", given={"body": await buy(task, sandbox, user_id)})
        await die(told, point)
        again = await work(told)
        assert again.status == ("duplicate" if point == "webhook.committed" else "processed")
    assert len(await rows(task, payments)) == len(people)
    assert len(await rows(task, stripe_events)) == len(people)
    await check_books(task, **dict.fromkeys(people, 100))


@pytest.mark.parametrize("point", SPEND)
async def test_a_spend_asked_for_again_after_a_death_is_one(task: Task, people: list[str], point: str) -> None:
    for user_id in people:
        await grant(task, user_id)
        mine = replace(task, work="spend", user_id=user_id)
        await die(mine, point)
        await work(mine)
    await check_books(task, **dict.fromkeys(people, 93))


@pytest.mark.parametrize("point", CAPTURE)
async def test_a_capture_asked_for_again_after_a_death_is_one(task: Task, people: list[str], point: str) -> None:
    for user_id in people:
        await grant(task, user_id)
        async with till_of(task) as till:
            held = await Credits(lambda: till.run).hold(user_id, 5)
        mine = replace(task, work="capture", user_id=user_id, given={"hold_id": held["hold_id"]})
        await die(mine, point)
        await work(mine)
    await check_books(task, **dict.fromkeys(people, 97))


async def grant(task: Task, user_id: str) -> None:
    async with till_of(task) as till:
        await till.run.db.write(foreign_users.ADD_USER, user_id=user_id, now=till.run.now_us)
        await Credits(lambda: till.run).grant(user_id, 100, key="first")


async def test_a_reconciliation_goes_on_where_others_died(task: Task, sandbox: Sandbox, people: list[str]) -> None:
    for user_id in people:
        await buy(task, sandbox, user_id)
    mine = replace(task, work="reconcile")
    for _ in people[1:]:
        await die(mine, "reconcile.repaired")  # each has repaired one more
    await work(mine)
    assert len(await rows(task, payments)) == len(people)
    await check_books(task, **dict.fromkeys(people, 100))
