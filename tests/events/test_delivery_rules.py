"""Any story of claims, ends, freezes and passing time: one holder at a time, one end, nothing lost."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from tests.events.rig import Rig, open_rig
from tests.support.databases import migrate
from tollhouse.clock import Clock
from tollhouse.errors import TollhouseError
from tollhouse.events import deliveries
from tollhouse.events.deliveries import LEASE_US, Delivery
from tollhouse.events.outcomes import Expired, GiveUp, Ran, Retry

OUTCOMES: list[TollhouseError | None] = [None, Retry("r"), Retry("r"), GiveUp("g"), Expired("e")]
FINAL = {"delivered", "failed", "expired"}
TEMPLATE: list[Path] = []


class StillClock(Clock):
    """A clock that moves only when it is turned."""

    def now_us(self) -> int:
        return 1_800_000_000_000_000 + self._advanced_us


class Deliveries(RuleBasedStateMachine):
    held: Bundle[Any] = Bundle("held")

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="tollhouse-rules-"))
        shutil.copyfile(TEMPLATE[0], self.folder / "db.sqlite")
        self.clock = StillClock()
        self.rig: Rig = self.run(open_rig(f"sqlite:///{self.folder / 'db.sqlite'}", self.clock))
        self.rig.outbox.register("app", "user.created")
        self.run(self.rig.outbox.refresh())
        self.holders: dict[str, tuple[str, int, int]] = {}  # delivery -> lease, attempt, until
        self.ends: dict[str, str] = {}
        self.emitted = 0

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @rule(user=st.sampled_from(["usr_alice", "usr_bob"]))
    def emit(self, user: str) -> None:
        self.run(self.rig.emit("user.created", user_id=user))
        self.emitted += 1

    @rule(target=held, worker=st.sampled_from(["wrk_1", "wrk_2"]), limit=st.integers(1, 3))
    def claim(self, worker: str, limit: int) -> Any:
        now = self.clock.now_us()
        claimed = self.run(deliveries.claim(self.rig.db, subscriber="app", lease=worker, limit=limit, now_us=now))
        assert len(claimed) <= limit
        for delivery in claimed:
            _, attempt, until = self.holders.get(delivery.id, ("", 0, 0))
            assert until <= now, "claimed while somebody holds it"
            assert delivery.attempts == attempt + 1
            assert delivery.id not in self.ends, "claimed after its end"
            self.holders[delivery.id] = (worker, delivery.attempts, now + LEASE_US)
        return multiple(*((worker, delivery) for delivery in claimed))

    @rule(holding=held, outcome=st.sampled_from(OUTCOMES))
    def finish(self, holding: tuple[str, Delivery], outcome: TollhouseError | None) -> None:
        worker, delivery = holding
        status = self.run(
            deliveries.finish(
                self.rig.db,
                delivery,
                Ran(outcome, None, self.clock.now_us(), 0),
                lease=worker,
                now_us=self.clock.now_us(),
            )
        )
        lease, attempt, _ = self.holders[delivery.id]
        if (lease, attempt) != (worker, delivery.attempts):
            assert status == "lost"
        elif status in FINAL:
            assert delivery.id not in self.ends, "ended twice"
            self.ends[delivery.id] = status
        if status != "lost":
            self.holders[delivery.id] = ("", delivery.attempts, 0)

    @rule(seconds=st.sampled_from([1, 30, 91, 700, 4_000, 200_000]))
    def pass_time(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @invariant()
    def every_delivery_waits_or_has_one_end(self) -> None:
        rows = self.run(self.rig.rows())
        assert len(rows) == self.emitted
        for row in rows:
            assert row.status == self.ends.get(row.id, "waiting")
            assert (row.finished_at is None) == (row.status == "waiting")
            assert row.attempts <= 10 or row.status == "waiting"
            assert row.due_at < self.clock.now_us() + 200_000_000_000, "none is put off for ever"

    def teardown(self) -> None:
        self.run(self.rig.db.close())
        self.loop.close()
        shutil.rmtree(self.folder)


@pytest.mark.slow
def test_no_story_gives_a_delivery_two_holders_or_two_ends(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    template = tmp_path / "template.sqlite"
    asyncio.run(migrate(f"sqlite:///{template}"))
    TEMPLATE[:] = [template]
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            settings(),
            max_examples=settings().max_examples // 3,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
