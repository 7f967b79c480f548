"""The control API: what it takes, and whom it refuses."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.conftest import START
from tests.sandbox.receiver import URL, Receiver, create_customer, listen
from tollhouse.sandbox import Sandbox

JSON = {"content-type": "application/json"}
PROBLEM = "application/problem+json"


async def test_it_lists_its_commands(api: httpx.AsyncClient) -> None:
    commands = (await api.get("/control")).json()["commands"]
    listed = {(each["method"], each["path"]): each for each in commands}
    assert listed["POST", "/control/clock/advance"]["takes"] == {"seconds": "integer"}
    assert all(each["does"].endswith(".") for each in commands)
    assert len(listed) == len(commands) > 20


async def test_the_clock_is_turned_forward(api: httpx.AsyncClient) -> None:
    assert (await api.post("/control/clock/advance", json={"seconds": 60})).json()["now"] == START + 60
    assert (await api.get("/control/clock")).json() == {"now": START + 60, "turned": 60, "stands_still": True}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "seconds"),
        ({"seconds": "60"}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"seconds": 1.5}, "seconds"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": 10**30}, "seconds"),
        ({"seconds": 1, "minutes": 1}, "minutes"),
    ],
)
async def test_a_mistake_is_a_problem_that_names_the_field(
    api: httpx.AsyncClient, body: dict[str, Any], param: str
) -> None:
    reply = await api.post("/control/clock/advance", json=body)
    assert reply.headers["content-type"] == PROBLEM
    assert (reply.status_code, reply.json()["status"], reply.json()["param"]) == (400, 400, param)
    assert reply.json()["detail"]
    assert (await api.get("/control/clock")).json()["now"] == START


@pytest.mark.parametrize("content", [b"{", b"[]", b'"seconds"', b"\xff", b'{"seconds": NaN}'])
async def test_a_body_that_is_no_object_is_refused(api: httpx.AsyncClient, content: bytes) -> None:
    reply = await api.post("/control/clock/advance", content=content, headers=JSON)
    assert (reply.status_code, reply.headers["content-type"]) == (400, PROBLEM)


async def test_a_body_without_end_is_refused(api: httpx.AsyncClient) -> None:
    reply = await api.post("/control/reset", content=b" " * 200_000, headers=JSON)
    assert reply.status_code == 413


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 403),
        ({"host": "[::1"}, 403),
        ({"host": "127.0.0.1.evil.example:8001"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": ""}, 415),
        ({"host": "localhost:8001"}, 200),
        ({"host": "[::1]:8001"}, 200),
        ({"origin": "http://127.0.0.1:8001"}, 200),
    ],
)
async def test_a_page_of_another_origin_cannot_steer_it(
    api: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    await create_customer(api)
    reply = await api.post("/control/reset", content=b"{}", headers=JSON | headers)
    assert reply.status_code == status
    assert len((await api.get("/v1/customers")).json()["data"]) == (status != 200)


@pytest.mark.parametrize("path", ["/control", "/control/clock", "/control/deliveries"])
async def test_a_page_of_another_origin_cannot_read_it(api: httpx.AsyncClient, path: str) -> None:
    assert (await api.get(path, headers={"host": "evil.example"})).status_code == 403
    assert (await api.get(path)).status_code == 200


async def test_the_sandboxs_own_host_is_taken_wherever_it_is() -> None:
    async with Sandbox(url="http://stripe.test:8001") as sandbox, sandbox.client() as api:
        assert (await api.get("/control/clock")).status_code == 200


async def test_what_is_not_there_is_not_found(api: httpx.AsyncClient) -> None:
    for path in ("/refunds/re_1/fail", "/webhook_endpoints/we_1/disable", "/events/evt_1/resend"):
        reply = await api.post("/control" + path, json={})
        assert (reply.status_code, reply.headers["content-type"]) == (404, PROBLEM), path
        assert "_1" in reply.json()["detail"]


async def test_a_reset_forgets_objects_and_faults_but_not_the_time(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    old = await create_customer(api)
    await api.post("/control/faults", json={"fault": "error"})
    sandbox.advance(60)
    assert (await api.post("/control/reset", json={})).json() == {"reset": True}
    assert (await api.get(f"/v1/customers/{old}")).status_code == 404
    assert (await api.get("/v1/webhook_endpoints")).json()["data"] == []
    assert (await api.get("/control/clock")).json()["turned"] == 60
    assert await create_customer(api) != old


async def test_settling_waits_for_what_is_under_way(api: httpx.AsyncClient, receiver: Receiver) -> None:
    await listen(api)
    await create_customer(api)
    assert (await api.post("/control/deliveries/settle", json={})).json() == {"settled": True}
    assert len(receiver.requests) == 1


async def test_settling_ends_when_time_is_up(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    await listen(api)
    await api.post("/control/faults", json={"fault": "slow", "seconds": 0.2, "times": 1})
    await create_customer(api)
    reply = await api.post("/control/deliveries/settle", json={"seconds": 0.01})
    assert reply.status_code == 408
    await sandbox.settle()


async def test_an_event_is_resent_to_all_who_want_it_or_to_one(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    first, second = await listen(api), await listen(api, "customer.created", url=URL + "/2")
    other = await listen(api, "invoice.paid", url=URL + "/3")
    await create_customer(api)
    await sandbox.settle()
    event = receiver.events[0]["id"]
    receiver.requests.clear()
    sent = (await api.post(f"/control/events/{event}/resend", json={})).json()["data"]
    assert {each["endpoint"] for each in sent} == {first["id"], second["id"]}
    await sandbox.settle()
    assert set(receiver.urls) == {URL, URL + "/2"}
    sent = await api.post(f"/control/events/{event}/resend", json={"webhook_endpoint": other["id"]})
    assert [each["endpoint"] for each in sent.json()["data"]] == [other["id"]]
    await sandbox.settle()
    assert receiver.urls[-1] == URL + "/3"


async def test_deliveries_are_found_by_what_they_are_about(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api)
    id = await create_customer(api)
    await create_customer(api)
    await sandbox.settle()
    found = (await api.get("/control/deliveries", params={"source": id, "status": "succeeded"})).json()["data"]
    assert [each["source"] for each in found] == [id]
    assert (await api.get("/control/deliveries", params={"status": "failed"})).json()["data"] == []
    page = (await api.get("/control/deliveries", params={"limit": 1})).json()
    assert (len(page["data"]), page["has_more"]) == (1, True)
    assert (await api.get("/control/deliveries", params={"limit": "many"})).status_code == 400
    assert (await api.get("/control/deliveries", params={"colour": "red"})).status_code == 400
