"""Bodies that never end: a connection is not held for ever, and cannot hold up a stop."""

from __future__ import annotations

import asyncio

import pytest

from tollhouse.pages import bodies
from tollhouse.testing import TestKit


async def test_a_body_that_does_not_arrive_is_answered_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS_MAX", 0.1)
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError("nothing ever comes")

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/auth/magic-links", "http_version": "1.1", "query_string": b""}
    headers = [(b"host", b"toll.example.com"), (b"content-length", b"50"), (b"content-type", b"application/json")]
    async with TestKit() as kit:
        async with asyncio.timeout(5):
            await kit.app(scope | {"headers": headers, "client": ("192.0.2.1", 1)}, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 408
    assert b"body_too_slow" in sent[1]["body"]  # type: ignore[operator]
