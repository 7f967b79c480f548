"""Tax ids and their verification."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.sandbox.asking import ask, events_of, types_of
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.resources.customers.tax_ids import CUSTOMERS_MAX, VERIFICATION_SECONDS


@pytest.fixture
async def path(api: httpx.AsyncClient) -> str:
    customer = await ask(api, "POST", "/v1/customers", {"name": "Alice"})
    return f"/v1/customers/{customer['id']}/tax_ids"


@pytest.mark.parametrize(
    ("kind", "value", "country", "at_first", "later"),
    [
        ("eu_vat", "DE123456789", "DE", "pending", "verified"),
        ("eu_vat", "EL123456789", "GR", "pending", "verified"),
        ("eu_vat", "000000000", None, "pending", "verified"),
        ("eu_vat", "111111111", None, "pending", "unverified"),
        ("eu_vat", "222222222", None, "pending", "pending"),
        ("gb_vat", "GB123456789", "GB", "pending", "verified"),
        ("us_ein", "12-3456789", "US", "unavailable", "unavailable"),
    ],
)
async def test_an_id_is_verified_after_a_while(
    sandbox: Sandbox,
    api: httpx.AsyncClient,
    path: str,
    kind: str,
    value: str,
    country: str | None,
    at_first: str,
    later: str,
) -> None:
    made = await ask(api, "POST", path, {"type": kind, "value": value})
    assert (made["country"], made["verification"]["status"]) == (country, at_first)
    sandbox.advance(VERIFICATION_SECONDS)
    shown = await ask(api, "GET", f"{path}/{made['id']}")
    assert shown["verification"]["status"] == later
    assert bool(shown["verification"]["verified_name"]) == (later == "verified")
    assert len(events_of(sandbox, "customer.tax_id.updated")) == (at_first != later)


@pytest.mark.parametrize(("kind", "value"), [("eu_vat", "123"), ("us_ein", "12-34"), ("gb_vat", "FR1"), ("in_gst", "")])
async def test_a_value_that_is_none_is_refused(api: httpx.AsyncClient, path: str, kind: str, value: str) -> None:
    error = await ask(api, "POST", path, {"type": kind, "value": value}, status=400)
    assert (error["code"], error["message"]) == ("tax_id_invalid", f"Invalid value for {kind}.")
    assert (await ask(api, "GET", path))["data"] == []


async def test_a_customer_has_only_so_many(api: httpx.AsyncClient, path: str) -> None:
    for place in range(CUSTOMERS_MAX):
        await ask(api, "POST", path, {"type": "us_ein", "value": f"12-345678{place}"})
    await ask(api, "POST", path, {"type": "us_ein", "value": "12-3456789"}, status=400)


async def test_the_account_has_ids_of_its_own(sandbox: Sandbox, api: httpx.AsyncClient, path: str) -> None:
    own = await ask(api, "POST", "/v1/tax_ids", {"type": "eu_vat", "value": "DE123456789"})
    assert (own["owner"], own["customer"], own["verification"]) == (
        {"customer_account": None, "type": "self"},
        None,
        None,
    )
    customer = path.split("/")[3]
    owner = {"type": "customer", "customer": customer}
    theirs = await ask(api, "POST", "/v1/tax_ids", {"type": "us_ein", "value": "12-3456789", "owner": owner})

    async def listed(params: Any = None, at: str = "/v1/tax_ids") -> list[str]:
        return [each["id"] for each in (await ask(api, "GET", at, params))["data"]]

    assert await listed() == [own["id"]]
    assert await listed({"owner": owner}) == await listed(at=path) == [theirs["id"]]
    error = await ask(
        api, "POST", "/v1/tax_ids", {"type": "us_ein", "value": "1", "owner": {"type": "account"}}, status=400
    )
    assert error["param"] == "owner[type]"
    await ask(api, "DELETE", f"/v1/tax_ids/{own['id']}")
    assert await listed() == []
    assert "customer.tax_id.deleted" not in types_of(sandbox)


async def test_nobody_gets_at_the_id_of_someone_else(sandbox: Sandbox, api: httpx.AsyncClient, path: str) -> None:
    made = await ask(api, "POST", path, {"type": "eu_vat", "value": "DE123456789"})
    bob = await ask(api, "POST", "/v1/customers", {"name": "Bob"})
    for method in ("GET", "DELETE"):
        error = await ask(api, method, f"/v1/customers/{bob['id']}/tax_ids/{made['id']}", status=404)
        assert error["code"] == "resource_missing"
    gone = await ask(api, "DELETE", f"{path}/{made['id']}")
    assert gone == {"id": made["id"], "object": "tax_id", "deleted": True}
    sandbox.advance(VERIFICATION_SECONDS)
    told = [each for each in types_of(sandbox) if "tax_id" in each]
    assert told == ["customer.tax_id.created", "customer.tax_id.deleted"]
