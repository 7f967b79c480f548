"""Webhook endpoints as the API shows them."""

from __future__ import annotations

import httpx
import pytest

from tests.sandbox.receiver import URL, listen


async def test_the_secret_is_shown_once(api: httpx.AsyncClient) -> None:
    made = await listen(api)
    assert made["secret"].startswith("whsec_")
    assert "secret" not in (await api.get(f"/v1/webhook_endpoints/{made['id']}")).json()
    assert "secret" not in (await api.get("/v1/webhook_endpoints")).json()["data"][0]


@pytest.mark.parametrize("url", ["", "app.example.com/hook", "ftp://app.example.com", "https://", "http://[::1"])
async def test_a_url_that_cannot_be_called_is_refused(api: httpx.AsyncClient, url: str) -> None:
    reply = await api.post("/v1/webhook_endpoints", data={"url": url, "enabled_events[]": "*"})
    assert reply.status_code == 400
    assert (reply.json()["error"]["code"], reply.json()["error"]["param"]) == ("url_invalid", "url")


@pytest.mark.parametrize("events", [["nonsense.happened"], ["*", "customer.created"]])
async def test_events_that_cannot_be_subscribed_to_are_refused(api: httpx.AsyncClient, events: list[str]) -> None:
    reply = await api.post("/v1/webhook_endpoints", data={"url": URL, "enabled_events[]": events})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"].startswith("enabled_events")


async def test_an_account_has_sixteen_endpoints_at_most(api: httpx.AsyncClient) -> None:
    made = [await listen(api, "customer.created") for _ in range(16)]
    refused = await api.post("/v1/webhook_endpoints", data={"url": URL, "enabled_events[]": "*"})
    assert refused.status_code == 400
    assert "16" in refused.json()["error"]["message"]
    await api.delete(f"/v1/webhook_endpoints/{made[0]['id']}")
    assert await listen(api)


async def test_an_endpoint_is_changed_field_by_field(api: httpx.AsyncClient) -> None:
    id = (await listen(api, description="first", **{"metadata[a]": "1"}))["id"]
    data = {"enabled_events[]": "invoice.paid", "description": "", "metadata[b]": "2", "disabled": "true"}
    changed = (await api.post(f"/v1/webhook_endpoints/{id}", data=data)).json()
    assert changed["enabled_events"] == ["invoice.paid"]
    assert changed["description"] is None
    assert changed["metadata"] == {"a": "1", "b": "2"}
    assert changed["status"] == "disabled"
    assert changed["url"] == URL
    again = (await api.post(f"/v1/webhook_endpoints/{id}", data={"disabled": "false"})).json()
    assert again["status"] == "enabled"
