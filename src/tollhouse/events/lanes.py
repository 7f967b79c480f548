"""A lane: one subscriber's deliveries, claimed and run so that a slow or dead one delays nobody else."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from tollhouse.clock import SECOND, Clock
from tollhouse.db import Database
from tollhouse.errors import DatabaseUnavailable
from tollhouse.events import deliveries
from tollhouse.events.breaker import Breaker
from tollhouse.events.deliveries import Delivery
from tollhouse.events.outcomes import HOST, Ran
from tollhouse.events.running import Runner, report, run_delivery
from tollhouse.events.tables import WAITING
from tollhouse.failpoints import reach

log = structlog.get_logger()

RUN_SECONDS_MAX: Final = 70.0
LEASE_SECONDS: Final = deliveries.LEASE_US // SECOND


@dataclass(frozen=True, slots=True)
class Pace:
    """How many at once, how long each may take, and how long nobody else gets what was claimed."""

    concurrency: int
    run_seconds_max: float = RUN_SECONDS_MAX
    lease_seconds: int = LEASE_SECONDS  # longer than a wait in stock and a run
    stock: int = 0  # claimed ahead, which saves a claim for each that ends; where runs are short
    has_breaker: bool = False  # so that a dead other side costs one try now and then


@dataclass(frozen=True, slots=True)
class Holder:
    """Who claims: one worker, by the name of its lease."""

    db: Database
    clock: Clock
    lease: str


@dataclass(slots=True)
class Claimed:
    """A delivery in stock, and until when it is ours."""

    delivery: Delivery
    leased_until: int


@dataclass(slots=True)
class Lane:
    """One subscriber's deliveries in this process."""

    holder: Holder
    name: str
    run: Runner
    pace: Pace
    on_done: Callable[[Lane, Ran], None]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    running: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    was_polled: bool = False  # the clock found something due, which a claim has not looked for yet
    _is_open: bool = True
    _is_hungry: bool = False  # more may be due than there was room for
    _stock: deque[Claimed] = field(default_factory=deque[Claimed])
    _breaker: Breaker | None = field(init=False)

    def __post_init__(self) -> None:
        """Begin with a breaker that knows nothing, where there is one."""
        self._breaker = Breaker(self.holder.clock) if self.pace.has_breaker else None

    @property
    def _is_paused(self) -> bool:
        return self._breaker is not None and self._breaker.is_paused

    @property
    def _is_well(self) -> bool:
        return self._breaker is None or self._breaker.is_well

    async def serve(self) -> None:
        """Claim whenever woken, until closed; what runs then goes on."""
        while self._is_open:
            await self.wake.wait()
            self.wake.clear()
            try:
                while self._is_open and await self._claim():
                    pass
            except DatabaseUnavailable as error:
                log.warning("delivery_claim_failed", subscriber=self.name, detail=error.detail)
            except Exception:
                log.exception("delivery_claim_failed", subscriber=self.name)  # the poll wakes this lane again

    def close(self) -> None:
        """Claim and begin nothing more, ever; `serve` returns."""
        self._is_open = False
        self.wake.set()

    async def give_back(self) -> None:
        """Let others have what has not begun; what runs goes on by itself."""
        claimed = [each.delivery for each in self._stock]
        self._stock.clear()
        await self._return(*claimed)

    async def _return(self, *claimed: Delivery) -> None:
        holder = self.holder
        await deliveries.give_back(holder.db, claimed, lease=holder.lease, now_us=holder.clock.now_us())

    async def _claim(self) -> bool:
        """Claim as many as there is room for and begin them; return whether to claim again at once."""
        self._begin()  # what a pause has left in stock, should it ever
        room = self._room()
        self._is_hungry = True
        if room <= 0:
            return False  # whatever ends wakes us
        now, lease_us = self.holder.clock.now_us(), self.pace.lease_seconds * SECOND
        was_polled, self.was_polled = self.was_polled, False
        claimed = await deliveries.claim(
            self.holder.db, subscriber=self.name, lease=self.holder.lease, limit=room, now_us=now, lease_us=lease_us
        )
        self._keep(*claimed, until=now + lease_us)
        if self._is_paused:  # since the claim began: nothing would begin what it brought
            await self.give_back()
            return False
        if claimed:
            self._is_hungry = len(claimed) == room
            return self._is_hungry
        self._is_hungry = False
        # The clock says that something is due, and nothing can be claimed: it is held back, and hides what is not.
        self.was_polled = was_polled and bool(
            await deliveries.put_off(self.holder.db, subscriber=self.name, now_us=now)
        )
        return self.was_polled

    def _room(self) -> int:
        """Return how many more to claim."""
        if self._is_paused:
            return 0
        busy = len(self.running) + len(self._stock)
        if not self._is_well:
            return 1 - busy
        if len(self._stock) > self.pace.stock // 2:
            return 0
        return self.pace.concurrency + self.pace.stock - busy

    def _keep(self, *claimed: Delivery, until: int) -> None:
        for delivery in claimed:
            reach("delivery.claimed")
            self._stock.append(Claimed(delivery, until))
        self._begin()

    def _begin(self) -> None:
        """Run what is in stock, as much as may run at once; what would outlive its lease goes back."""
        latest = self.holder.clock.now_us() + round(self.pace.run_seconds_max * SECOND)
        while self._is_open and self._stock and len(self.running) < self.pace.concurrency and not self._is_paused:
            claimed = self._stock.popleft()
            is_late = claimed.leased_until < latest
            work = self._return(claimed.delivery) if is_late else self._run(claimed.delivery)
            task = asyncio.create_task(work)
            self.running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("deliveries_not_released", subscriber=self.name, error=type(error).__name__)
        self._begin()
        if self._is_hungry:
            self.wake.set()

    async def _run(self, delivery: Delivery) -> None:
        clock = self.holder.clock
        ran = await run_delivery(self.run, delivery, clock=clock, seconds_max=self.pace.run_seconds_max)
        reach("delivery.run")
        try:
            status = await deliveries.finish(
                self.holder.db, delivery, ran, lease=self.holder.lease, now_us=clock.now_us()
            )
            reach("delivery.finished")
            report(delivery, status, ran.outcome)
            await self._learn(ran)
            if status != WAITING and delivery.sequence is not None:
                await self._go_on(delivery)
        except DatabaseUnavailable as error:  # due again when the lease runs out: at least once
            log.warning("delivery_outcome_unwritten", delivery_id=delivery.id, detail=error.detail)
        except Exception:
            log.exception("delivery_outcome_unwritten", delivery_id=delivery.id)

    async def _learn(self, ran: Ran) -> None:
        self.on_done(self, ran)
        if self._breaker is None:
            return
        if self._breaker.is_recovery(ran):  # before anything else is claimed, or that would overtake
            now = self.holder.clock.now_us()
            await self.holder.db.write(deliveries.RECALL, subscriber=self.name, now=now, because=f"{HOST}%")
        self._breaker.note(ran)
        if self._breaker.is_paused:
            await self.give_back()

    async def _go_on(self, done: Delivery) -> None:
        """Go on with this user's next one at the end of the line: claimed by name, for it may have been put off."""
        now, lease_us = self.holder.clock.now_us(), self.pace.lease_seconds * SECOND
        following = await deliveries.claim_next(
            self.holder.db, done, lease=self.holder.lease, now_us=now, lease_us=lease_us
        )
        if following is not None and self._is_open and self._is_well:
            self._keep(following, until=now + lease_us)
        elif following is not None:
            await self._return(following)  # and so due now, for whoever may
