"""The sandbox on a port of the loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx

from tollhouse.sandbox.sandbox import Sandbox

HOST: Final = "127.0.0.1"
START_SECONDS_MAX: Final = 10.0
STEP_SECONDS: Final = 0.005


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
    server = Server(sandbox.app, address=HOST, port=port, interface=Interfaces.ASGINL, log_enabled=False)
    async with sandbox:
        running = asyncio.create_task(server.serve())
        try:
            await _answers(sandbox.url, running)
            yield sandbox.url
        finally:
            server.stop()
            await running


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
