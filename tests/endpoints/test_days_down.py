"""An app that was down, for hours or for days, ends up with everything: each event once, and each user's in order.

And while it is down, no other app hears later of what happens.
"""

from __future__ import annotations

import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.endpoints.receiver import DOWN, OK, Answer, Arrival, Receiver
from tests.endpoints.rig import DAY, declare, emit, events_of, open_house, told, tried, tried_until, until
from tollhouse.events.breaker import FAILURES_MAX
from tollhouse.testing import TestKit

pytestmark = pytest.mark.slow

USERS = [f"usr_{n}" for n in range(25)]
DAYS, STEPS, EACH = 3, 24, 10
PROBES = 26  # over more than two hours: by then no failed event holds back what follows it
PAUSE_SECONDS = 361  # longer than any pause between probes
LOST = Answer(200, b"done", cut_at=0)  # the app has done what the event asks, and its answer never arrives
OTHERS, TIMES = 99, 15
SLOWER_MAX = 1.5  # on a machine that does other things as well; by itself it takes 1.0 times as long


class App:
    """An app in changing health, and what it has answered to."""

    def __init__(self, receiver: Receiver) -> None:
        receiver.decide = self._answer
        self._receiver = receiver
        self._health: Answer = OK
        self.answered: list[Arrival] = []
        self.lost: list[Arrival] = []

    async def become(self, health: Answer | None) -> None:
        """Answer so from now on; with None nobody listens."""
        await self._receiver.stop()
        if health is not None:
            self._health = health
            await self._receiver.start()

    async def _answer(self, arrival: Arrival) -> Answer:
        if self._health is OK:
            self.answered.append(arrival)
        if self._health is LOST:
            self.lost.append(arrival)
        return self._health


async def turn(kit: TestKit, seconds: float) -> None:
    """Turn the clock, and return once the app was probed."""
    count = len(await tried(kit))
    kit.clock.advance(seconds)
    await tried_until(kit, count + 1)


async def recover(kit: TestKit, app: App) -> list[Arrival]:
    """Have the app be well again, and return what it then gets; fails unless that is all, the probe first."""
    before = len(app.answered)
    await app.become(OK)
    kit.clock.advance(PAUSE_SECONDS)

    async def is_told() -> bool:
        return {row["status"] for row in await told(kit)} == {"delivered"}

    await until(is_told)
    assert Counter(each.event["id"] for each in app.answered) == Counter(row["id"] for row in await events_of(kit))
    return app.answered[before:]


def assert_in_order(arrivals: Sequence[Arrival]) -> None:
    """Each user's events came in order."""
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for each in arrivals:
        sequences[each.user].append(each.event["sequence"])
    assert {user: sorted(found) for user, found in sequences.items()} == sequences


@pytest.mark.usefixtures("quick")
async def test_three_days_down_lose_nothing_and_double_nothing(kit: TestKit, receiver: Receiver, seed: int):
    dice = random.Random(seed)
    app = App(receiver)
    await emit(kit, *USERS)
    await kit.settle()
    for _ in range(STEPS):
        await app.become(dice.choice([None, DOWN, LOST]))
        await emit(kit, *dice.choices(USERS, k=EACH))
        await turn(kit, DAYS * DAY / STEPS)
    _, *arrivals = await recover(kit, app)  # the probe may have been ahead of its turn
    assert len(arrivals) == STEPS * EACH - 1
    assert_in_order(arrivals)
    assert app.lost, "some were taken twice"
    taken = {(each.user, each.event["sequence"]): each.event["id"] for each in app.answered}
    assert all(taken[each.user, each.event["sequence"]] == each.event["id"] for each in receiver.arrivals)


@pytest.mark.usefixtures("quick")
async def test_what_failed_and_is_due_already_when_the_app_is_back_comes_in_order_too(kit: TestKit, receiver: Receiver):
    app = App(receiver)
    await app.become(DOWN)
    for _ in range(4):
        await emit(kit, *USERS[:12])
    await tried_until(kit, FAILURES_MAX)
    for _ in range(PROBES):
        await turn(kit, PAUSE_SECONDS)
    _, *arrivals = await recover(kit, app)
    assert_in_order(arrivals)


class Others:
    """Apps that are well, and how long the last of them but one took to hear of each event, in seconds."""

    def __init__(self, kit: TestKit, receiver: Receiver) -> None:
        self.kit = kit
        self.seconds: list[float] = []
        self._receiver = receiver

    async def tell(self) -> None:
        """Have something happen, and return once all know."""
        self._receiver.arrivals.clear()
        moments: list[float] = []

        async def note(_: Arrival) -> Answer:
            moments.append(time.perf_counter())
            return OK

        self._receiver.decide = note
        began = time.perf_counter()
        await emit(self.kit, f"usr_{len(self.seconds)}")
        await self._receiver.until(OTHERS)
        self.seconds.append(moments[-2] - began)


@asynccontextmanager
async def open_others(*also: Receiver) -> AsyncIterator[Others]:
    """Ninety-nine apps that are told, beside some more."""
    async with Receiver() as receiver:
        declared = [declare(f"{receiver.url}/{n}", name=f"app-{n}") for n in range(OTHERS)]
        declared += [declare(each, name="dead") for each in also]
        async with open_house(None, *declared) as kit:
            try:
                yield Others(kit, receiver)
            finally:
                for each in also:
                    await each.stop()


@pytest.mark.unmeasured
async def test_one_dead_of_a_hundred_delays_no_other():
    async with (
        Receiver(usual=Answer(is_silent=True)) as dead,
        open_others(dead) as beside_dead,
        open_others() as among_living,
    ):
        for others in [beside_dead, among_living] * (1 + TIMES):
            await others.tell()
        assert len(dead.arrivals) >= TIMES, "the dead one was sent the same"
    slow, usual = (statistics.median(each.seconds[1:]) for each in (beside_dead, among_living))
    print(f"{slow * 1000:.0f} ms beside a dead one, {usual * 1000:.0f} ms among the living: {slow / usual:.2f}")
    assert slow < usual * SLOWER_MAX
