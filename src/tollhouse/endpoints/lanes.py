"""Lanes of endpoints: one for each that is enabled, changed within seconds of a change anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

import structlog

from tollhouse.endpoints import endpoints
from tollhouse.endpoints.endpoints import Endpoint
from tollhouse.endpoints.sending import LIMITS, Sender
from tollhouse.errors import TollhouseError
from tollhouse.events import Worker
from tollhouse.events.lanes import Pace
from tollhouse.runtime import Runtime
from tollhouse.signing.sealing import SealBroken

log = structlog.get_logger()

LEARN_SECONDS: Final = 2.0
# Short enough that whoever is frozen for a minute has lost what it held, long enough for a wait and a run.
PACE: Final = Pace(
    concurrency=16, run_seconds_max=LIMITS.total_seconds + 5, lease_seconds=50, stock=16, has_breaker=True
)


class EndpointLanes:
    """The lanes of this process's worker that lead to endpoints."""

    def __init__(self, run: Runtime, worker: Worker) -> None:
        """Begin without any; `learn` finds them."""
        self._run = run
        self._worker = worker
        self._senders: dict[str, tuple[Endpoint, Sender]] = {}
        self._open: set[Sender] = set()  # also those that no lane uses any more
        self._retiring: set[asyncio.Task[None]] = set()

    async def learn(self) -> None:
        """Bring the lanes in line with the endpoints."""
        wanted = {each.subscriber: each for each in await endpoints.find_all(self._run) if each.disabled_at is None}
        for name, (endpoint, _) in list(self._senders.items()):
            if wanted.get(name) != endpoint:
                await self._drop(name)
                if name not in wanted:  # what was given back just now waits for nobody
                    await endpoints.park(self._run, endpoint, "The endpoint was disabled or removed.")
        for name in wanted.keys() - self._senders.keys():
            self._add(name, wanted[name])

    async def keep(self) -> None:
        """Go on learning until cancelled."""
        while True:
            await asyncio.sleep(LEARN_SECONDS)
            try:
                await self.learn()
            except TollhouseError as error:
                log.warning("endpoints_not_learned", detail=error.detail)
            except Exception:
                log.exception("endpoints_not_learned")

    async def close(self) -> None:
        """Close every connection, once the worker has stopped."""
        await asyncio.gather(*self._retiring)
        for sender in self._open:
            await sender.aclose()

    def _add(self, name: str, endpoint: Endpoint) -> None:
        try:
            sender = Sender(self._run, endpoint)
        except SealBroken:  # one row that somebody has changed by hand must not take all others along
            log.exception("endpoints_not_learned", endpoint=endpoint.name)
            return
        self._open.add(sender)
        self._senders[name] = (endpoint, sender)
        self._worker.add_lane(name, sender.deliver, pace=PACE)

    async def _drop(self, name: str) -> None:
        _, sender = self._senders.pop(name)
        task = asyncio.create_task(self._retire(sender, await self._worker.drop_lane(name)))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _retire(self, sender: Sender, running: Collection[asyncio.Task[None]]) -> None:
        """Let what is under way arrive: a connection that breaks would make the app get it twice."""
        if running:
            await asyncio.wait(running)
        await sender.aclose()
        self._open.discard(sender)
