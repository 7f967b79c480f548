"""Apps in processes of their own that check what they get with the libraries of Standard Webhooks."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.children import LOOPBACK, free_port, start_child, stop_child
from tests.support.node import NODE, environment, find_packages

HERE = Path(__file__).parent
START_SECONDS_MAX = 20.0
STEP_SECONDS = 0.01


class App:
    """A running app."""

    def __init__(self, port: int, client: httpx.AsyncClient) -> None:
        self.url = f"http://{LOOPBACK}:{port}/events"
        self._client = client

    async def seen(self) -> dict[str, Any]:
        """What it has verified, and why it refused the rest."""
        return (await self._client.get("/seen")).raise_for_status().json()

    async def use(self, secret: str) -> None:
        """Have it check by another secret from now on."""
        (await self._client.post("/secret", content=secret)).raise_for_status()

    async def post(self, body: bytes, headers: dict[str, str]) -> int:
        """The status with which it answers to whoever posts that."""
        return (await self._client.post("/events", content=body, headers=headers)).status_code


@asynccontextmanager
async def app_in_node(secret: str, folder: Path) -> AsyncIterator[App]:
    """An app on `node:http`."""
    shutil.copy(HERE / "receiver.mjs", folder)
    (folder / "node_modules").symlink_to(find_packages(HERE))
    async with _running([NODE, folder / "receiver.mjs", secret], environment()) as app:
        yield app


@asynccontextmanager
async def app_in_python(secret: str) -> AsyncIterator[App]:
    """An app on Starlette."""
    words = [sys.executable, HERE / "app.py", secret, str(free_port())]
    async with _running(words, {"PATH": os.environ.get("PATH", os.defpath)}) as app:
        yield app


@asynccontextmanager
async def _running(words: Sequence[str | Path], env: dict[str, str]) -> AsyncIterator[App]:
    ours, theirs = os.pipe()
    with os.fdopen(ours) as said:
        with os.fdopen(theirs, "wb") as output:
            child = start_child(words, output=output, env=env)
        try:
            port = await asyncio.to_thread(said.readline)
            assert port.strip().isdecimal(), f"it ended and said: {port}{said.read()}"
            async with httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port.strip()}", trust_env=False) as client:
                await _answers(client)
                yield App(int(port), client)
        finally:
            stop_child(child, signal.SIGKILL, patience_seconds=5)


async def _answers(client: httpx.AsyncClient) -> None:
    """Return once it listens."""
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                (await client.get("/seen")).raise_for_status()
                return
            except httpx.TransportError:
                await asyncio.sleep(STEP_SECONDS)
