"""A replica that dies at the worst moment loses nothing and doubles at most what it was just doing."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.events.rig import Rig, Seen, ended
from tests.support.children import start_child, stop_child
from tests.support.testdata import TESTS
from tollhouse.clock import SECOND
from tollhouse.events.deliveries import LEASE_US

EVENTS = 5


@contextmanager
def replica(url: str, folder: Path, *, failpoint: str = "") -> Iterator[object]:
    import signal

    argv = [sys.executable, "-m", "tests.events.worker_process", url, str(folder / "seen")]
    env = {**os.environ, "TOLLHOUSE_FAILPOINT": failpoint}
    with (folder / "output").open("wb") as output:
        child = start_child(argv, output=output, env=env, folder=TESTS.parent)
    try:
        yield child
    finally:
        stop_child(child, signal.SIGKILL, patience_seconds=5)


def seen_by_dead(folder: Path) -> list[str]:
    file = folder / "seen"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("failpoint", "doubled"), [("delivery.claimed:2", 0), ("delivery.run:3", 1), ("delivery.finished:2", 0)]
)
async def test_a_killed_replica_loses_nothing_and_doubles_at_most_one(
    rig: Rig, migrated_database_url: str, tmp_path: Path, failpoint: str, doubled: int
) -> None:
    rig.outbox.register("handler:seen:user.created", "user.created")
    await rig.outbox.refresh()
    for _ in range(EVENTS):  # of one user, so that they run one after the other
        await rig.emit("user.created")
    with replica(migrated_database_url, tmp_path, failpoint=failpoint) as child:
        code = await asyncio.to_thread(child.wait, 20)  # type: ignore[attr-defined]
    assert code == -9
    rig.clock.advance(LEASE_US / SECOND)
    seen = Seen()
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    rows = await rig.until(ended(EVENTS))
    counts = Counter([*seen_by_dead(tmp_path), *(event.id for event in seen.events)])
    assert set(counts) == {row.event_id for row in rows}
    assert sum(counts.values()) <= EVENTS + doubled


@pytest.mark.slow
async def test_two_processes_share_the_work_and_run_nothing_twice(
    rig: Rig, migrated_database_url: str, tmp_path: Path
) -> None:
    seen = Seen()
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    with replica(migrated_database_url, tmp_path):
        for _ in range(200):
            if "ready" in (tmp_path / "output").read_text():
                break
            await asyncio.sleep(0.05)
        for n in range(200):
            await rig.db.transact(rig.outbox.emit, ("user.created", {}), user_id=f"usr_{n}")  # nobody is woken
        rows = await rig.until(ended(200), within_seconds=30)
    counts = Counter([*seen_by_dead(tmp_path), *(event.id for event in seen.events)])
    assert counts == Counter(row.event_id for row in rows)
