"""`toll.hold(n)` and `toll.spend(n)` in the routes of a host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException

from tollhouse import Tollhouse
from tollhouse.ledger.dependencies import Hold
from tollhouse.testing import SignedInClient, TestKit
from tollhouse.testing.kit_settings import make_settings

toll = Tollhouse(make_settings())
app = FastAPI()
toll.install(app)
Held = Annotated[Hold, Depends(toll.hold(3))]


@app.post("/capture")
async def capture(hold: Held, credits: int | None = None) -> dict[str, Any]:
    await hold.capture(credits)
    return {"held": hold.credits}


@app.post("/forget")
async def forget(hold: Held) -> str:
    return hold.id


@app.post("/release")
async def release(hold: Held) -> str:
    await hold.release()
    return hold.id


@app.post("/fail")
async def fail(hold: Held) -> str:
    raise HTTPException(418, hold.id)


@app.post("/break")
async def break_down(hold: Held) -> str:
    raise RuntimeError(hold.id)


@app.post("/late")
async def late(hold: Held) -> str:
    toll.clock.advance(901)
    await toll.credits.spend(hold.user_id, 10)  # somebody else took what was free again
    return hold.id


@app.post("/spend")
async def spend(spent: Annotated[dict[str, Any], Depends(toll.spend(3))]) -> dict[str, Any]:
    return spent


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    async with TestKit(app=app, toll=toll, database_url=migrated_database_url) as running:
        yield running


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice with ten credits."""
    signed_in = await kit.sign_in("alice@example.com")
    await toll.credits.grant(signed_in.user_id, 10)
    return signed_in


async def left(alice: SignedInClient) -> tuple[int, int]:
    balance = await toll.credits.balance(alice.user_id)
    return balance.available, balance.held


@pytest.mark.parametrize(
    ("path", "available", "status"),
    [
        ("/capture", 7, 200),
        ("/capture?credits=1", 9, 200),
        ("/forget", 10, 200),
        ("/release", 10, 200),
        ("/fail", 10, 418),
        ("/capture?credits=4", 10, 422),
        ("/late", 0, 200),
        ("/spend", 7, 200),
    ],
)
async def test_what_is_captured_is_spent_and_the_rest_is_free_when_the_reply_is_there(
    alice: SignedInClient, path: str, available: int, status: int
):
    reply = await alice.post(path)
    assert reply.status_code == status, reply.text
    assert await left(alice) == (available, 0)


async def test_a_route_that_breaks_down_spends_nothing(alice: SignedInClient):
    with pytest.raises(RuntimeError):
        await alice.post("/break")
    assert await left(alice) == (10, 0)


@pytest.mark.parametrize("path", ["/forget", "/capture"])
async def test_a_hold_has_ended_before_the_first_byte_of_the_response(alice: SignedInClient, path: str):
    seen: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            seen.append((await toll.credits.balance(alice.user_id)).held)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    cookies = "; ".join(f"{name}={value}" for name, value in alice.browser.cookies.items())
    headers = [(b"host", b"toll.example.com"), (b"cookie", cookies.encode()), (b"sec-fetch-site", b"same-origin")]
    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST"}
    scope |= {"path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "https"}
    scope |= {"headers": headers, "client": ("192.0.2.1", 1), "server": ("toll.example.com", 443)}
    await app(scope, receive, send)
    assert seen == [0]


@pytest.mark.parametrize("path", ["/capture", "/spend"])
async def test_nobody_is_401_and_who_has_too_few_402(kit: TestKit, path: str):
    assert (await kit.new_browser().post(path)).status_code == 401
    poor = await kit.sign_in("bob@example.com")
    reply = await poor.post(path)
    assert (reply.status_code, reply.json()["available"], reply.json()["requested"]) == (402, 0, 3)


async def test_ten_credits_are_enough_for_three_at_once(alice: SignedInClient):
    replies = await asyncio.gather(*(alice.post("/capture") for _ in range(8)))
    assert sorted(reply.status_code for reply in replies) == 3 * [200] + 5 * [402]
    assert await left(alice) == (1, 0)


async def test_openapi_says_that_somebody_must_call(kit: TestKit):
    operation = app.openapi()["paths"]["/capture"]["post"]
    assert operation["security"] == [{"bearer": []}]
    assert [each["name"] for each in operation["parameters"]] == ["credits"]
