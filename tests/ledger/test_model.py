"""The ledger against a naive one in memory: anything in any order, and both agree after each step."""

from __future__ import annotations

import asyncio
import copy
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from tests.ledger.rig import LOTS, Ledger, open_ledger
from tollhouse.clock import SECOND
from tollhouse.ledger import expiry, grants, holds, spends
from tollhouse.ledger.accounts import find
from tollhouse.ledger.errors import CreditsInsufficient, HoldEnded
from tollhouse.ledger.grants import Source

FOREVER = 1 << 62
SERIES = "sub_1"


@dataclass
class NaiveLot:
    source: str
    place: int | None  # in the series
    granted: int
    ends: int | None
    made: int
    renews: bool = False
    is_restored: bool = False
    free: int = 0
    held: int = 0

    @property
    def turn(self) -> tuple[int, int]:
        return (FOREVER if self.ends is None else self.ends, self.made)


@dataclass
class NaiveHold:
    parts: list[tuple[NaiveLot, int]]
    ends: int


@dataclass
class Naive:
    """Credits as one would count them on paper."""

    now: int = 0
    balance: int = 0
    debt: int = 0
    lots: list[NaiveLot] = field(default_factory=list)
    holds: dict[str, NaiveHold] = field(default_factory=dict)
    clawed: dict[str, int] = field(default_factory=dict)
    expired: dict[str, int] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return sum(lot.free for lot in self.lots)

    def rest(self) -> None:
        for lot in sorted(self.lots, key=lambda lot: lot.turn):
            paid = min(self.debt, lot.free)
            lot.free -= paid
            self.debt -= paid
        for lot in self.lots:
            if lot.ends is not None and lot.ends <= self.now:
                self.balance -= lot.free
                self.expired[lot.source] = self.expired.get(lot.source, 0) + lot.free
                lot.free = 0

    def put(self, lot: NaiveLot) -> None:
        lot.free = lot.granted
        self.lots.append(lot)
        self.balance += lot.granted

    def draw(self, credits: int, among: list[NaiveLot]) -> list[tuple[NaiveLot, int]]:
        parts: list[tuple[NaiveLot, int]] = []
        for lot in sorted(among, key=lambda lot: lot.turn):
            part = min(credits, lot.free)
            if part:
                lot.free -= part
                credits -= part
                parts.append((lot, part))
        return parts

    def require(self, credits: int) -> None:
        self.rest()
        if self.available < credits:
            self.let_go_of_overdue()
        if self.available < credits:
            raise CreditsInsufficient(available=self.available, requested=credits)

    def let_go_of_overdue(self) -> None:
        for hold_id in [hold_id for hold_id, hold in self.holds.items() if hold.ends <= self.now]:
            self.free(hold_id)
        self.rest()

    def free(self, hold_id: str) -> NaiveHold:
        hold = self.holds.pop(hold_id)
        for lot, part in hold.parts:
            lot.held -= part
            lot.free += part
        return hold

    def grant(self, lot: NaiveLot) -> None:
        self.rest()
        others = [(each, each.place) for each in self.lots if each.place is not None]
        if lot.place is not None and any(place > lot.place and each.renews for each, place in others):
            lot.ends = self.now
        elif lot.place is not None and lot.renews:
            for each, place in others:
                if place < lot.place and each.free + each.held:  # of the others nothing is left to end
                    each.ends = self.now
        self.rest()
        self.put(lot)
        self.rest()

    def reverse(self, source: str, target: int) -> None:
        self.rest()
        originals = [lot for lot in self.lots if lot.source == source and not lot.is_restored]
        clawed, expired = self.clawed.get(source, 0), self.expired.get(source, 0)
        change = target - clawed if target < clawed else max(min(target, originals[0].granted - expired) - clawed, 0)
        self.clawed[source] = clawed + change
        if change > 0:
            taken = self.draw(change, [lot for lot in self.lots if lot.source == source])
            self.debt += change - sum(part for _, part in taken)
            self.balance -= change
        elif change < 0:
            first = originals[0]
            ends = None if first.ends is None else self.now + max(first.ends - first.made, 0)
            self.put(NaiveLot(source, first.place, -change, ends, self.now, is_restored=True))
        self.rest()


