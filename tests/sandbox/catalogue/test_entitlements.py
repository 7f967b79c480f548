"""Features, the products they are attached to, and who is entitled to them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.catalogue import entitlements
from tollhouse.sandbox.values import Obj

SUMMARY = "entitlements.active_entitlement_summary.updated"


async def make_feature(api: httpx.AsyncClient, key: str, product: str | None = None) -> Any:
    feature = await ask(api, "POST", "/v1/entitlements/features", {"lookup_key": key, "name": key.title()})
    if product is not None:
        await ask(api, "POST", f"/v1/products/{product}/features", {"entitlement_feature": feature["id"]})
    return feature


@pytest.fixture
async def customer(api: httpx.AsyncClient) -> str:
    for id in ("basic", "pro"):
        await ask(api, "POST", "/v1/products", {"name": id, "id": id})
    made = await ask(api, "POST", "/v1/customers", {"name": "Alice"})
    return made["id"]


def subscribe(sandbox: Sandbox, customer: str, product: str, status: str = "active") -> Obj:
    """Put a subscription into the world as billing would, and tell entitlements of it."""
    world = sandbox.world
    subscription = world.new("subscription", customer=customer, status=status)
    subscription["items"] = {"data": [{"price": {"product": product}}]}
    with world.store.transaction():
        world.save(subscription)
        entitlements.refresh(world, customer)
    return subscription


def turn(sandbox: Sandbox, subscription: Obj, status: str) -> None:
    with sandbox.world.store.transaction():
        sandbox.world.change(subscription, {"status": status})
        entitlements.refresh(sandbox.world, subscription["customer"])


async def keys_of(api: httpx.AsyncClient, customer: str) -> list[str]:
    page = await ask(api, "GET", "/v1/entitlements/active_entitlements", {"customer": customer})
    return [each["lookup_key"] for each in page["data"]]


async def test_a_lookup_key_is_one_living_features(api: httpx.AsyncClient) -> None:
    first = await make_feature(api, "seats")
    form = {"lookup_key": "seats", "name": "Again"}
    error = await ask(api, "POST", "/v1/entitlements/features", form, status=400)
    assert (error["code"], error["param"]) == ("resource_already_exists", "lookup_key")
    path = f"/v1/entitlements/features/{first['id']}"
    await ask(api, "POST", path, {"active": "false"})
    second = await ask(api, "POST", "/v1/entitlements/features", form)

    async def listed(**params: Any) -> list[str]:
        return [each["id"] for each in (await ask(api, "GET", "/v1/entitlements/features", params))["data"]]

    assert await listed() == [second["id"]]
    assert await listed(archived="true") == [first["id"]]
    assert await listed(lookup_key="other") == []
    await ask(api, "POST", path, {"name": "New"}, status=400)


@pytest.mark.parametrize("params", [{"lookup_key": "k" * 81}, {"lookup_key": ""}, {"name": "n" * 81}, {"name": ""}])
async def test_a_feature_that_makes_no_sense_is_refused(api: httpx.AsyncClient, params: Any) -> None:
    error = await ask(api, "POST", "/v1/entitlements/features", {"lookup_key": "k", "name": "n", **params}, status=400)
    assert error["param"] == next(iter(params))


async def test_a_feature_is_attached_once_and_detached(api: httpx.AsyncClient, customer: str) -> None:
    feature = await make_feature(api, "seats", "pro")
    path = "/v1/products/pro/features"
    error = await ask(api, "POST", path, {"entitlement_feature": feature["id"]}, status=400)
    assert error["code"] == "resource_already_exists"
    (attached,) = (await ask(api, "GET", path))["data"]
    assert attached["entitlement_feature"] == feature
    await ask(api, "GET", f"/v1/products/basic/features/{attached['id']}", status=404)
    await ask(api, "DELETE", f"/v1/products/basic/features/{attached['id']}", status=404)
    gone = await ask(api, "DELETE", f"{path}/{attached['id']}")
    assert gone == {"id": attached["id"], "object": "product_feature", "deleted": True}
    assert (await ask(api, "GET", path))["data"] == []
    await ask(api, "POST", f"/v1/entitlements/features/{feature['id']}", {"active": "false"})
    error = await ask(api, "POST", path, {"entitlement_feature": feature["id"]}, status=400)
    assert error["param"] == "entitlement_feature"


async def test_a_customer_has_the_features_of_all_their_subscriptions(
    sandbox: Sandbox, api: httpx.AsyncClient, customer: str
) -> None:
    shared = await make_feature(api, "shared", "basic")
    await ask(api, "POST", "/v1/products/pro/features", {"entitlement_feature": shared["id"]})
    await make_feature(api, "extra", "pro")
    basic = subscribe(sandbox, customer, "basic")
    pro = subscribe(sandbox, customer, "pro", "trialing")
    assert await keys_of(api, customer) == ["shared", "extra"]
    before = (await ask(api, "GET", "/v1/entitlements/active_entitlements", {"customer": customer}))["data"]
    turn(sandbox, pro, "past_due")
    assert await keys_of(api, customer) == ["shared", "extra"]
    turn(sandbox, pro, "canceled")
    assert await keys_of(api, customer) == ["shared"]
    shown = await ask(api, "GET", f"/v1/entitlements/active_entitlements/{before[0]['id']}", {"expand": ["feature"]})
    assert shown["feature"]["name"] == "Shared"
    await ask(api, "GET", f"/v1/entitlements/active_entitlements/{before[1]['id']}", status=404)
    turn(sandbox, basic, "unpaid")
    assert await keys_of(api, customer) == []
    summaries = [
        [each["lookup_key"] for each in event["data"]["object"]["entitlements"]["data"]]
        for event in events_of(sandbox, SUMMARY)
    ]
    assert summaries == [["shared"], ["shared", "extra"], ["shared"], []]


async def test_a_summary_embeds_ten_and_says_that_there_are_more(
    sandbox: Sandbox, api: httpx.AsyncClient, customer: str
) -> None:
    for place in range(11):
        await make_feature(api, f"f{place:02}", "pro")
    subscribe(sandbox, customer, "pro")
    (event,) = events_of(sandbox, SUMMARY)
    summary = event["data"]["object"]
    assert (summary["customer"], summary["livemode"]) == (customer, False)
    assert (len(summary["entitlements"]["data"]), summary["entitlements"]["has_more"]) == (10, True)
    assert summary["entitlements"]["data"][0]["feature"]["object"] == "entitlements.feature"
    path = "/v1/entitlements/active_entitlements"
    first = await ask(api, "GET", path, {"customer": customer, "limit": 10})
    rest = await ask(api, "GET", path, {"customer": customer, "starting_after": first["data"][-1]["id"]})
    assert [first["has_more"], rest["has_more"], len(rest["data"])] == [True, False, 1]


async def test_nothing_is_told_where_nothing_changed(sandbox: Sandbox, api: httpx.AsyncClient, customer: str) -> None:
    await make_feature(api, "seats", "pro")
    subscription = subscribe(sandbox, customer, "basic")
    turn(sandbox, subscription, "past_due")
    assert events_of(sandbox, SUMMARY) == []
    error = await ask(api, "GET", "/v1/entitlements/active_entitlements", {"customer": "cus_none"}, status=400)
    assert error["param"] == "customer"
