"""Searches: the query language, and the pages of what is found."""

from __future__ import annotations

import contextlib
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sandbox.asking import ask
from tests.sandbox.conftest import START
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.api.queries import parse
from tollhouse.sandbox.errors import StripeError


@pytest.fixture
async def found(api: httpx.AsyncClient) -> Any:
    """Three customers, and what finds their names."""
    for name, email, metadata in (
        ("Alice Ames", "alice@example.test", {"plan": "pro", 'a"b': "x"}),
        ("Bob", "bob@example.test", {"plan": "free"}),
        ("Charlie", "charlie@other.test", {}),
    ):
        await ask(api, "POST", "/v1/customers", {"name": name, "email": email, "metadata": metadata})

    async def find(query: str) -> str:
        page = await ask(api, "GET", "/v1/customers/search", {"query": query, "limit": 100})
        return "".join(sorted(each["name"][0] for each in page["data"]))

    return find


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('email:"alice@example.test"', "A"),
        ("email:'ALICE@example.TEST'", "A"),
        ('email:"alice"', ""),
        ('email~"example"', "AB"),
        ('-email~"example"', "C"),
        ('name:"Bob" OR name:"Charlie"', "BC"),
        ('name:"Bob" or name:"Charlie"', "BC"),
        ('email~"example" AND metadata["plan"]:"pro"', "A"),
        ('email~"example" metadata["plan"]:"pro"', "A"),
        ("metadata['plan']:'free'", "B"),
        ('-metadata["plan"]:null', "AB"),
        ('metadata["plan"]:null', "C"),
        (r'metadata["a\"b"]:"x"', "A"),
        (f"created:{START}", "ABC"),
        (f"created={START}", "ABC"),
        (f"created>{START}", ""),
        (f"created>={START}", "ABC"),
        (f'created<"{START + 1}"', "ABC"),
        (f"-created<={START}", ""),
        ("phone:null", "ABC"),
        ("  name:'Bob'  ", "B"),
    ],
)
async def test_a_query_finds_what_it_says(found: Any, query: str, names: str) -> None:
    assert await found(query) == names


@pytest.mark.parametrize(
    "query",
    [
        "",
        "alice",
        "name:",
        'name:"Alice',
        "name:Alice",
        'name:"A" AND',
        'name:"A" AND name:"B" OR name:"C"',
        'name:"A"name:"B"',
        '(name:"A")',
        'secret:"A"',
        'created~"123"',
        'name>"A"',
        'name~"Al"',
        'created:"today"',
        "name~null",
        'metadata[plan]:"pro"',
        " ".join(f'name:"{place}"' for place in range(11)),
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(api: httpx.AsyncClient, query: str) -> None:
    error = await ask(api, "GET", "/v1/customers/search", {"query": query}, status=400)
    assert (error["type"], error["param"]) == ("invalid_request_error", "query")


async def test_what_is_found_comes_in_pages(api: httpx.AsyncClient) -> None:
    made = [(await ask(api, "POST", "/v1/products", {"name": f"Plan {place}"}))["id"] for place in range(5)]
    query = {"query": 'name~"plan"', "limit": 2, "expand": ["total_count"]}
    seen: list[str] = []
    page: Any = await ask(api, "GET", "/v1/products/search", query)
    assert (page["object"], page["url"], page["total_count"]) == ("search_result", "/v1/products/search", 5)
    seen += [each["id"] for each in page["data"]]
    while page["has_more"]:
        page = await ask(api, "GET", "/v1/products/search", {**query, "page": page["next_page"]})
        seen += [each["id"] for each in page["data"]]
    assert seen == made[::-1]
    assert page["next_page"] is None
    plain = await ask(api, "GET", "/v1/products/search", {"query": 'name~"plan"'})
    assert "total_count" not in plain


@pytest.mark.parametrize("params", [{"page": "nonsense"}, {"page": "%%%"}, {"page": "ZnJvbSAx0"}, {"limit": 0}])
async def test_a_page_of_nothing_is_refused(api: httpx.AsyncClient, params: Any) -> None:
    error = await ask(api, "GET", "/v1/products/search", {"query": 'name:"a"', **params}, status=400)
    assert error["param"] == next(iter(params))


async def test_prices_are_found_with_what_is_asked_to_be_expanded(api: httpx.AsyncClient) -> None:
    product = await ask(api, "POST", "/v1/products", {"name": "Pro"})
    for key, currency in (("pro_monthly", "usd"), ("pro_yearly", "eur")):
        form = {"product": product["id"], "currency": currency, "unit_amount": 1, "lookup_key": key}
        await ask(api, "POST", "/v1/prices", form)
    query = {"query": f'product:"{product["id"]}" -currency:"usd"', "expand": ["data.product"]}
    page = await ask(api, "GET", "/v1/prices/search", query)
    assert [(each["lookup_key"], each["product"]["name"]) for each in page["data"]] == [("pro_yearly", "Pro")]
    await ask(api, "GET", "/v1/prices/search", {"query": 'active:"true"', "expand": ["product"]}, status=400)
    assert (await ask(api, "GET", "/v1/prices/search", {"query": "active:'false'"}))["data"] == []


async def test_what_is_deleted_is_not_found(api: httpx.AsyncClient, found: Any) -> None:
    (bob,) = (await ask(api, "GET", "/v1/customers/search", {"query": 'name:"Bob"'}))["data"]
    await ask(api, "DELETE", f"/v1/customers/{bob['id']}")
    assert await found('email~"example"') == "A"


@given(st.text(max_size=60) | st.from_regex(r"[a-z\[\]\"'\\:~<>= -]{1,60}"))
def test_any_text_is_a_query_or_is_refused(text: str) -> None:
    with contextlib.suppress(StripeError):
        assert parse(text).clauses


@given(st.text(min_size=1, max_size=20), st.text(max_size=30))
def test_any_key_and_value_can_be_asked_for(key: str, value: str) -> None:
    escaped = [part.replace("\\", "\\\\").replace('"', '\\"') for part in (key, value)]
    (clause,) = parse(f'metadata["{escaped[0]}"]:"{escaped[1]}"').clauses
    assert (clause.field, clause.value) == ("metadata." + key, value)


async def test_a_fault_lets_searches_lag_behind(sandbox: Sandbox, api: httpx.AsyncClient, found: Any) -> None:
    rule = (await api.post("/control/faults", json={"fault": "search_lag", "seconds": 30})).json()
    assert "probability" not in rule
    assert await found('email~"example"') == ""
    sandbox.advance(29)
    assert await found('email~"example"') == ""
    sandbox.advance(1)
    assert await found('email~"example"') == "AB"
    await ask(api, "POST", "/v1/customers", {"name": "Zoe", "email": "zoe@example.test"})
    assert await found('email~"example"') == "AB"
    assert len((await ask(api, "GET", "/v1/customers"))["data"]) == 4, "lists do not lag"
    await api.delete(f"/control/faults/{rule['id']}")
    assert await found('email~"example"') == "ABZ"


@pytest.mark.parametrize("field", [{"probability": 0.5}, {"times": 1}, {"seconds": -1}])
async def test_a_lag_of_searches_is_not_drawn(api: httpx.AsyncClient, field: dict[str, Any]) -> None:
    reply = await api.post("/control/faults", json={"fault": "search_lag", **field})
    assert (reply.status_code, reply.json()["param"]) == (400, next(iter(field)))