class Machine(RuleBasedStateMachine):
    runner: asyncio.Runner
    ledger: Ledger
    sources = Bundle("sources")
    placed = Bundle("placed")

    def __init__(self) -> None:
        super().__init__()
        self.naive = Naive(now=self.ledger.run.now_us)
        self.user_id = self.go(self.ledger.new_user())
        self.count = 0

    def go(self, work: Any) -> Any:
        return self.runner.run(work)

    def both(self, ours: Any, naive: Any) -> Any:
        """Do it in both ledgers; they refuse the same."""
        self.ledger.run.clock.advance(0.001)
        self.naive.now = self.ledger.run.now_us
        before = copy.deepcopy(self.naive)
        refused: type[Exception] | None = None
        try:
            naive()
        except CreditsInsufficient as error:
            self.naive, refused = before, type(error)
        if refused is None:
            return self.go(self.ledger.run.db.transact(ours))
        with pytest.raises(refused):
            self.go(self.ledger.run.db.transact(ours))
        return None

    @rule(target=sources, credits=st.integers(1, 40), ends=st.none() | st.integers(1, 4))
    def grant(self, credits: int, ends: int | None) -> Any:
        return self._grant(credits, ends, place=None, renews=False)

    @rule(target=sources, credits=st.integers(1, 40), place=st.integers(1, 4), renews=st.booleans())
    def renew(self, credits: int, place: int, renews: bool) -> Any:
        return self._grant(credits, place + 1, place=place, renews=renews)

    def _grant(self, credits: int, ends: int | None, *, place: int | None, renews: bool) -> str:
        self.count += 1
        source_id = f"{self.user_id}_{self.count}"
        run = self.ledger.run
        source = Source("grant", source_id, SERIES if place else None, place, renews)
        until = None if ends is None else run.now_us + ends * 1000 * SECOND

        async def ours(tx: Any) -> Any:
            return await grants.grant(tx, run, self.user_id, credits, source=source, expires_at=until)

        lot = NaiveLot(source_id, place, credits, until, run.now_us + 1000, renews)
        self.both(ours, lambda: self.naive.grant(lot))
        return source_id

    @rule(credits=st.integers(1, 60))
    def spend(self, credits: int) -> None:
        run = self.ledger.run

        async def ours(tx: Any) -> Any:
            return await spends.spend(tx, run, self.user_id, credits)

        def naive() -> None:
            self.naive.require(credits)
            self.naive.draw(credits, self.naive.lots)
            self.naive.balance -= credits

        self.both(ours, naive)

    @rule(source=sources, share=st.integers(0, 4))
    def reverse(self, source: str, share: int) -> None:
        run = self.ledger.run
        granted = next(lot.granted for lot in self.naive.lots if lot.source == source)
        target = granted * share // 4

        async def ours(tx: Any) -> Any:
            return await grants.reverse(tx, run, self.user_id, source_id=source, target=target, reference="re_1")

        self.both(ours, lambda: self.naive.reverse(source, target))

    @rule(target=placed, credits=st.integers(1, 30), lifetime=st.integers(1, 3))
    def hold(self, credits: int, lifetime: int) -> Any:
        run = self.ledger.run
        parts: list[tuple[NaiveLot, int]] = []

        async def ours(tx: Any) -> Any:
            return await holds.place(tx, run, self.user_id, credits, lifetime_seconds=lifetime * 1000)

        def naive() -> None:
            self.naive.require(credits)
            parts.extend(self.naive.draw(credits, self.naive.lots))
            for lot, part in parts:
                lot.held += part

        placed = self.both(ours, naive)
        if placed is None:
            return multiple()
        self.naive.holds[placed.id] = NaiveHold(parts, self.naive.now + lifetime * 1000 * SECOND)
        return placed.id

    @rule(hold_id=placed, share=st.integers(1, 3))
    def capture(self, hold_id: str, share: int) -> None:
        run = self.ledger.run
        hold = self.naive.holds.get(hold_id)
        credits = max(1, sum(part for _, part in hold.parts) * share // 3) if hold else 1

        async def ours(tx: Any) -> Any:
            return await holds.capture(tx, run, hold_id, credits)

        def naive() -> None:
            self.naive.rest()
            hold = self.naive.free(hold_id)
            left = credits
            for lot, part in sorted(hold.parts, key=lambda each: each[0].turn):  # what ends first, as it is now
                lot.free -= min(left, part)
                left -= min(left, part)
            self.naive.balance -= credits
            self.naive.rest()

        self._end(hold, ours, naive)

    @rule(hold_id=placed)
    def release(self, hold_id: str) -> None:
        run = self.ledger.run

        async def ours(tx: Any) -> Any:
            return await holds.release(tx, run, hold_id)

        def naive() -> None:
            self.naive.rest()
            self.naive.free(hold_id)
            self.naive.rest()

        self._end(self.naive.holds.get(hold_id), ours, naive)

    def _end(self, hold: NaiveHold | None, ours: Any, naive: Any) -> None:
        if hold is not None and hold.ends > self.naive.now + 1000:
            self.both(ours, naive)
            return
        with pytest.raises(HoldEnded):
            self.go(self.ledger.run.db.transact(ours))

    @rule(steps=st.integers(1, 2))
    def wait(self, steps: int) -> None:
        self.ledger.run.clock.advance(steps * 1000)
        self.naive.now = self.ledger.run.now_us

    @rule()
    def sweep(self) -> None:
        self.go(expiry.expire_due(self.ledger.run))
        self.naive.rest()
        self.naive.let_go_of_overdue()

    @invariant()
    def they_agree(self) -> None:
        self.go(self._compare())

    async def _compare(self) -> None:
        ledger, naive = self.ledger, self.naive
        await ledger.check(self.user_id)
        balance = await find(ledger.run.db, self.user_id)
        held = sum(lot.held for lot in naive.lots)
        assert (balance.balance, balance.held, balance.debt) == (naive.balance, held, naive.debt)
        lots = [(lot["source_id"], lot["remaining"], lot["held"]) for lot in await ledger.rows(LOTS, self.user_id)]
        assert sorted(lots) == sorted((lot.source, lot.free + lot.held, lot.held) for lot in naive.lots)


@pytest.mark.slow
def test_any_order_of_anything_agrees_with_a_naive_ledger(migrated_database_url: str):
    with asyncio.Runner() as runner:
        opened = open_ledger(migrated_database_url)
        Machine.runner, Machine.ledger = runner, runner.run(opened.__aenter__())
        try:
            deep = hypothesis.settings().max_examples > 100
            settings = hypothesis.settings(max_examples=500 if deep else 12, stateful_step_count=30, deadline=None)
            run_state_machine_as_test(Machine, settings=settings)
        finally:
            runner.run(opened.__aexit__(None, None, None))
