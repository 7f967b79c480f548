"""An office in a sandbox."""

from __future__ import annotations

import httpx
import pytest

from tollhouse.sandbox import Sandbox

from .office import Office


@pytest.fixture
def office(sandbox: Sandbox, api: httpx.AsyncClient) -> Office:
    return Office(sandbox, api)
