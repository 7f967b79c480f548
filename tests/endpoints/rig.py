"""A Tollhouse that tells an app what happens, and what lies in its tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self

import httpx

from tests.endpoints.receiver import SECRET, Receiver
from tests.identity.rows import rows_of
from tollhouse.access import api_keys
from tollhouse.endpoints.tables import endpoints
from tollhouse.events.tables import attempts, deliveries, events
from tollhouse.telemetry import metrics
from tollhouse.testing import TestKit

HOUR = 3_600
DAY = 24 * HOUR
ALICE, BOB = "usr_alice", "usr_bob"
ADMINS = "ada@example.com, linus@example.com"
QUIET = "credits.spent"  # what tests emit by themselves


def declare(to: Receiver | str, *, name: str = "app", **more: Any) -> dict[str, Any]:
    """An endpoint as the settings declare it."""
    return {"name": name, "url": to if isinstance(to, str) else to.url, "secret": SECRET} | more


class House(TestKit):
    """A kit that has settled only once the clock may be turned: nobody is about to act by how late it was before."""

    async def __aenter__(self) -> Self:
        entered = await super().__aenter__()
        self._unreported = len(await rows_of(self, attempts)) - _count_reported()  # of whoever was here before
        return entered

    async def settle(self) -> None:
        await super().settle()
        await until(self._has_gone_on)
        await super().settle()
        await self.learnt()

    async def _has_gone_on(self) -> bool:
        """Whether nothing is left that was put off behind what is done by now: whoever did that claims it next."""
        rows = await rows_of(self, deliveries)
        waiting = [row for row in rows if row["status"] == "waiting" and row["sequence"] is not None]
        first: dict[tuple[Any, Any], int] = {}
        for row in waiting:
            key = (row["subscriber"], row["user_id"])
            first[key] = min(first.get(key, row["sequence"]), row["sequence"])
        heads = [row for row in waiting if row["sequence"] == first[row["subscriber"], row["user_id"]]]
        return all(row["attempts"] for row in heads)

    async def learnt(self) -> None:
        """Return once whatever was written down of attempts is known to the lanes, which is a moment later."""

        async def is_known() -> bool:
            return len(await rows_of(self, attempts)) == _count_reported() + self._unreported

        await until(is_known)


def _count_reported() -> float:
    """How many attempts this process has reported, of all endpoints."""
    return sum(
        sample.value
        for metric in metrics.deliveries.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.labels["subscriber"].startswith("endpoint:")
    )


def open_house(database_url: str | None, *declared: dict[str, Any], **settings: Any) -> House:
    """A Tollhouse with these endpoints; enter it yourself."""
    return House(database_url=database_url, endpoints=declared, **settings)


async def emit(kit: TestKit, *users: str, kind: str = QUIET) -> None:
    """Have something happen to each of these users, one after the other, each in a transaction of its own."""
    run = kit.toll.run
    for user in users:
        await run.db.transact(run.outbox.emit, (kind, {"user_id": user}), user_id=user)
    run.outbox.wake()


async def told(kit: TestKit, name: str = "app") -> list[dict[str, Any]]:
    """The deliveries to an endpoint, in the order they were made."""
    rows = [row for row in await rows_of(kit, deliveries) if row["subscriber"] == f"endpoint:{name}"]
    return sorted(rows, key=lambda row: (row["created_at"], row["id"]))


async def only_told(kit: TestKit) -> dict[str, Any]:
    (row,) = await told(kit)
    return row


async def tried(kit: TestKit, name: str = "app") -> list[dict[str, Any]]:
    """The attempts at an endpoint, the first one first."""
    rows = [row for row in await rows_of(kit, attempts) if row["subscriber"] == f"endpoint:{name}"]
    return sorted(rows, key=lambda row: (row["started_at"], row["id"]))


async def events_of(kit: TestKit) -> list[dict[str, Any]]:
    return sorted(await rows_of(kit, events), key=lambda row: row["id"])


async def endpoint_row(kit: TestKit, name: str = "app") -> dict[str, Any]:
    return next(row for row in await rows_of(kit, endpoints) if row["name"] == name)


async def until(holds: Callable[[], Awaitable[Any]], *, within_seconds: float = 10) -> Any:
    """Return what that comes to, once it is something."""
    async with asyncio.timeout(within_seconds):
        while not (found := await holds()):  # noqa: ASYNC110 (what is awaited happens in the database)
            await asyncio.sleep(0.005)
        return found


async def tried_until(kit: TestKit, count: int, name: str = "app") -> list[dict[str, Any]]:
    """The attempts, once there are so many and none is under way."""

    async def enough() -> list[dict[str, Any]] | None:
        rows = await tried(kit, name)
        is_busy = any(row["lease"] for row in await told(kit, name))
        return rows if len(rows) >= count and not is_busy else None

    kit.toll.run.outbox.wake()
    rows = await until(enough)
    if isinstance(kit, House):
        await kit.learnt()
    return rows


async def turn(kit: TestKit, seconds: float) -> None:
    """Turn the clock and have whatever is due then tried."""
    kit.clock.advance(seconds)
    await kit.settle()


async def server(kit: TestKit, *scopes: str) -> httpx.AsyncClient:
    """A server of ours, by an API key."""
    _, secret = await api_keys.create(kit.toll.run, name="app", scopes=scopes)
    browser = kit.new_browser()
    browser.headers["authorization"] = f"Bearer {secret}"
    return browser
