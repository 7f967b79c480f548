"""The sandbox on a port of the loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from tollhouse.sandbox.sandbox import Sandbox

HOST: Final = "127.0.0.1"
START_SECONDS_MAX: Final = 10.0
STEP_SECONDS: Final = 0.005
DRAIN_SECONDS_MAX: Final = 2.0
DRAIN_SECONDS_LEAST: Final = 0.02  # for what the server's threads still have to do when a call has ended


class PortTaken(OSError):
    """Something listens on this port already; the message names it."""


@asynccontextmanager
async def serving(sandbox: Sandbox, *, port: int = 0) -> AsyncGenerator[str]:
    """Serve inside the block, on a free port unless one is given; `sandbox.url` and the value are where.

    Raises `PortTaken`.
    """
    from granian.constants import Interfaces
    from granian.server.embed import Server

    port = claim_port(port)
    sandbox.world.url = f"http://{HOST}:{port}"
    app = Draining(sandbox.app)
    server = Server(app, address=HOST, port=port, interface=Interfaces.ASGINL, log_enabled=False)
    async with sandbox:
        running = asyncio.create_task(server.serve())
        try:
            await _answers(sandbox.url, running)
            yield sandbox.url
        finally:
            server.stop()
            await running
            await app.drained()


class Draining:
    """An application whose calls can be waited for: the server's threads must not outlive the interpreter."""

    def __init__(self, app: ASGIApp) -> None:
        """Pass everything on to `app`."""
        self._app = app
        self._calls: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            await self._app(scope, receive, send)
        finally:
            self._calls.discard(call)

    async def drained(self) -> None:
        """Return when no call is under way: those that take too long are cancelled."""
        if self._calls:
            _, late = await asyncio.wait(self._calls, timeout=DRAIN_SECONDS_MAX)
            for call in late:
                call.cancel()
        await asyncio.sleep(DRAIN_SECONDS_LEAST)


def claim_port(port: int) -> int:
    """Return the port, or for 0 a free one. Raises `PortTaken`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortTaken(f"Port {port} is taken.") from error
        claimed: int = probe.getsockname()[1]
        return claimed


async def _answers(url: str, running: asyncio.Task[None]) -> None:
    """Return once the server listens."""
    async with asyncio.timeout(START_SECONDS_MAX), httpx.AsyncClient(base_url=url, trust_env=False) as client:
        while True:
            if running.done():
                running.result()
                raise OSError(f"The sandbox could not be served at {url}.")
            try:
                await client.get("/v1/account")
                return
            except httpx.TransportError:
                await asyncio.sleep(STEP_SECONDS)
