"""Fixtures of pytest: name this module in `pytest_plugins` of your `conftest.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tollhouse.sandbox import Sandbox
from tollhouse.testing.stripe_sandbox import ServedSandbox


@pytest.fixture
def served_stripe() -> Iterator[ServedSandbox]:
    """A sandbox of Stripe on a port of its own, empty, for clients of every kind."""
    with ServedSandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def stripe_sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox of Stripe in process, empty; needs a plugin that runs asynchronous fixtures."""
    async with Sandbox() as sandbox:
        yield sandbox
