"""Events in every order, and each of them often: the same end as in a straight run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import permutations
from typing import Any

import pytest

from tests.billing.facts import NOW, Desk, dispute, invoice, open_desk, refund, session, subscription
from tollhouse.billing import entitlements, invoices, purchases, reversals, subscriptions
from tollhouse.billing.tables import customers, payments
from tollhouse.billing.tables import purchases as purchases_table
from tollhouse.billing.tables import reversals as reversals_table
from tollhouse.billing.tables import subscriptions as subscriptions_table
from tollhouse.events.tables import events
from tollhouse.ledger.tables import accounts, entries

Step = tuple[Callable[..., Awaitable[Any]], Any]
TABLES = (purchases_table, payments, reversals_table, subscriptions_table, accounts)
ORDERS = list(permutations(range(6)))
COUNTS = ("checkout.completed", "payment.succeeded", "subscription.updated", "payment.disputed")


@pytest.fixture
async def desk(migrated_database_url: str) -> AsyncIterator[Desk]:
    async with open_desk(migrated_database_url) as opened:
        yield opened


async def prepare(desk: Desk, name: str) -> list[Step]:
    """A customer with a page open, and what will be told of them."""
    user = f"usr_{name}"
    customer = f"cus_{name}"
    await desk.add(customers, user_id=user, livemode=0, customer_id=customer, generation=0, created_at=NOW)
    await desk.begin(id=f"pur_{name}", user_id=user, checkout_session_id=f"cs_{name}")
    paid = session(id=f"cs_{name}", purchase_id=f"pur_{name}", payment_intent_id=f"pi_{name}")
    bill = invoice(
        id=f"in_{name}", customer_id=customer, subscription_id=f"sub_{name}", payment_intent_id=f"pi_2_{name}"
    )
    living = subscription(id=f"sub_{name}", customer_id=customer, user_id=user)
    back = {"id": f"re_{name}", "payment_intent_id": f"pi_{name}"}
    return [
        (purchases.settle, paid),
        (subscriptions.write, living),
        (invoices.settle, bill),
        (reversals.note, refund(250, 0, **back)),
        (reversals.note, refund(250, 1, **back)),
        (reversals.note, dispute(300, 1, id=f"du_{name}", payment_intent_id=f"pi_2_{name}")),
    ]


async def run(desk: Desk, steps: Sequence[Step]) -> None:
    for work, facts in steps:
        await desk.do(work, facts)


async def ends(desk: Desk, names: Sequence[str]) -> dict[str, Any]:
    """Everything that matters of each customer, with their name taken out."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for table in TABLES:
        for row in await desk.rows(table):
            row.pop("entries", None)  # a debt repaid is one more than a lot that was still there
            name = (row.get("id") or row["user_id"]).rsplit("_", 1)[1]
            found[name].append(f"{table.name} {sorted(row.items())}".replace(name, "NAME"))
    sums: dict[str, int] = dict.fromkeys(names, 0)
    for row in await desk.rows(entries):
        sums[row["user_id"].removeprefix("usr_")] += row["credits"]
    for row in await desk.rows(events):
        if row["type"] in COUNTS:
            found[row["user_id"].removeprefix("usr_")].append(row["type"])
    return {name: (sorted(lines), sums[name]) for name, lines in found.items()}


async def check_orders(desk: Desk, orders: Sequence[Sequence[int]]) -> None:
    names = [f"n{number:04}" for number in range(len(orders))]
    for name, order in zip(names, orders, strict=True):
        steps = await prepare(desk, name)
        await run(desk, [steps[index] for index in order])
    found = await ends(desk, names)
    straight = found[names[0]]
    assert straight[1] == 50 + 67  # half of the pack, and of the plan what a third leaves
    assert len(straight[0]) == len(TABLES) + 2 + 5  # a payment and a reversal more, and five events
    different = [order for name, order in zip(names, orders, strict=True) if found[name] != straight]
    assert different == []
    features = await entitlements.features_of(desk.till, f"usr_{names[-1]}")
    assert features == {"exports", "long-history"}


@pytest.mark.slow
@pytest.mark.unmeasured
@pytest.mark.parametrize("backend", ["sqlite"])
async def test_all_orders_of_six_events_end_the_same(desk: Desk) -> None:
    await check_orders(desk, ORDERS)


async def test_some_orders_end_the_same(desk: Desk, seed: int) -> None:
    await check_orders(desk, [ORDERS[0], *random.Random(seed).sample(ORDERS, 8)])


async def test_each_ten_times_and_shuffled_ends_the_same(desk: Desk, seed: int) -> None:
    await run(desk, await prepare(desk, "straight"))
    steps = await prepare(desk, "shuffled")
    often = steps * 10
    random.Random(seed).shuffle(often)
    await run(desk, often)
    found = await ends(desk, ["straight", "shuffled"])
    assert found["shuffled"] == found["straight"]


async def test_all_at_once_ends_the_same(desk: Desk) -> None:
    await run(desk, await prepare(desk, "straight"))
    steps = await prepare(desk, "atonce")
    await asyncio.gather(*(desk.do(work, facts) for work, facts in steps * 3))
    await run(desk, steps[3:])  # a refund that met its payment on the way is read again, as `want` has it
    found = await ends(desk, ["straight", "atonce"])
    assert found["atonce"][1] == found["straight"][1]
