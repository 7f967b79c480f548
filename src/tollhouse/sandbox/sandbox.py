"""The sandbox: a world, the API over it, and what happens in it as time goes by."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final, Self

import httpx

from tollhouse.sandbox import description
from tollhouse.sandbox.api.dispatch import Api
from tollhouse.sandbox.app import make_app
from tollhouse.sandbox.state.clock import Clock
from tollhouse.sandbox.state.store import Store
from tollhouse.sandbox.state.world import World

URL: Final = "http://127.0.0.1:8001"
API_KEY: Final = "sk_test_sandbox"
TICK_SECONDS: Final = 0.25


class Sandbox:
    """A Stripe account in test mode: `async with Sandbox() as sandbox`.

    `sandbox.app` is its ASGI application; inside the block its time passes and its webhooks are sent.
    """

    def __init__(
        self,
        *,
        url: str = URL,
        path: Path | None = None,
        seed: int | None = None,
        start: int | None = None,
        check_replies: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Prepare an account: in memory, or in the file at `path` to find again.

        `url` is where its pages are reached. The same `seed` gives the same ids; `start`, in seconds since 1970, a
        clock that only moves when it is turned. `check_replies` fails loudly when a reply departs from Stripe's
        description (it needs `jsonschema-rs`). `transport` carries webhooks in the place of the network.
        """
        self.url = url
        self._store = Store(path)
        turned = int(self._store.read_note("turned") or "0")
        self.clock = Clock(start, turned=turned)
        self.world = World(self._store, self.clock, description.load(), seed=seed)
        self.api = Api(self.world, check_replies=check_replies)
        self.app = make_app(self.api)
        self._transport = transport
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Let time pass."""
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        assert self._ticking is not None
        self._ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ticking
        self._store.close()

    def advance(self, seconds: int) -> None:
        """Turn the clock forward; what comes due on the way happens at its own time."""
        with self._store.transaction():
            self.world.run_due(until=self.clock.now() + seconds)
            self.clock.turn(seconds)
            self._store.note("turned", str(self.clock.turned))

    def client(self) -> httpx.AsyncClient:
        """Return a client of the API that needs no socket."""
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url=self.url, headers={"authorization": f"Bearer {API_KEY}"})

    async def _tick(self) -> None:
        while True:
            with self._store.transaction():
                self.world.run_due()
            await asyncio.sleep(TICK_SECONDS)
