"""Requests at the sandbox's door, with nested parameters as the Stripe SDK encodes them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx
from stripe._encode import _api_encode as encode_nested

from tollhouse.sandbox import Sandbox


def encode(params: dict[str, Any]) -> str:
    return urlencode([(name, str(value)) for name, value in encode_nested(params)])


async def ask(
    api: httpx.AsyncClient,
    method: str,
    path: str,
    params: dict[str, Any] | None = None,
    *,
    status: int = 200,
    version: str | None = None,
) -> Any:
    """Return the reply's body; where a failure is expected, its error."""
    headers = {} if version is None else {"stripe-version": version}
    form = encode(params or {})
    options: dict[str, Any] = {"content": form} if method == "POST" else {"params": form}
    reply = await api.request(method, path, headers=headers, **options)
    assert reply.status_code == status, reply.text
    return reply.json() if status < 400 else reply.json()["error"]


def events_of(sandbox: Sandbox, *types: str) -> list[dict[str, Any]]:
    """Return the events of these types, or all of them, the oldest first."""
    events = reversed(sandbox.world.every("event"))
    return [each for each in events if not types or each["type"] in types]


def types_of(sandbox: Sandbox) -> list[str]:
    return [each["type"] for each in events_of(sandbox)]
