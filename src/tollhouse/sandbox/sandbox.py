"""The sandbox: a world, the API over it, and what happens in it as time goes by."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from pathlib import Path
from typing import Any, Final, Self

import httpx

from tollhouse.sandbox import description
from tollhouse.sandbox.api.dispatch import Api
from tollhouse.sandbox.app import make_app
from tollhouse.sandbox.cli_link import Listeners
from tollhouse.sandbox.faults import FaultRules
from tollhouse.sandbox.in_process import InProcess
from tollhouse.sandbox.state.clock import Clock
from tollhouse.sandbox.state.store import Store
from tollhouse.sandbox.state.world import AFTER_DUNNING, World
from tollhouse.sandbox.values import Obj
from tollhouse.sandbox.webhooks.deliveries import ATTEMPT_SECONDS_MAX, SETTLE_SECONDS_MAX, Deliveries
from tollhouse.sandbox.webhooks.planning import is_idle

URL: Final = "http://127.0.0.1:8001"
API_KEY: Final = "sk_test_sandbox"
TICK_SECONDS: Final = 0.25

logger: Final = logging.getLogger(__name__)


class ControlRefused(ValueError):
    """The sandbox could not do what it was told to."""


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
        keeps_order: bool = False,
    ) -> None:
        """Prepare an account: in memory, or in the file at `path` to find again.

        `url` is where its pages are reached. The same `seed` gives the same ids; `start`, in seconds since 1970, a
        clock that only moves when it is turned. `check_replies` fails loudly when a reply departs from Stripe's
        description (it needs `jsonschema-rs`). `transport` carries webhooks in the place of the network; an
        endpoint has `webhook_seconds_max` to answer one. With `keeps_order` an endpoint gets one webhook after the
        other while it answers within a second; without it several at once, as from Stripe.

        Raises `UnusableFile`, of the module `state.file`.
        """
        self._store = Store(path)
        turned = int(self._store.read_note("turned") or "0")
        self.clock = Clock(start, turned=turned)
        self.world = World(self._store, self.clock, description.load(), seed=seed, url=url)
        self.faults = FaultRules(self.world)
        self.deliveries = Deliveries(
            self.world,
            self.faults,
            transport=transport,
            attempt_seconds_max=webhook_seconds_max,
            keeps_order=keeps_order,
        )
        self.listeners = Listeners(self.world)
        self.world.on_event = self._send
        self.world.on_resend = self._send_again
        self.world.withholds_event = self.faults.withholds
        self.world.search_lag_seconds = self.faults.search_lag_seconds
        self.api = Api(self.world, self.faults, check_replies=check_replies)
        self.app = make_app(self)
        self._running: tuple[asyncio.Task[None], ...] = ()
        self._thread: int | None = None
        self._is_closed = False

    @property
    def url(self) -> str:
        """Where its pages are reached, without a slash at the end."""
        return self.world.url

    async def __aenter__(self) -> Self:
        """Let time pass, and webhooks go out."""
        self.check_usable()
        self._thread = threading.get_ident()
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
        self._is_closed = True
        self._store.close()

    def check_usable(self, *, must_run: bool = False) -> None:
        """Raise `RuntimeError` where the sandbox cannot be used: when it has ended, and in a thread not its own.

        With `must_run` also before it is entered, where nothing is sent and whoever waits for that would wait for ever.
        """
        if self._is_closed:
            raise RuntimeError("This sandbox has ended with its `async with` block.")
        if self._thread not in {None, threading.get_ident()}:
            raise RuntimeError("This sandbox belongs to the thread that entered it; serve it to reach it from another.")
        if must_run and not self._running:
            raise RuntimeError("Enter this sandbox first: `async with sandbox`.")

    def advance(self, seconds: int) -> None:
        """Turn the clock forward; what comes due on the way happens at its own time, webhooks are sent in the end."""
        self.check_usable()
        with self._store.transaction():
            self.world.run_due(until=self.clock.now() + seconds)
            self.clock.turn(seconds)
            self._store.note("turned", str(self.clock.turned))
        self.deliveries.wake()

    async def advance_and_settle(self, seconds: int, *, settle_seconds_max: float = SETTLE_SECONDS_MAX) -> bool:
        """Turn the clock forward as `advance` does, and let webhooks arrive on the way, each at its own time.

        From one time that something is due at to the next, as many short turns would: a retry comes before what was
        due after it. All in all it waits for endpoints `settle_seconds_max` by the machine's clock; the rest of the way
        goes by without. Return whether all has arrived, or been given up.
        """
        self.check_usable(must_run=True)
        ends_at = time.monotonic() + settle_seconds_max
        is_settled = await self._settle_until(ends_at)
        while seconds and is_settled:
            due = self._store.next_due()
            step = seconds if due is None else min(seconds, max(due - self.clock.now(), 0))
            self.advance(step)
            seconds -= step
            is_settled = await self._settle_until(ends_at)
        self.advance(seconds)
        return is_settled and await self._settle_until(ends_at)

    async def settle(self) -> None:
        """Return once no webhook is under way, nor any that another sets going. Raises `TimeoutError` after 30 s."""
        self.check_usable(must_run=True)
        with self._store.transaction():
            self.world.run_due()
        await self.deliveries.settle()

    def reset(self) -> None:
        """Forget everything but the clock; ids that were given are not given again."""
        self.check_usable()
        with self._store.transaction():
            self._store.forget()
            self.world.after_dunning = AFTER_DUNNING[0]

    def client(self) -> httpx.AsyncClient:
        """Return a client of the API that needs no socket."""
        headers = {"authorization": f"Bearer {API_KEY}"}
        return httpx.AsyncClient(transport=InProcess(self.app), base_url=self.url, headers=headers)

    async def control(self, path: str, **body: Any) -> Any:
        """POST a command to `/control{path}` and return the reply's JSON: `control("/clock/advance", seconds=60)`.

        Raises `ControlRefused` with what the sandbox says of it.
        """
        async with self.client() as client:
            reply = await client.post("/control" + path, json=body)
        if reply.is_error:
            raise ControlRefused(f"{reply.status_code}: {reply.text}")
        return reply.json()

    async def _settle_until(self, ends_at: float) -> bool:
        """Say whether no webhook is under way by then; while much happens, requests get their turn here."""
        await asyncio.sleep(0)
        if is_idle(self.world):
            return True
        try:
            await self.deliveries.settle(seconds=max(ends_at - time.monotonic(), 0))
        except TimeoutError:
            return False
        return True

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
