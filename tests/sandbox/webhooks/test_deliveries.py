"""Webhooks on their way: who gets them, signed how, tried how often."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.conftest import START
from tests.sandbox.receiver import URL, Receiver, create_customer, listen, verify
from tollhouse.sandbox import Sandbox

OTHER = "https://other.example.com/hook"
MINUTE = 60
HOUR = 3600


async def deliveries(api: httpx.AsyncClient, **equal: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await api.get("/control/deliveries", params=equal)).json()["data"]
    return data


async def pending(api: httpx.AsyncClient) -> list[int]:
    return [event["pending_webhooks"] for event in (await api.get("/v1/events")).json()["data"]]


async def test_an_event_reaches_the_endpoint_as_stripe_sends_it(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    secret = (await listen(api))["secret"]
    customer = await create_customer(api, name="Zoë Ångström")
    await sandbox.settle()
    (request,) = receiver.requests
    assert request.method == "POST"
    assert str(request.url) == URL
    assert request.headers["content-type"] == "application/json; charset=utf-8"
    assert request.headers["user-agent"].startswith("Stripe/1.0 ")
    assert "Zoë Ångström".encode() in request.content
    event = stripe.Webhook.construct_event(request.content, request.headers["stripe-signature"], secret)
    assert (event.type, event.data.object["id"], event.pending_webhooks) == ("customer.created", customer, 1)
    assert event.created == START
    assert list(json.loads(request.content))[:2] == ["id", "object"]
    assert request.content.startswith(b'{\n  "id": "evt_')


async def test_an_endpoint_gets_the_events_it_asked_for_alone(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api, "customer.updated")
    await listen(api, "product.created", url=OTHER)
    id = await create_customer(api)
    await api.post(f"/v1/customers/{id}", data={"name": "A"})
    await sandbox.settle()
    assert receiver.types == ["customer.updated"]
    assert receiver.urls == [URL]


async def test_what_is_undone_is_not_told(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    await listen(api)
    refused = await api.post("/v1/customers", data={"metadata[a]": "x" * 501})
    assert refused.status_code == 400
    await sandbox.settle()
    assert receiver.requests == []


async def test_the_signature_has_the_machines_time_wherever_the_sandboxs_clock_is(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    secret = (await listen(api))["secret"]
    receiver.statuses[URL] = [500]
    await create_customer(api)
    await sandbox.settle()
    sandbox.advance(HOUR)
    await sandbox.settle()
    assert len(receiver.requests) == 2
    for request in receiver.requests:
        verify(request, secret)
        assert abs(int(request.headers["stripe-signature"][2:].partition(",")[0]) - time.time()) < MINUTE


async def test_a_wrong_secret_does_not_fit(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    await listen(api)
    await create_customer(api)
    await sandbox.settle()
    with pytest.raises(stripe.SignatureVerificationError):
        verify(receiver.requests[0], "whsec_of_somebody_else")


async def test_both_secrets_sign_while_a_rolled_one_still_counts(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    endpoint = await listen(api)
    rolled = await api.post(f"/control/webhook_endpoints/{endpoint['id']}/roll_secret", json={"overlap_seconds": HOUR})
    new = rolled.json()["secret"]
    assert new != endpoint["secret"]
    await create_customer(api)
    await sandbox.settle()
    assert receiver.requests[0].headers["stripe-signature"].count("v1=") == 2
    verify(receiver.requests[0], new)
    verify(receiver.requests[0], endpoint["secret"])
    sandbox.advance(HOUR)
    await create_customer(api)
    await sandbox.settle()
    verify(receiver.requests[1], new)
    with pytest.raises(stripe.SignatureVerificationError):
        verify(receiver.requests[1], endpoint["secret"])


async def test_an_old_secret_counts_for_a_day_at_most(api: httpx.AsyncClient) -> None:
    endpoint = await listen(api)
    path = f"/control/webhook_endpoints/{endpoint['id']}/roll_secret"
    assert (await api.post(path, json={"overlap_seconds": 24 * HOUR + 1})).status_code == 400
    assert (await api.post(path, json={"overlap_seconds": 24 * HOUR})).status_code == 200


@pytest.mark.parametrize("status", [302, 400, 500, 0])
async def test_what_is_not_taken_is_tried_three_times_more(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver, status: int
) -> None:
    await listen(api)
    receiver.statuses[URL] = [status] * 10
    receiver.headers = {"location": OTHER}
    await create_customer(api)
    await sandbox.settle()
    counts = [len(receiver.requests)]
    for seconds in (5 * MINUTE - 1, 1, HOUR, 3 * HOUR, 30 * 24 * HOUR):
        sandbox.advance(seconds)
        await sandbox.settle()
        counts.append(len(receiver.requests))
    assert counts == [1, 1, 2, 3, 4, 4]
    assert set(receiver.urls) == {URL}
    (delivery,) = await deliveries(api)
    assert delivery["status"] == "failed"
    assert [each["status"] for each in delivery["attempts"]] == [status or None] * 4


async def test_a_retry_that_is_taken_is_the_last(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    await listen(api)
    receiver.statuses[URL] = [500, 204]
    await create_customer(api)
    await sandbox.settle()
    assert await pending(api) == [1]
    sandbox.advance(24 * HOUR)
    await sandbox.settle()
    assert len(receiver.requests) == 2
    assert await pending(api) == [0]
    assert len({request.content for request in receiver.requests}) == 1  # the event is what it was
    assert [each["status"] for each in await deliveries(api)] == ["succeeded"]


async def test_pending_webhooks_counts_endpoints(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    await listen(api)
    await listen(api, url=OTHER)
    receiver.statuses[OTHER] = [500]
    await create_customer(api)
    assert await pending(api) == [2]
    await sandbox.settle()
    assert await pending(api) == [1]
    found = (await api.get("/v1/events", params={"delivery_success": "false"})).json()["data"]
    assert len(found) == 1
    assert (await api.get("/v1/events", params={"delivery_success": "true"})).json()["data"] == []


async def test_a_disabled_endpoint_gets_nothing_new_and_no_retry(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    id = (await listen(api))["id"]
    receiver.statuses[URL] = [500]
    await create_customer(api)
    await sandbox.settle()
    assert (await api.post(f"/control/webhook_endpoints/{id}/disable", json={})).json()["status"] == "disabled"
    await create_customer(api)
    sandbox.advance(24 * HOUR)
    await sandbox.settle()
    assert len(receiver.requests) == 1
    assert [each["status"] for each in await deliveries(api)] == ["canceled"]
    assert await pending(api) == [0, 0], "nothing is on its way any more"
    await api.post(f"/control/webhook_endpoints/{id}/enable", json={})
    await create_customer(api)
    await sandbox.settle()
    assert len(receiver.requests) == 2


async def test_a_deleted_endpoint_gets_no_retry(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    id = (await listen(api))["id"]
    receiver.statuses[URL] = [500]
    await create_customer(api)
    await sandbox.settle()
    await listen(api, url=OTHER)
    await api.delete(f"/v1/webhook_endpoints/{id}")
    assert await pending(api) == [1]
    sandbox.advance(24 * HOUR)
    await sandbox.settle()
    assert len(receiver.requests) == 1
    assert await pending(api) == [0]


async def test_a_resend_by_hand_leaves_automatic_retries_running(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    endpoint = await listen(api)
    receiver.statuses[URL] = [500, 200, 500, 200]
    await create_customer(api)
    await sandbox.settle()
    event = receiver.events[0]["id"]
    resent = await api.post(f"/v1/events/{event}/retry", data={"webhook_endpoint": endpoint["id"]})
    assert resent.json()["id"] == event
    await sandbox.settle()
    assert len(receiver.requests) == 2
    assert await pending(api) == [0]
    for count in (3, 4, 4):
        sandbox.advance(24 * HOUR)
        await sandbox.settle()
        assert len(receiver.requests) == count
    assert len(set(receiver.types)) == 1


async def test_a_slow_endpoint_delays_no_other(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.gates[URL] = asyncio.Event()
    await listen(api)
    await listen(api, url=OTHER)
    customer = await create_customer(api)
    await create_customer(api)
    await receiver.gets(2, OTHER)
    assert not await sandbox.deliveries.settled(customer, types={"customer.created"}, seconds=0.01)
    assert await sandbox.deliveries.settled(customer, types={"customer.deleted"}, seconds=0.01)
    receiver.gates[URL].set()
    assert await sandbox.deliveries.settled(customer, types={"customer.created"}, seconds=5)
    await sandbox.settle()


async def test_webhooks_arrive_at_once_and_are_sent_in_their_order(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    receiver.gates[URL] = asyncio.Event()
    await listen(api)
    made = [await create_customer(api) for _ in range(10)]
    await receiver.gets(8, URL)
    await asyncio.sleep(0.01)
    assert [event["data"]["object"]["id"] for event in receiver.events] == made[:8], "and no more than eight"
    receiver.gates[URL].set()
    await sandbox.settle()
    assert [event["data"]["object"]["id"] for event in receiver.events] == made


async def test_webhooks_come_one_by_one_where_order_is_kept(receiver: Receiver) -> None:
    receiver.gates[URL] = asyncio.Event()
    async with Sandbox(start=START, transport=receiver, keeps_order=True) as sandbox, sandbox.client() as api:
        await listen(api)
        made = [await create_customer(api) for _ in range(10)]
        await receiver.gets(1, URL)
        await asyncio.sleep(0.01)
        assert len(receiver.requests) == 1
        receiver.gates[URL].set()
        await sandbox.settle()
    assert [event["data"]["object"]["id"] for event in receiver.events] == made


async def test_an_endpoint_that_does_not_answer_in_time_has_not_taken_it(receiver: Receiver) -> None:
    receiver.gates[URL] = asyncio.Event()
    async with Sandbox(start=START, transport=receiver, webhook_seconds_max=0.02) as sandbox, sandbox.client() as api:
        await listen(api)
        await create_customer(api)
        await sandbox.settle()
        (delivery,) = await deliveries(api)
    assert delivery["status"] == "waiting"
    assert delivery["attempts"][0]["status"] is None
    assert "0.02 seconds" in delivery["attempts"][0]["error"]


async def test_the_beginning_of_a_reply_is_kept(sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver) -> None:
    receiver.body = b"no" * 5_000
    receiver.statuses[URL] = [400]
    await listen(api)
    await create_customer(api)
    await sandbox.settle()
    (attempt,) = (await deliveries(api))[0]["attempts"]
    assert attempt["reply"] == "no" * 1_000
    assert attempt["status"] == 400
    assert attempt["at"] == START


async def test_an_endpoint_gets_the_version_it_asked_for(
    sandbox: Sandbox, api: httpx.AsyncClient, receiver: Receiver
) -> None:
    await listen(api, api_version="2022-11-15")
    await listen(api, url=OTHER)
    await create_customer(api)
    await sandbox.settle()
    versions = {str(request.url): json.loads(request.content)["api_version"] for request in receiver.requests}
    assert versions == {URL: "2022-11-15", OTHER: sandbox.api.version}


async def test_what_was_under_way_when_the_process_ended_is_sent_again(tmp_path: Path, receiver: Receiver) -> None:
    receiver.gates[URL] = asyncio.Event()
    path = tmp_path / "sandbox.db"
    async with Sandbox(path=path, transport=receiver) as sandbox, sandbox.client() as api:
        await listen(api)
        await create_customer(api)
        await receiver.gets(1, URL)
    receiver.gates.clear()
    async with Sandbox(path=path, transport=receiver) as sandbox:
        await sandbox.settle()
    assert len(receiver.requests) == 2
    assert len({event["id"] for event in receiver.events}) == 1
