"""A sandbox whose ids and clock are the same in every run, and a client at its door."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.sandbox.receiver import Receiver
from tollhouse.sandbox import Sandbox

START = 1_800_000_000  # 15 January 2027, 08:00 UTC


@pytest.fixture
def receiver() -> Receiver:
    """Where webhooks go."""
    return Receiver()


@pytest.fixture
async def sandbox(receiver: Receiver) -> AsyncIterator[Sandbox]:
    async with Sandbox(seed=1, start=START, check_replies=True, transport=receiver) as sandbox:
        yield sandbox


@pytest.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with sandbox.client() as client:
        yield client
