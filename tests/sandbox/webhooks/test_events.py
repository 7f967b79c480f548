"""The list of events."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.sandbox.receiver import create_customer
from tollhouse.sandbox import Sandbox

DAY = 24 * 3600


async def list_types(api: httpx.AsyncClient, **params: str | list[str]) -> list[str]:
    reply = await api.get("/v1/events", params=params)
    assert reply.status_code == 200, reply.text
    return [event["type"] for event in reply.json()["data"]]


async def test_events_are_found_by_type(api: httpx.AsyncClient) -> None:
    id = await create_customer(api)
    await api.post(f"/v1/customers/{id}", data={"name": "A"})
    await api.delete(f"/v1/customers/{id}")
    assert await list_types(api) == ["customer.deleted", "customer.updated", "customer.created"]
    assert await list_types(api, type="customer.updated") == ["customer.updated"]
    assert await list_types(api, type="customer.*") == ["customer.deleted", "customer.updated", "customer.created"]
    types = ["customer.deleted", "customer.created"]
    assert await list_types(api, **{"types[]": types}) == types
    assert await list_types(api, type="invoice.paid") == []


@pytest.mark.parametrize(
    "params", [{"type": "a", "types[]": ["a"]}, {"types[]": ["customer.created"] * 21}], ids=["both", "too many"]
)
async def test_a_question_that_stripe_refuses_is_refused(
    api: httpx.AsyncClient, params: dict[str, str | list[str]]
) -> None:
    reply = await api.get("/v1/events", params=params)
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == "types"


async def test_events_are_listed_for_thirty_days_and_found_by_their_id_for_ever(
    sandbox: Sandbox, api: httpx.AsyncClient
) -> None:
    await create_customer(api)
    id = (await api.get("/v1/events")).json()["data"][0]["id"]
    sandbox.advance(30 * DAY - 1)
    assert await list_types(api) == ["customer.created"]
    sandbox.advance(1)
    assert await list_types(api) == []
    for method, path in (("GET", f"/v1/events/{id}"), ("POST", f"/v1/events/{id}/retry")):
        assert (await api.request(method, path)).json()["id"] == id
    missing = await api.get("/v1/events/evt_unknown")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "resource_missing")


async def test_a_list_reads_no_further_than_its_page(
    sandbox: Sandbox, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(30):
        await create_customer(api)
    read = 0
    parse = json.loads

    def count(text: str) -> Any:
        nonlocal read
        read += 1
        return parse(text)

    monkeypatch.setattr("tollhouse.sandbox.state.store.json.loads", count)
    for query in ("", "&type=customer.created", "&type=customer.*", "&created[gt]=1"):
        read = 0
        page = await api.get("/v1/events?limit=3" + query)
        assert read <= 6, query
        assert page.text.count('"customer.created"') == 3


async def test_a_page_before_an_event_holds_the_ones_that_came_next(api: httpx.AsyncClient) -> None:
    for _ in range(4):
        await create_customer(api)
    ids = [event["id"] for event in (await api.get("/v1/events")).json()["data"]]
    page = (await api.get("/v1/events", params={"ending_before": ids[3], "limit": 2})).json()
    assert [event["id"] for event in page["data"]] == ids[1:3]
    assert page["has_more"]


async def test_an_event_says_which_request_made_it(api: httpx.AsyncClient) -> None:
    reply = await api.post("/v1/customers", headers={"idempotency-key": "once"})
    (event,) = (await api.get("/v1/events")).json()["data"]
    assert event["request"] == {"id": reply.headers["request-id"], "idempotency_key": "once"}


async def test_an_event_keeps_what_its_object_was(api: httpx.AsyncClient) -> None:
    id = await create_customer(api, name="Before")
    await api.post(f"/v1/customers/{id}", data={"name": "After"})
    updated, created = (await api.get("/v1/events")).json()["data"]
    assert created["data"]["object"]["name"] == "Before"
    assert updated["data"]["previous_attributes"] == {"name": "Before"}
