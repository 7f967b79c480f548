"""The sender of webhooks: one lane for each endpoint, so that a slow one delays no other."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from typing import Final

import httpx

from tollhouse.sandbox.faults import FaultRules
from tollhouse.sandbox.resources.account.webhook_endpoints import ENDPOINTS_MAX, living_secrets
from tollhouse.sandbox.state.world import World
from tollhouse.sandbox.values import Obj
from tollhouse.sandbox.webhooks import planning
from tollhouse.sandbox.webhooks.attempts import Message, post, unsent
from tollhouse.sandbox.webhooks.message import HEADERS, print_event
from tollhouse.sandbox.webhooks.signing import sign

ATTEMPT_SECONDS_MAX: Final = 10.0
SETTLE_SECONDS_MAX: Final = 30.0
# Where order is kept, an endpoint gets its events one by one while it answers this quickly.
ORDER_SECONDS: Final = 1.0
UNDER_WAY_MAX: Final = 8  # attempts at one endpoint at a time
WRONG_SECRET: Final = "whsec_wrong"  # noqa: S105 (it is nobody's)

logger: Final = logging.getLogger(__name__)


class Deliveries:
    """Sends what is due, for as long as `run` runs."""

    def __init__(
        self,
        world: World,
        faults: FaultRules,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        attempt_seconds_max: float = ATTEMPT_SECONDS_MAX,
        keeps_order: bool = False,
    ) -> None:
        """Send through `transport`, or over the network; an endpoint has so many seconds to answer.

        Several are under way to an endpoint at once, as at Stripe, unless it `keeps_order`.
        """
        self._world = world
        self._store = world.store
        self._faults = faults
        self._transport = transport
        self._seconds_max = attempt_seconds_max
        self._order_seconds = ORDER_SECONDS if keeps_order else 0
        self._woken = asyncio.Event()
        self._progress = asyncio.Condition()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._under_way: dict[str, set[asyncio.Task[None]]] = {}

    def plan(self, event: Obj) -> None:
        """Plan what an event that just happened sets going; it is sent once the transaction is through."""
        planning.plan_event(self._world, self._faults, event)
        self.wake()

    def resend(self, event: Obj, endpoint_id: str) -> Obj:
        """Send an event to an endpoint again, whatever became of it before; return the delivery."""
        delivery = planning.plan_again(self._world, event, endpoint_id)
        self.wake()
        return delivery

    def wake(self) -> None:
        """Look for what is due."""
        self._woken.set()

    async def run(self) -> None:
        """Send, until cancelled."""
        self._resume()
        # Each attempt has its own limit in time, and the lanes limit how many there are.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=ENDPOINTS_MAX)
        async with (
            httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=None, limits=limits) as client,  # noqa: S113
            asyncio.TaskGroup() as group,
        ):
            while True:
                self._woken.clear()
                for endpoint_id in self._store.linked_values(planning.KIND, "queue"):
                    lane = self._lanes.get(endpoint_id)
                    if lane is None or lane.done():
                        self._lanes[endpoint_id] = group.create_task(self._drain(client, group, endpoint_id))
                await self._woken.wait()

    async def settle(self, *, seconds: float = SETTLE_SECONDS_MAX) -> None:
        """Return once nothing is due, nor anything that this set going. Raises `TimeoutError`."""
        self.wake()
        await self._wait_until(lambda: planning.is_idle(self._world), seconds)

    async def settled(self, object_id: str, *, types: Collection[str], seconds: float = ATTEMPT_SECONDS_MAX) -> bool:
        """Wait until every endpoint has answered the events of these types about an object, or time is up.

        Return whether all have, be it with an error. Events that go to the Stripe CLI are not waited for.
        """

        def is_answered() -> bool:
            deliveries = self._world.every(planning.KIND, source=object_id)
            return all(planning.is_answered(each) for each in deliveries if each["type"] in types)

        try:
            await self._wait_until(is_answered, seconds)
        except TimeoutError:
            return False
        return True

    async def _wait_until(self, predicate: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds), self._progress:
            await self._progress.wait_for(predicate)

    def _resume(self) -> None:
        """Send again what was under way when the process ended."""
        with self._store.transaction():
            for status in planning.UNDER_WAY:  # what was due as well: earlier versions kept no queues
                for delivery in self._world.every(planning.KIND, status=status):
                    planning.save(self._world, delivery, "due")

    async def _drain(self, client: httpx.AsyncClient, group: asyncio.TaskGroup, endpoint_id: str) -> None:
        """Send one endpoint all that is due: begun in its order, and ended in it where that is kept."""
        under_way = self._under_way.setdefault(endpoint_id, set())
        while (delivery := planning.find_due(self._world, endpoint_id)) is not None:
            message = self._take(delivery)
            if message is None:
                await self._tell_progress()
                continue
            attempt = group.create_task(self._attempt(client, delivery["id"], message))
            under_way.add(attempt)
            attempt.add_done_callback(under_way.discard)
            if self._order_seconds:
                await asyncio.wait((attempt,), timeout=self._order_seconds)
            while len(under_way) >= UNDER_WAY_MAX:
                await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)

    async def _attempt(self, client: httpx.AsyncClient, delivery_id: str, message: Message) -> None:
        outcome = await post(client, message, seconds_max=self._seconds_max)
        with self._store.transaction():
            planning.record_attempt(self._world, delivery_id, outcome)
        await self._tell_progress()

    async def _tell_progress(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    def _take(self, delivery: Obj) -> Message | None:
        """Return what is to be sent, or None when its endpoint is gone or disabled: then that is the end of it.

        What cannot be printed has failed as if it had been sent.
        """
        try:
            with self._store.transaction():
                return self._prepare(delivery)
        except Exception as error:
            logger.exception("The delivery %s could not be prepared.", delivery["id"])
            with self._store.transaction():
                planning.record_attempt(self._world, delivery["id"], unsent(error))
            return None

    def _prepare(self, delivery: Obj) -> Message | None:
        endpoint = self._world.find("webhook_endpoint", delivery["endpoint"])
        event = self._world.find("event", delivery["event"])
        if endpoint is None or endpoint["status"] != "enabled" or event is None:
            planning.cancel(self._world, delivery)
            return None
        planning.save(self._world, delivery, "sending")
        fault = self._faults.for_attempt(delivery["type"], endpoint["id"])
        body = print_event(self._world, event, endpoint["api_version"])
        secrets = [WRONG_SECRET] if fault.is_wrongly_signed else living_secrets(self._world, endpoint)
        # By the machine's clock, which receivers compare with their own, wherever the sandbox's has been turned to.
        signature = sign(body, secrets, int(time.time()))
        return Message(endpoint["url"], body, HEADERS | {"Stripe-Signature": signature}, fault.slow_seconds)
