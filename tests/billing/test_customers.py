"""One customer for each user and mode, whoever asks at once and whatever becomes of it at Stripe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.billing.stripe_rig import LIVE, opened_till
from tollhouse.billing import customers, portal, stripe_account
from tollhouse.billing.errors import NoCustomer, StripeRefused, StripeUnavailable
from tollhouse.billing.till import Till
from tollhouse.testing import Sandbox

EMAIL = "alice@example.com"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def till(sandbox: Sandbox, migrated_database_url: str) -> AsyncIterator[Till]:
    async with opened_till(sandbox, migrated_database_url) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_account, "BACKOFF_SECONDS", 0.01)


async def at_stripe(till: Till) -> list[dict[str, Any]]:
    return [raw async for raw in till.stripe.pages("/v1/customers")]


async def test_a_customer_is_made_once_and_found_both_ways(till: Till) -> None:
    assert await customers.find(till, "usr_alice") is None
    made = await customers.ensure(till, "usr_alice", email=EMAIL)
    assert await customers.ensure(till, "usr_alice", email="new@example.com") == made
    (raw,) = await at_stripe(till)
    assert (raw["id"], raw["email"], raw["metadata"]) == (made, EMAIL, {"tollhouse_user": "usr_alice"})
    assert await customers.find(till, "usr_alice") == made
    assert await customers.find_user(till, made) == "usr_alice"
    assert await customers.find_user(till, "cus_mallory") is None


async def test_whose_token_has_no_address_buys_too(till: Till) -> None:
    made = await customers.ensure(till, "usr_alice", email=None)
    assert [(raw["id"], raw["email"]) for raw in await at_stripe(till)] == [(made, None)]


async def test_twenty_at_once_over_two_replicas_are_one_customer(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    async with opened_till(sandbox, migrated_database_url) as other:
        asked = (customers.ensure((till, other)[n % 2], "usr_alice", email=EMAIL) for n in range(20))
        ids = await asyncio.gather(*asked)
    assert {raw["id"] for raw in await at_stripe(till)} == set(ids)
    assert len(set(ids)) == 1


async def test_two_addresses_at_once_leave_one_customer(till: Till) -> None:
    ids = await asyncio.gather(
        *(customers.ensure(till, "usr_alice", email=f"{n}@example.com") for n in range(4)),
        customers.ensure(till, "usr_alice", email=None),
    )
    assert [raw["id"] for raw in await at_stripe(till)] == list(set(ids))


async def test_the_customer_of_who_came_second_is_deleted_or_left_lying(
    sandbox: Sandbox, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = customers._make

    async def make_slowly(till: Till, row: customers.Customer, email: str | None) -> str:
        made = await make(till, row, email)
        if email == "second@example.com":
            await customers.ensure(till, row.user_id, email="first@example.com")
        return made

    monkeypatch.setattr(customers, "_make", make_slowly)
    ids = [await customers.ensure(till, "usr_alice", email="second@example.com")]
    sandbox.faults.add({"fault": "error", "method": "DELETE", "status": 400})
    ids += [await customers.ensure(till, "usr_bob", email="second@example.com")]
    emails = [raw["email"] for raw in await at_stripe(till)]
    assert emails == ["first@example.com", "second@example.com", "first@example.com"], "Bob's two, and Alice's one"
    assert [await customers.find(till, user) for user in ("usr_alice", "usr_bob")] == ids


async def test_users_have_customers_of_their_own(till: Till) -> None:
    ids = [await customers.ensure(till, user, email=EMAIL) for user in ("usr_alice", "usr_bob")]
    assert ids[0] != ids[1]


async def test_one_that_was_deleted_at_stripe_is_made_anew(till: Till) -> None:
    first = await customers.ensure(till, "usr_alice", email=EMAIL)
    await till.stripe.delete(f"/v1/customers/{first}")
    assert await customers.forget(till, first)
    assert not await customers.forget(till, first), "twice is once"
    assert await customers.find_user(till, first) is None
    second = await customers.ensure(till, "usr_alice", email=EMAIL)
    assert second != first
    assert [raw["id"] for raw in await at_stripe(till)] == [second]


async def test_nobody_can_make_another_ones_customer_be_forgotten(till: Till) -> None:
    made = await customers.ensure(till, "usr_alice", email=EMAIL)
    assert not await customers.forget(till, "cus_mallory")
    assert await customers.find(till, "usr_alice") == made


async def test_a_crash_after_stripe_made_it_leaves_one_customer(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    class KilledError(Exception):
        pass

    async def die(*_: Any) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(customers, "_store", die)
        with pytest.raises(KilledError):
            await customers.ensure(till, "usr_alice", email=EMAIL)
    made = await customers.ensure(till, "usr_alice", email=EMAIL)
    assert [raw["id"] for raw in await at_stripe(till)] == [made]


async def test_a_failure_that_stripe_keeps_for_the_key_does_not_keep_the_buyer_out(
    sandbox: Sandbox, till: Till
) -> None:
    sandbox.faults.add({"fault": "error", "path": "/v1/customers", "is_kept": True, "times": 1})
    made = await customers.ensure(till, "usr_alice", email=EMAIL)
    assert [raw["id"] for raw in await at_stripe(till)] == [made]


async def test_an_outage_is_told_and_leaves_the_next_try_free(sandbox: Sandbox, till: Till) -> None:
    rule = sandbox.faults.add({"fault": "error", "path": "/v1/customers", "is_kept": True})
    with pytest.raises(StripeUnavailable):
        await customers.ensure(till, "usr_alice", email=EMAIL)
    sandbox.faults.remove(rule["id"])
    assert await customers.ensure(till, "usr_alice", email=EMAIL)


async def test_modes_have_customers_of_their_own(sandbox: Sandbox, till: Till, migrated_database_url: str) -> None:
    test = await customers.ensure(till, "usr_alice", email=EMAIL)
    async with opened_till(sandbox, migrated_database_url, **LIVE) as live:
        assert await customers.find(live, "usr_alice") is None
        assert await customers.find_user(live, test) is None
        assert not await customers.forget(live, test)


async def test_the_portal_opens_for_who_has_bought_something(sandbox: Sandbox, till: Till) -> None:
    with pytest.raises(NoCustomer):
        await portal.open(till, "usr_alice", return_url="https://toll.example.com/account")
    await customers.ensure(till, "usr_alice", email=EMAIL)
    sandbox.faults.add({"fault": "error", "status": 400, "times": 1})
    with pytest.raises(StripeRefused):
        await portal.open(till, "usr_alice", return_url="https://toll.example.com/account")
    urls = [await portal.open(till, "usr_alice", return_url="https://toll.example.com/account") for _ in range(2)]
    assert len(set(urls)) == 2
    assert all(url.startswith(sandbox.url) for url in urls)


async def test_the_portal_of_a_customer_that_is_gone_heals_the_user(till: Till) -> None:
    made = await customers.ensure(till, "usr_alice", email=EMAIL)
    await till.stripe.delete(f"/v1/customers/{made}")
    with pytest.raises(NoCustomer):
        await portal.open(till, "usr_alice", return_url="https://toll.example.com/account")
    assert await customers.find(till, "usr_alice") is None
