"""Coupons, the codes that redeem them, and the discounts that come of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of
from tests.sandbox.conftest import START
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.errors import StripeError
from tollhouse.sandbox.resources.catalogue import discounts, promotion_codes
from tollhouse.sandbox.values import Obj

DAY = 86_400


async def make(api: httpx.AsyncClient, **params: Any) -> Any:
    return await ask(api, "POST", "/v1/coupons", {"percent_off": 25, **params})


async def make_code(api: httpx.AsyncClient, status: int = 200, **params: Any) -> Any:
    form = {"promotion": {"type": "coupon", "coupon": "c"}, **params}
    return await ask(api, "POST", "/v1/promotion_codes", form, status=status)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "percent_off"),
        ({"percent_off": 5, "amount_off": 5, "currency": "usd"}, "percent_off"),
        ({"percent_off": 0}, "percent_off"),
        ({"percent_off": "100.1"}, "percent_off"),
        ({"amount_off": 5}, "currency"),
        ({"amount_off": 0, "currency": "usd"}, "amount_off"),
        ({"percent_off": 5, "duration": "repeating"}, "duration_in_months"),
        ({"percent_off": 5, "duration": "once", "duration_in_months": 2}, "duration_in_months"),
        ({"percent_off": 5, "redeem_by": START}, "redeem_by"),
        ({"percent_off": 5, "max_redemptions": 0}, "max_redemptions"),
        ({"percent_off": 5, "id": "a/b"}, "id"),
        ({"percent_off": 5, "name": "n" * 41}, "name"),
        ({"percent_off": 5, "currency_options": {"eur": {"amount_off": 5}}}, "currency_options"),
        ({"percent_off": 5, "applies_to": {"products": ["nothing"]}}, "applies_to[products]"),
    ],
)
async def test_a_coupon_that_makes_no_sense_is_refused(api: httpx.AsyncClient, params: Any, param: str) -> None:
    assert (await ask(api, "POST", "/v1/coupons", params, status=400))["param"] == param


async def test_an_id_is_given_once(api: httpx.AsyncClient) -> None:
    await make(api, id="spring")
    error = await ask(api, "POST", "/v1/coupons", {"id": "spring", "percent_off": 5}, status=400)
    assert error["code"] == "resource_already_exists"
    await ask(api, "DELETE", "/v1/coupons/spring")
    assert (await make(api, id="spring"))["id"] == "spring"


@pytest.mark.parametrize(
    ("coupon", "amount", "off"),
    [
        ({"percent_off": "12.5"}, 1001, 125),
        ({"percent_off": 50}, 1, 1),
        ({"percent_off": 100}, 999, 999),
        ({"percent_off": "33.33"}, 1000, 333),
        ({"amount_off": 300, "currency": "usd"}, 1000, 300),
        ({"amount_off": 300, "currency": "usd"}, 200, 200),
        ({"amount_off": 300, "currency": "eur", "currency_options": {"usd": {"amount_off": 250}}}, 1000, 250),
        ({"amount_off": 300, "currency": "eur"}, 1000, 0),
    ],
)
async def test_what_a_coupon_takes_off(
    sandbox: Sandbox, api: httpx.AsyncClient, coupon: Any, amount: int, off: int
) -> None:
    made = await ask(api, "POST", "/v1/coupons", coupon)
    stored = sandbox.world.get("coupon", made["id"])
    assert discounts.amount_off(stored, amount, "usd") == off
    if off == 0:
        with pytest.raises(StripeError, match="not in `usd`"):
            discounts.check_currency(stored, "usd")
    else:
        discounts.check_currency(stored, "usd")


async def test_what_a_coupon_keeps_to_itself_is_shown_when_it_is_asked_for(
    sandbox: Sandbox, api: httpx.AsyncClient
) -> None:
    await ask(api, "POST", "/v1/products", {"name": "A", "id": "a"})
    limited = await make(api, applies_to={"products": ["a"]}, expand=["applies_to"])
    assert limited["applies_to"] == {"products": ["a"]}
    stored = sandbox.world.get("coupon", limited["id"])
    assert [discounts.applies_to(stored, each) for each in ("a", "b")] == [True, False]
    form = {"amount_off": 5, "currency": "usd", "currency_options": {"eur": {"amount_off": 4}}}
    shown = await ask(api, "POST", "/v1/coupons", {**form, "expand": ["currency_options", "applies_to"]})
    assert shown["currency_options"] == {"usd": {"amount_off": 5}, "eur": {"amount_off": 4}}
    assert "applies_to" not in shown
    changed = await ask(api, "POST", f"/v1/coupons/{shown['id']}", {"currency_options": {"gbp": {"amount_off": 3}}})
    assert "currency_options" not in changed
    again = await ask(api, "GET", f"/v1/coupons/{shown['id']}", {"expand": ["currency_options"]})
    assert set(again["currency_options"]) == {"usd", "eur", "gbp"}


async def test_a_coupon_ends_with_its_last_redemption_or_its_last_day(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    await make(api, id="few", max_redemptions=1)
    await make(api, id="brief", redeem_by=START + DAY)
    await ask(api, "POST", "/v1/customers", {"coupon": "few"})
    few = await ask(api, "GET", "/v1/coupons/few")
    assert (few["times_redeemed"], few["valid"]) == (1, False)
    sandbox.advance(DAY)
    assert (await ask(api, "GET", "/v1/coupons/brief"))["valid"] is False
    for id in ("few", "brief"):
        error = await ask(api, "POST", "/v1/customers", {"coupon": id}, status=400)
        assert (error["code"], error["message"]) == ("coupon_expired", f"Coupon expired: {id}")


async def test_a_repeating_discount_ends_on_the_same_day_of_a_later_month(
    sandbox: Sandbox, api: httpx.AsyncClient
) -> None:
    await make(api, id="c", duration="repeating", duration_in_months=13)
    sandbox.advance(16 * DAY)  # 31 January 2027
    customer = await ask(api, "POST", "/v1/customers", {"coupon": "c"})
    assert customer["discount"]["end"] == int(dt.datetime(2028, 2, 29, 8, tzinfo=dt.UTC).timestamp())
    assert discounts.is_running(customer["discount"], customer["discount"]["end"] - 1)
    assert not discounts.is_running(customer["discount"], customer["discount"]["end"])


async def test_a_code_is_made_and_found_whatever_its_case(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    await make(api, id="c")
    code = await make_code(api, code="Spring27", metadata={"a": "b"})
    error = await make_code(api, 400, code="SPRING27")
    assert error["message"] == "An active promotion code with `code: SPRING27` already exists."
    listed = await ask(api, "GET", "/v1/promotion_codes", {"code": "sprinG27"})
    assert [each["id"] for each in listed["data"]] == [code["id"]]
    assert (await ask(api, "GET", "/v1/promotion_codes", {"coupon": "other"}))["data"] == []
    await ask(api, "POST", f"/v1/promotion_codes/{code['id']}", {"active": "false"})
    second = await make_code(api, code="SPRING27")
    error = await ask(api, "POST", f"/v1/promotion_codes/{code['id']}", {"active": "true"}, status=400)
    assert error["param"] == "code"
    assert find(sandbox, "spring27") == second["id"]
    assert len((await make_code(api))["code"]) == 8
    (event,) = events_of(sandbox, "promotion_code.updated")
    assert event["data"]["previous_attributes"] == {"active": True}


def find(sandbox: Sandbox, code: str, customer: str | None = None, amount: int = 1000, currency: str = "usd") -> Any:
    found = promotion_codes.find_active(sandbox.world, code, customer=customer, amount=amount, currency=currency)
    return found and found["id"]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"code": "with space"}, "code"),
        ({"customer": "cus_nobody"}, "customer"),
        ({"expires_at": START}, "expires_at"),
        ({"expires_at": START + 3 * DAY}, "expires_at"),
        ({"max_redemptions": 0}, "max_redemptions"),
        ({"restrictions": {"minimum_amount": 100}}, "restrictions[minimum_amount]"),
        ({"promotion": {"type": "coupon", "coupon": "nothing"}}, "promotion[coupon]"),
        ({"promotion": {"type": "coupon"}}, "promotion[coupon]"),
    ],
)
async def test_a_code_that_makes_no_sense_is_refused(api: httpx.AsyncClient, params: Any, param: str) -> None:
    await make(api, id="c", redeem_by=START + 2 * DAY)
    assert (await make_code(api, 400, **params))["param"] == param


async def test_a_code_is_for_whom_and_what_it_says(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    await make(api, id="c")
    alice = await ask(api, "POST", "/v1/customers", {"name": "Alice"})
    own = await make_code(api, code="ALICE", customer=alice["id"])
    assert find(sandbox, "alice", alice["id"]) == own["id"]
    assert find(sandbox, "alice", "cus_bob") is None
    assert find(sandbox, "alice") is None
    options = {"eur": {"minimum_amount": 400}}
    big = await make_code(
        api,
        code="BIG",
        restrictions={"minimum_amount": 500, "minimum_amount_currency": "usd", "currency_options": options},
        expand=["restrictions.currency_options"],
    )
    assert big["restrictions"]["currency_options"] == options
    assert find(sandbox, "big", amount=500) == big["id"]
    assert find(sandbox, "big", amount=499) is None
    assert find(sandbox, "big", amount=400, currency="eur") == big["id"]
    assert find(sandbox, "big", amount=9999, currency="gbp") is None
    assert find(sandbox, "nothing") is None


async def test_a_code_for_the_first_time_is_not_for_who_has_paid(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    await make(api, id="c")
    first = await make_code(api, code="FIRST", restrictions={"first_time_transaction": True})
    customer = await ask(api, "POST", "/v1/customers", {"name": "Alice"})
    assert find(sandbox, "first", customer["id"]) == first["id"]
    paid = sandbox.world.new("payment_intent", customer=customer["id"], status="succeeded")
    sandbox.world.save(paid)
    assert find(sandbox, "first", customer["id"]) is None
    assert find(sandbox, "first") == first["id"]


async def test_a_code_ends_with_its_last_redemption_or_its_last_day(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    await make(api, id="c")
    few = await make_code(api, code="FEW", max_redemptions=1)
    brief = await make_code(api, code="BRIEF", expires_at=START + DAY)
    customer = await ask(api, "POST", "/v1/customers", {"promotion_code": few["id"]})
    assert customer["discount"]["promotion_code"] == few["id"]
    sandbox.advance(DAY)
    for id in (few["id"], brief["id"]):
        shown = await ask(api, "GET", f"/v1/promotion_codes/{id}")
        assert shown["active"] is False
        error = await ask(api, "POST", "/v1/customers", {"promotion_code": id}, status=400)
        assert error["param"] == "promotion_code"
        error = await ask(api, "POST", f"/v1/promotion_codes/{id}", {"active": "true"}, status=400)
        assert error["param"] == "active"


async def test_an_older_account_names_the_coupon_of_a_code_itself(api: httpx.AsyncClient) -> None:
    await make(api, id="c")
    form = {"coupon": "c"}
    shown = await ask(api, "POST", "/v1/promotion_codes", form, version="2025-03-31.basil")
    assert (shown["coupon"]["id"], shown["coupon"]["object"]) == ("c", "coupon")
    assert "promotion" not in shown
    error = await ask(api, "POST", "/v1/promotion_codes", form, status=400, version="2026-10-28.endive")
    assert error["code"] == "parameter_unknown"


async def test_discounts_are_asked_for_by_coupon_code_or_discount(sandbox: Sandbox, api: httpx.AsyncClient) -> None:
    await make(api, id="c")
    code = await make_code(api, code="X")
    with sandbox.world.store.transaction():
        given: Obj = discounts.create(sandbox.world, sandbox.world.get("coupon", "c"), checkout_session="cs_1")
    asked = discounts.read_asked(
        sandbox.world, [{"coupon": "c"}, {"promotion_code": code["id"]}, {"discount": given["id"]}]
    )
    assert [(each.coupon["id"], each.promotion_code) for each in asked] == [("c", None), ("c", code["id"]), ("c", None)]
    for wrong, param in (
        ({"coupon": "nothing"}, "discounts[0][coupon]"),
        ({"promotion_code": "promo_x"}, "discounts[0][promotion_code]"),
        ({}, "discounts[0]"),
    ):
        with pytest.raises(StripeError) as refused:
            discounts.read_asked(sandbox.world, [wrong])
        assert refused.value.fields["param"] == param
    assert events_of(sandbox, "customer.discount.created") == [], "a session's discount is nobody's yet"
