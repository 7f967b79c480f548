"""A sandbox used where it cannot be says so."""

from __future__ import annotations

import asyncio

import pytest

from tollhouse.sandbox import Sandbox


async def test_after_its_end_it_says_so() -> None:
    async with Sandbox(seed=1) as sandbox, sandbox.client() as api:
        assert (await api.get("/v1/customers")).status_code == 200
    async with sandbox.client() as api:
        with pytest.raises(RuntimeError, match="has ended"):
            await api.get("/v1/customers")
    with pytest.raises(RuntimeError, match="has ended"):
        sandbox.advance(1)
    with pytest.raises(RuntimeError, match="has ended"):
        async with sandbox:
            pass


async def test_before_its_beginning_nobody_waits_for_it() -> None:
    sandbox = Sandbox(seed=1)
    with pytest.raises(RuntimeError, match="Enter this sandbox first"):
        await sandbox.settle()
    async with sandbox:
        await sandbox.settle()


async def test_another_thread_is_told_that_it_is_not_its_own(sandbox: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="belongs to the thread"):
        await asyncio.to_thread(sandbox.advance, 1)
    sandbox.advance(1)
