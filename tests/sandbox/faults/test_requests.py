"""Requests to the API that go wrong on purpose, before their effect or after it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.sandbox.faults.test_deliveries import break_it
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.serving import serving

KEY = {"idempotency-key": "k1"}


async def count(api: httpx.AsyncClient) -> int:
    return len((await api.get("/v1/customers")).json()["data"])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_error_comes_before_the_effect_or_after_it(api: httpx.AsyncClient, status: int, when: str) -> None:
    await break_it(api, "error", method="POST", path="/v1/customers", status=status, when=when, times=1)
    reply = await api.post("/v1/customers")
    assert reply.status_code == status
    assert reply.json()["error"]["type"] == ("invalid_request_error" if status == 429 else "api_error")
    assert await count(api) == (when == "after")
    assert (await api.post("/v1/customers")).status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_retry_under_the_same_key_makes_one_object(api: httpx.AsyncClient, when: str) -> None:
    await break_it(api, "reset", method="POST", when=when, times=2)
    for _ in range(2):
        with pytest.raises(httpx.TransportError):
            await api.post("/v1/customers", headers=KEY)
    reply = await api.post("/v1/customers", headers=KEY)
    assert reply.status_code == 200
    assert ("idempotent-replayed" in reply.headers) == (when == "after")
    assert await count(api) == 1


async def test_without_a_key_a_retry_after_the_effect_makes_another_object(api: httpx.AsyncClient) -> None:
    await break_it(api, "reset", method="POST", when="after", times=1)
    with pytest.raises(httpx.TransportError):
        await api.post("/v1/customers")
    await api.post("/v1/customers")
    assert await count(api) == 2


async def test_an_error_of_stripes_own_is_kept_for_its_key_if_asked(api: httpx.AsyncClient) -> None:
    await break_it(api, "error", times=1, is_kept=True)
    assert (await api.post("/v1/customers", headers=KEY)).status_code == 500
    again = await api.post("/v1/customers", headers=KEY)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (500, "true")
    assert await count(api) == 0


async def test_a_second_request_under_a_key_finds_the_first_under_way(api: httpx.AsyncClient) -> None:
    await break_it(api, "late", seconds=0.05, times=1)
    first, second = await asyncio.gather(*(api.post("/v1/customers", headers=KEY) for _ in range(2)))
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json()["error"]["code"] == "idempotency_key_in_use"
    assert await count(api) == 1


async def test_a_request_that_is_never_answered_ends_the_clients_patience(api: httpx.AsyncClient) -> None:
    await break_it(api, "timeout", method="POST", when="after", times=1)
    with pytest.raises(httpx.ReadTimeout):
        await api.post("/v1/customers", timeout=0.05)
    assert await count(api) == 1


async def test_a_patient_client_sees_the_connection_break(api: httpx.AsyncClient) -> None:
    await break_it(api, "timeout", seconds=0.01)
    with pytest.raises(httpx.ReadError):
        await api.get("/v1/customers")


async def test_requests_beyond_a_rate_are_refused(api: httpx.AsyncClient) -> None:
    await break_it(api, "rate_limit", per_second=3)
    replies = [await api.get("/v1/customers") for _ in range(9)]
    refused = [reply for reply in replies if reply.status_code == 429]
    # Nine take far less than a second, which may yet begin or end among them.
    assert 3 <= len(refused) <= 6
    assert refused[0].json()["error"]["code"] == "rate_limit"


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/customers"), ("POST", "/v1/products*")])
async def test_other_requests_are_left_alone(api: httpx.AsyncClient, method: str, path: str) -> None:
    await break_it(api, "error", method=method, path=path)
    assert (await api.post("/v1/customers")).status_code == 200


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "fault"),
        ({"fault": "earthquake"}, "fault"),
        ({"fault": "error", "status": 200}, "status"),
        ({"fault": "error", "status": True}, "status"),
        ({"fault": "reset", "when": "later"}, "when"),
        ({"fault": "drop", "types": "invoice.paid"}, "types"),
        ({"fault": "drop", "types": []}, "types"),
        ({"fault": "drop", "probability": 2}, "probability"),
        ({"fault": "drop", "times": 0}, "times"),
        ({"fault": "delay", "seconds": -1}, "seconds"),
        ({"fault": "duplicate", "copies": 100}, "copies"),
        ({"fault": "reset", "types": ["invoice.paid"]}, "types"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(api: httpx.AsyncClient, given: dict[str, Any], param: str) -> None:
    reply = await api.post("/control/faults", json=given)
    assert reply.status_code == 400
    assert reply.json()["param"] == param
    assert (await api.get("/control/faults")).json()["data"] == []


async def test_faults_need_no_times_and_end_together(api: httpx.AsyncClient) -> None:
    await break_it(api, "error")
    await break_it(api, "reset", method="GET")
    assert [(await api.post("/v1/customers")).status_code for _ in range(3)] == [500] * 3
    assert (await api.request("DELETE", "/control/faults", json={})).status_code == 200
    assert await count(api) == 0


async def test_over_a_socket_the_connection_breaks_in_the_reply() -> None:
    async with serving(Sandbox(seed=1)) as url, httpx.AsyncClient(base_url=url, trust_env=False) as api:
        api.headers["authorization"] = "Bearer sk_test_sandbox"
        await break_it(api, "reset", method="POST", when="after", times=1)
        with pytest.raises(httpx.TransportError):
            await api.post("/v1/customers", headers=KEY)
        assert (await api.post("/v1/customers", headers=KEY)).headers["idempotent-replayed"] == "true"
        assert await count(api) == 1
