"""The sandbox: a world, the API over it, and what happens in it as time goes by."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import Final, Self

import httpx

from tollhouse.sandbox import description
from tollhouse.sandbox.api.dispatch import Api
from tollhouse.sandbox.app import make_app
from tollhouse.sandbox.cli_link import Listeners
from tollhouse.sandbox.faults import FaultRules
from tollhouse.sandbox.in_process import InProcess
from tollhouse.sandbox.state.clock import Clock
from tollhouse.sandbox.state.store import Store
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj
from tollhouse.sandbox.webhooks.deliveries import ATTEMPT_SECONDS_MAX, Deliveries

URL: Final = "http://127.0.0.1:8001"
API_KEY: Final = "sk_test_sandbox"
TICK_SECONDS: Final = 0.25

logger: Final = logging.getLogger(__name__)


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
        webhook_seconds_max: float = ATTEMPT_SECONDS_MAX,
    ) -> None:
        """Prepare an account: in memory, or in the file at `path` to find again.

        `url` is where its pages are reached. The same `seed` gives the same ids; `start`, in seconds since 1970, a
        clock that only moves when it is turned. `check_replies` fails loudly when a reply departs from Stripe's
        description (it needs `jsonschema-rs`). `transport` carries webhooks in the place of the network; an
        endpoint has `webhook_seconds_max` to answer one.
        """
        self._store = Store(path)
        turned = int(self._store.read_note("turned") or "0")
        self.clock = Clock(start, turned=turned)
        self.world = World(self._store, self.clock, description.load(), seed=seed, url=url)
        self.faults = FaultRules(self.world)
        self.deliveries = Deliveries(
            self.world, self.faults, transport=transport, attempt_seconds_max=webhook_seconds_max
        )
        self.listeners = Listeners(self.world)
        self.world.on_event = self._send
        self.world.on_resend = self._send_again
        self.world.withholds_event = self.faults.withholds
        self.api = Api(self.world, self.faults, check_replies=check_replies)
        self.app = make_app(self)
        self._running: tuple[asyncio.Task[None], ...] = ()

    @property
    def url(self) -> str:
        """Where its pages are reached, without a slash at the end."""
        return self.world.url

    async def __aenter__(self) -> Self:
        """Let time pass, and webhooks go out."""
        self._running = (asyncio.create_task(self._tick()), asyncio.create_task(self.deliveries.run()))
        for task in self._running:
            task.add_done_callback(_complain)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        for task in self._running:
            task.cancel()
        for task in self._running:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._store.close()

    def advance(self, seconds: int) -> None:
        """Turn the clock forward; what comes due on the way happens at its own time."""
        with self._store.transaction():
            self.world.run_due(until=self.clock.now() + seconds)
            self.clock.turn(seconds)
            self._store.note("turned", str(self.clock.turned))
        self.deliveries.wake()

    async def settle(self) -> None:
        """Return once no webhook is under way, nor any that another sets going. Raises `TimeoutError` after 30 s."""
        with self._store.transaction():
            self.world.run_due()
        await self.deliveries.settle()

    def reset(self) -> None:
        """Forget everything but the clock; ids that were given are not given again."""
        with self._store.transaction():
            self._store.forget()

    def client(self) -> httpx.AsyncClient:
        """Return a client of the API that needs no socket."""
        headers = {"authorization": f"Bearer {API_KEY}"}
        return httpx.AsyncClient(transport=InProcess(self.app), base_url=self.url, headers=headers)

    def _send(self, event: Obj) -> None:
        """Send an event that just happened to all who want it."""
        self.deliveries.plan(event)
        self.listeners.announce(event)

    def _send_again(self, event: Obj, endpoint_id: str | None) -> None:
        if endpoint_id is None:
            self.listeners.announce(event)
        else:
            self.deliveries.resend(event, endpoint_id)

    async def _tick(self) -> None:
        while True:
            with self._store.transaction():
                self.world.run_due()
            self.deliveries.wake()
            await asyncio.sleep(TICK_SECONDS)


def _complain(task: asyncio.Task[None]) -> None:
    """Say at once that time stands still or nothing is sent any more; whoever closes the sandbox gets the error too."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("The sandbox has broken down.", exc_info=error)
