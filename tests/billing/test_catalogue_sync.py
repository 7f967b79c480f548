"""Products and prices as code: what the settings say is at Stripe once, and what was sold before is still known."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import delete, select
from structlog.testing import capture_logs

from tests.billing.stripe_rig import PACK, PLAN, opened_till, products
from tollhouse.billing import opening
from tollhouse.billing.catalogue_pull import pull
from tollhouse.billing.catalogue_rows import find_price, note_price
from tollhouse.billing.catalogue_sync import check, push
from tollhouse.billing.errors import CatalogueNotReady, StripeRefused, StripeUnavailable
from tollhouse.billing.facts import PriceFacts
from tollhouse.billing.tables import prices
from tollhouse.billing.till import Till
from tollhouse.db import Statement
from tollhouse.settings_structures import ProductSettings
from tollhouse.testing import Sandbox

PRICES = "/v1/prices"
CURRENT = Statement(select(prices.c.stripe_price_id).where(prices.c.is_current == 1), str)
CLEAR = Statement(delete(prices), str)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def till(sandbox: Sandbox, migrated_database_url: str) -> AsyncIterator[Till]:
    async with opened_till(sandbox, migrated_database_url, sold=products()) as opened:
        yield opened


async def at_stripe(till: Till, **given: Any) -> list[dict[str, Any]]:
    return [raw async for raw in till.stripe.pages(PRICES, **given)]


async def make_price(till: Till, **fields: Any) -> dict[str, Any]:
    given = {"currency": "eur", "unit_amount": 1500, "product_data": {"name": "Old pack"}}
    return await till.stripe.post(PRICES, given | fields, idempotency_key=ascii(fields))


def actions(changes: list[Any]) -> list[tuple[str, str]]:
    return [(change.action, change.subject) for change in changes]


async def test_a_push_makes_everything_and_a_second_one_nothing(till: Till) -> None:
    with pytest.raises(CatalogueNotReady):
        till.catalogue.stripe_price_of(till.catalogue.price("pack"))
    assert actions(await push(till)) == [
        ("created", "product plan"),
        ("created", "price plan-monthly"),
        ("created", "product pack"),
        ("created", "price pack"),
    ]
    assert await push(till) == []
    pack, plan = await at_stripe(till)
    assert (pack["id"], pack["unit_amount"], pack["currency"]) == (
        till.catalogue.stripe_price_of(till.catalogue.price("pack")),
        PACK["unit_amount_minor"],
        "eur",
    )
    assert (plan["recurring"]["interval"], plan["lookup_key"]) == ("month", "plan-monthly")
    assert plan["metadata"] == {"tollhouse_price": "plan-monthly"}
    assert await check(till) == []


async def test_pushed_twice_at_once_there_is_one_of_each(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    async with opened_till(sandbox, migrated_database_url, sold=products()) as other:
        await asyncio.gather(push(till), push(other), push(till))
        assert len(await at_stripe(till)) == 2
        assert len({t.catalogue.stripe_price_of(t.catalogue.price("pack")) for t in (till, other)}) == 1


async def test_another_amount_is_a_new_price_and_the_old_one_is_known_for_ever(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    await push(till)
    old = till.catalogue.stripe_price_of(till.catalogue.price("plan-monthly"))
    async with opened_till(sandbox, migrated_database_url, sold=products(plan=1200)) as next:
        assert [problem.text for problem in await check(next)] == ["amount is 900 at Stripe and 1200 in the settings"]
        assert actions(await push(next)) == [
            ("replaced", "price plan-monthly"),
            ("deactivated", "earlier price plan-monthly"),
        ]
        new = next.catalogue.stripe_price_of(next.catalogue.price("plan-monthly"))
        assert new != old
        assert {raw["id"]: raw["active"] for raw in await at_stripe(till)}[old] is False
        for known in (old, new):
            assert next.catalogue.of_stripe(known) == next.catalogue.price("plan-monthly")
        pack = next.catalogue.stripe_price_of(next.catalogue.price("pack"))
        assert sorted(await till.run.db.fetch_all(CURRENT)) == sorted([new, pack])
    assert till.catalogue.of_stripe(new) is None, "pushed elsewhere, just now"
    for asked, found in ((old, "plan-monthly"), (new, "plan-monthly"), ("price_gone", None), (None, None)):
        price = await till.run.db.transact(find_price, till, asked)
        assert (price and price.id) == found
    await till.catalogue.learn(till.run.db)
    assert till.catalogue.stripe_price_of(till.catalogue.price("plan-monthly")) == new
    async with opened_till(sandbox, migrated_database_url, sold=products()) as back:
        await push(back)
        assert back.catalogue.stripe_price_of(back.catalogue.price("plan-monthly")) not in (old, new)


async def test_two_who_push_another_amount_at_once_make_one_price(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    await push(till)
    async with (
        opened_till(sandbox, migrated_database_url, sold=products(pack=900)) as one,
        opened_till(sandbox, migrated_database_url, sold=products(pack=900)) as two,
    ):
        await asyncio.gather(push(one), push(two))
        assert len([raw for raw in await at_stripe(till) if raw["unit_amount"] == 900 and not raw["recurring"]]) == 1
        assert len(await at_stripe(till, active=True)) == 2


async def test_a_push_that_was_interrupted_is_finished_by_the_next(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    await push(till)
    async with opened_till(sandbox, migrated_database_url, sold=products(pack=900)) as next:
        sandbox.faults.add({"fault": "error", "status": 400, "path": "/v1/prices/*", "times": 1})
        assert ("left active", "earlier price pack") in actions(await push(next))
    async with opened_till(sandbox, migrated_database_url, sold=products(pack=700)) as last:
        await push(last)
        assert {raw["unit_amount"] for raw in await at_stripe(till, active=True)} == {900, 700}, "the plan and the pack"
        assert len(await at_stripe(till, active=True)) == 2


async def test_a_new_name_goes_to_stripe_and_what_was_switched_off_comes_back(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    await push(till)
    for raw in await at_stripe(till):
        await till.stripe.post(f"{PRICES}/{raw['id']}", {"active": False}, idempotency_key=raw["id"])
    assert [problem.text for problem in await check(till)] == ["is not active at Stripe"] * 2
    renamed = [{**product, "name": "New", "description": "Better"} for product in products()]
    async with opened_till(sandbox, migrated_database_url, sold=renamed) as next:
        assert [action for action, _ in actions(await push(next))] == ["updated"] * 4
        raw = await till.stripe.get("/v1/products/tollhouse_plan")
        assert (raw["name"], raw["description"]) == ("New", "Better")
        assert await push(next) == []


async def test_a_price_made_by_hand_with_our_lookup_key_is_taken_over_with_its_product(till: Till) -> None:
    mine = await make_price(till, lookup_key="pack")
    assert ("updated", "price pack") in actions(await push(till))
    assert till.catalogue.stripe_price_of(till.catalogue.price("pack")) == mine["id"]
    assert await check(till) == []
    assert [raw["id"] async for raw in till.stripe.pages("/v1/products") if raw["id"] == "tollhouse_pack"] == []


async def test_a_check_that_finds_nothing_wrong_makes_prices_pushed_elsewhere_known(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    async with opened_till(sandbox, migrated_database_url, sold=products()) as other:
        await push(other)
    await till.run.db.write(CLEAR)
    await till.catalogue.learn(till.run.db)
    with pytest.raises(CatalogueNotReady):
        till.catalogue.stripe_price_of(till.catalogue.price("pack"))
    assert await check(till) == []
    assert till.catalogue.stripe_price_of(till.catalogue.price("pack"))


async def test_what_is_not_there_is_said_with_its_fix(till: Till) -> None:
    problems = await check(till)
    assert [problem.price for problem in problems] == ["plan-monthly", "pack"]
    assert "tollhouse catalogue push" in problems[0].text


async def test_a_pinned_price_is_used_checked_and_remembered(
    sandbox: Sandbox, till: Till, migrated_database_url: str
) -> None:
    mine = await make_price(till, unit_amount=1000)
    pinned = [{"id": "pack", "name": "Pack", "prices": [PACK | {"stripe_price_test": mine["id"]}]}]
    async with opened_till(sandbox, migrated_database_url, sold=pinned) as next:
        assert await push(next) == []
        assert next.catalogue.stripe_price_of(next.catalogue.price("pack")) == mine["id"]
        assert [problem.text for problem in await check(next)] == ["amount is 1000 at Stripe and 1500 in the settings"]
    await till.catalogue.learn(till.run.db)
    assert till.catalogue.of_stripe(mine["id"]) == till.catalogue.price("pack"), "an earlier subscriber still pays it"
    gone = [{"id": "pack", "name": "Pack", "prices": [PACK | {"stripe_price_test": "price_gone"}]}]
    async with opened_till(sandbox, migrated_database_url, sold=gone) as next:
        assert ["there is no price_gone" in problem.text for problem in await check(next)] == [True]


async def test_events_tell_of_our_prices_and_never_which_is_sold(till: Till) -> None:
    def facts(**changed: Any) -> PriceFacts:
        usual: dict[str, Any] = {"id": "price_9", "product_id": "prod_1", "active": True, "currency": "eur"}
        usual |= {"unit_amount_minor": 1, "interval": None, "interval_count": 1, "lookup_key": None, "our_id": None}
        return PriceFacts(**usual | changed)

    assert not await till.run.db.transact(note_price, till, facts())
    assert not await till.run.db.transact(note_price, till, facts(lookup_key="of-somebody-else"))
    for _ in range(2):
        assert await till.run.db.transact(note_price, till, facts(our_id="pack"))
    await till.catalogue.learn(till.run.db)
    assert till.catalogue.of_stripe("price_9") == till.catalogue.price("pack")
    with pytest.raises(CatalogueNotReady):
        till.catalogue.stripe_price_of(till.catalogue.price("pack"))


async def test_what_is_sold_at_stripe_is_pulled_as_products(till: Till) -> None:
    assert (await pull(till)).startswith("# There are no active products")
    await push(till)
    mine = await make_price(till, unit_amount=700, product_data={"name": 'Ünusual "pack" 🚀\x7f'}, nickname="x")
    product = mine["product"]
    await make_price(
        till, unit_amount=700, product=product, recurring={"interval": "month", "interval_count": 3}, product_data=None
    )
    odd = await make_price(till, unit_amount=None, unit_amount_decimal="0.5", product=product, product_data=None)
    alone = await make_price(till, unit_amount=None, unit_amount_decimal="0.5", product_data={"name": "Odd"})
    text = await pull(till)
    assert f"# {odd['id']}: its amount is not one whole number" in text
    assert f"# {alone['product']} has no price that can be sold" in text
    pulled = {given["id"]: ProductSettings(**given) for given in tomllib.loads(text)["products"]}
    assert list(pulled) == ["plan", "pack", "nusual-pack"]
    assert pulled["plan"].prices[0].model_dump(exclude={"credits"}).items() >= PLAN.items()
    once, often = pulled["nusual-pack"].prices
    assert (once.id, once.stripe_price_test, once.unit_amount_minor) == ("nusual-pack-once", mine["id"], 700)
    assert (often.interval, often.interval_count) == ("month", 3)


async def test_the_background_says_what_differs_and_learns_what_others_push(
    sandbox: Sandbox, till: Till, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LEARN_SECONDS", 0.01)
    monkeypatch.setattr(opening, "CHECK_AFTER_SECONDS", 0)
    with capture_logs() as logs:
        keeping = asyncio.create_task(opening.keep_till(till))
        async with opened_till(sandbox, migrated_database_url, sold=products()) as other, asyncio.timeout(5):
            while not logs:  # noqa: ASYNC110 (nothing tells when a line was logged)
                await asyncio.sleep(0.01)
            await push(other)
            pushed = other.catalogue.stripe_price_of(other.catalogue.price("pack"))
            while till.catalogue.of_stripe(pushed) is None:  # noqa: ASYNC110 (nothing tells of that either)
                await asyncio.sleep(0.01)
        keeping.cancel()
    assert {(entry["event"], entry.get("price")) for entry in logs if entry["event"] == "catalogue_differs"} == {
        ("catalogue_differs", "plan-monthly"),
        ("catalogue_differs", "pack"),
    }


async def test_a_till_opens_while_stripe_is_down(
    sandbox: Sandbox, migrated_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "CLAIM_SECONDS_MAX", 0.05)
    sandbox.faults.add({"fault": "timeout", "seconds": 5})
    with capture_logs() as logs:
        async with opened_till(sandbox, migrated_database_url, sold=products()):
            pass
    assert ("stripe_account_unchecked", "timeout") in {(entry["event"], entry.get("reason")) for entry in logs}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/products/*"), ("POST", "/v1/products"), ("POST", "/v1/prices")]
)
async def test_what_stripe_refuses_ends_the_push_and_the_next_one_does_the_rest(
    sandbox: Sandbox, till: Till, method: str, path: str
) -> None:
    sandbox.faults.add({"fault": "error", "status": 400, "method": method, "path": path, "times": 1})
    with pytest.raises(StripeRefused):
        await push(till)
    await push(till)
    assert await check(till) == []
    assert len(await at_stripe(till)) == 2


async def test_a_pinned_price_that_the_key_may_not_see_is_no_missing_one(
    sandbox: Sandbox, migrated_database_url: str
) -> None:
    pinned = [{"id": "pack", "name": "Pack", "prices": [PACK | {"stripe_price_test": "price_1"}]}]
    async with opened_till(sandbox, migrated_database_url, sold=pinned) as till:
        sandbox.faults.add({"fault": "error", "status": 403})
        with pytest.raises(StripeRefused):
            await check(till)


@pytest.mark.parametrize("cause", ["stripe_unavailable", "RuntimeError"])
async def test_the_background_goes_on_when_it_cannot_check_or_learn(
    till: Till, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    learned = asyncio.Event()
    calls: list[int] = []
    causes: list[Exception] = [StripeUnavailable() if cause == "stripe_unavailable" else RuntimeError()]

    async def check_later(till: Till) -> list[Any]:
        if causes:
            raise causes.pop()
        return await check(till)

    async def learn(_: Any, __: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError
        if len(calls) == 3:
            learned.set()

    monkeypatch.setattr(opening, "LEARN_SECONDS", 0)
    monkeypatch.setattr(opening, "CHECK_AFTER_SECONDS", 0)
    monkeypatch.setattr(opening, "check", check_later)
    monkeypatch.setattr(type(till.catalogue), "learn", learn)
    with capture_logs() as logs:
        keeping = asyncio.create_task(opening.keep_till(till))
        await asyncio.wait_for(learned.wait(), 5)
        keeping.cancel()
    assert [(entry["event"], entry.get("error")) for entry in logs] == [
        ("catalogue_unchecked", cause),
        ("catalogue_not_learned", "RuntimeError"),
        *[("catalogue_differs", None)] * 2,
    ]
