"""A shop in a sandbox."""

from __future__ import annotations

import httpx
import pytest

from tollhouse.sandbox import Sandbox

from .shop import Shop


@pytest.fixture
def shop(sandbox: Sandbox, api: httpx.AsyncClient) -> Shop:
    return Shop(sandbox, api)
