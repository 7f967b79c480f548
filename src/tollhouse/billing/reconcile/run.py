"""One run: the window, what was seen at Stripe, and how each difference is judged and repaired."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from tollhouse.billing.errors import StripeRefused, StripeUnavailable, Unreadable
from tollhouse.billing.reconcile.differences import UNREADABLE, Difference, Report
from tollhouse.billing.till import Till
from tollhouse.clock import SECOND
from tollhouse.errors import DatabaseUnavailable
from tollhouse.failpoints import reach

log = structlog.get_logger()

PAGE_SIZE: Final = 500  # rows of ours that are in memory at once

Facts = TypeVar("Facts")
Look = Callable[[], Awaitable[Difference | None]]
Mend = Callable[[], Awaitable[object]]
Progress = Callable[[float], None]  # how much of the whole is done, 0 to 1


@dataclass(slots=True)
class Run:
    """What every comparison acts with.

    `seen` holds a number for each object that Stripe listed, not the object, so that what Stripe has not is found
    without asking for each row of ours again, and memory stays small.
    """

    till: Till
    report: Report
    repairs: bool
    progress: Progress | None = None
    seen: set[int] = field(default_factory=set[int])
    steps: int = 1  # how many parts the run has, for the progress
    step: int = 0

    async def listed(self, path: str, *, windowed: bool = True, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        """Return Stripe's objects of a list, newest first: those made in the window, or all."""
        report = self.report
        if windowed:
            parameters["created"] = {"gte": report.since // SECOND, "lt": report.until // SECOND}
        async for raw in self.till.stripe.pages(path, background=True, **parameters):
            report.compared[path.rpartition("/")[2]] += 1
            created = raw.get("created")
            if isinstance(created, int):
                self.advance(report.until - created * SECOND)
            yield raw

    def advance(self, passed_us: int) -> None:
        """Tell how much of the window this step has gone through."""
        if self.progress is not None:
            share = min(max(passed_us / max(self.report.until - self.report.since, 1), 0.0), 1.0)
            self.progress((self.step + share) / self.steps)

    def finish_step(self) -> None:
        """Tell that a step is done."""
        self.step += 1
        if self.progress is not None:
            self.progress(self.step / self.steps)

    def see(self, object_id: str) -> None:
        """Remember that Stripe has listed this."""
        self.seen.add(hash(object_id))

    def has_seen(self, object_id: str) -> bool:
        """Whether Stripe has listed this."""
        return hash(object_id) in self.seen

    async def fetch(self, path: str, **parameters: Any) -> dict[str, Any] | None:
        """Return one of Stripe's objects, or None where Stripe knows no such thing."""
        try:
            return await self.till.stripe.get(path, background=True, **parameters)
        except StripeRefused as error:
            if error.is_missing:
                return None
            raise

    def read(self, raw: dict[str, Any], reader: Callable[[dict[str, Any]], Facts]) -> Facts | None:
        """Return what an object says, or None after noting that it cannot be read."""
        try:
            return reader(raw)
        except Unreadable as error:
            self.add(Difference(UNREADABLE, str(raw.get("id")), None, error.detail))
            return None

    async def compare(
        self,
        facts: Facts,
        look: Callable[[Facts], Awaitable[Difference | None]],
        mend: Callable[[Facts], Awaitable[object]],
        again: Callable[[], Awaitable[Facts | None]],
    ) -> None:
        """Judge what a list says of an object; where that differs, the object itself is read first.

        The page of a list may be older than what a webhook has brought meanwhile, and would call that wrong.
        """
        if await look(facts) is None:
            return
        fresh = await again()
        if fresh is not None:
            await self.judge(partial(look, fresh), partial(mend, fresh))

    async def again(self, path: str, reader: Callable[[dict[str, Any]], Facts], **parameters: Any) -> Facts | None:
        """Return what an object says now, or None where it is gone, or cannot be read."""
        raw = await self.fetch(path, **parameters)
        return None if raw is None else self.read(raw, reader)

    async def judge(self, look: Look, mend: Mend | None = None) -> Difference | None:
        """Look, repair what differs if that is asked for, look again, and write down what was found.

        `mend` is what a webhook would do, so doing it twice, or beside the webhook, changes nothing more.
        """
        difference = await look()
        if difference is None:
            return None
        if self.repairs and difference.is_repairable and mend is not None:
            difference = await self._repair(difference, look, mend)
        self.add(difference)
        return difference

    async def _repair(self, difference: Difference, look: Look, mend: Mend) -> Difference:
        try:
            await mend()
        except (StripeUnavailable, DatabaseUnavailable):
            raise  # nothing else would go better now
        except Exception as error:  # what cannot be repaired must not keep the rest from being so
            log.exception("reconcile_repair_failed", kind=difference.kind, object_id=difference.object_id)
            return replace(difference, detail=f"{difference.detail} Repairing it failed: {type(error).__name__}.")
        reach("reconcile.repaired")
        left = await look()
        return replace(difference, is_repaired=True) if left is None else left

    def add(self, difference: Difference) -> None:
        """Write a difference down, and tell of it at once: a run that breaks off has still told."""
        self.report.add(difference)
        told = {"kind": difference.kind, "object_id": difference.object_id, "user_id": difference.user_id}
        if difference.is_repaired:
            log.warning("reconcile_repaired", **told, detail=difference.detail)
        else:
            log.error("reconcile_found", **told, detail=difference.detail)
