"""Whatever anybody posts to the webhook: refused as a whole, or an event that is kept; never an error of ours."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from tests.billing.posting import PATH, at_rest, make_event, post, sign
from tests.identity.rows import everything
from tollhouse.billing.effects import EFFECTS
from tollhouse.testing import TestKit

BODY = json.dumps(make_event()).encode()
BODIES = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"evt_1"',
    "not UTF-8": b"\xff\xfe\x00",
    "UTF-16": BODY.decode().encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + BODY,
    "another object": json.dumps({"id": "cus_1", "object": "customer"}).encode(),
    "without data": json.dumps({"id": "evt_1", "object": "event", "type": "x"}).encode(),
    "deep": b"[" * 300_000,
    "a long number": BODY.replace(b'"created": 1', b'"created": 1' + b"0" * 6_000),
    "half a surrogate pair": BODY.replace(b"evt_", b"evt_\\ud800"),
    "NUL in the id": BODY.replace(b"evt_", b"evt_\\u0000"),
    "a long id": BODY.replace(b"evt_", b"evt_" + b"x" * 300),
    "compressed": gzip.compress(BODY),
    "twice": BODY + BODY,
}


@pytest.fixture
async def shut(kit: TestKit) -> Any:
    """The kit, in which nothing may have changed in the end."""
    before = await at_rest(kit)
    yield kit
    assert await everything(kit) == before


async def test_a_signed_body_that_is_no_event_is_refused_and_not_kept(shut: TestKit) -> None:
    for name, body in BODIES.items():
        reply = await post(shut, body)
        assert (reply.status_code, reply.json()["code"]) == (400, "signature_invalid"), name
        assert "retry-after" not in reply.headers


async def test_an_odd_header_is_refused_and_nothing_kept(shut: TestKit) -> None:
    good = sign(BODY, shut.toll.settings.stripe_webhook_secrets[0])
    headers: list[list[tuple[bytes, bytes]]] = [
        [],
        [(b"stripe-signature", b"")],
        [(b"stripe-signature", good.encode()), (b"stripe-signature", good.encode())],
        [(b"stripe-signature", good.encode() + b"\xe9")],
        [(b"stripe-signature", good.encode() + b",x=" + b"y" * 5_000)],
        [(b"stripe-signature", good.replace("v1", "v0").encode())],
        [(b"stripe-signature", b",".join([good.encode().split(b",")[0], *[b"v1=0"] * 500]))],
        [(b"x-stripe-signature", good.encode())],
    ]
    transport = httpx.ASGITransport(app=shut.app, client=("203.0.113.9", 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=shut.toll.settings.url) as mallory:
        for given in headers:
            reply = await mallory.post(PATH, content=BODY, headers=given)
            assert (reply.status_code, reply.json()["code"]) == (400, "signature_invalid"), given


async def test_only_posts_are_events(shut: TestKit) -> None:
    transport = httpx.ASGITransport(app=shut.app, client=("203.0.113.9", 40_000))
    async with httpx.AsyncClient(transport=transport, base_url=shut.toll.settings.url) as mallory:
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            assert (await mallory.request(method, PATH)).status_code == 405


@pytest.mark.parametrize("inner", [{}, {"id": 7}, {"id": None, "object": []}, {"id": {"id": "x"}}, {"id": "\0"}])
async def test_whatever_an_effect_is_told_of_is_never_an_error_of_ours(kit: TestKit, inner: dict[str, Any]) -> None:
    for event_type in EFFECTS:
        reply = await post(kit, make_event(event_type, data={"object": inner, "previous_attributes": None}))
        assert reply.status_code == 200, (event_type, reply.text)
