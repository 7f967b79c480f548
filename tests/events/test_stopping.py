"""A graceful stop: what runs may finish, the rest is somebody else's at once."""

from __future__ import annotations

import asyncio

import pytest

from tests.events.conftest import Replicate
from tests.events.rig import Rig, Seen, ended
from tollhouse.events import Event


async def test_stopping_waits_for_what_runs(rig: Rig) -> None:
    async def pause(_: Event) -> None:
        await asyncio.sleep(0.3)

    seen = Seen(act=pause)
    rig.handlers.on("user.created", name="seen")(seen.handle)
    await rig.start()
    await rig.emit("user.created")
    await asyncio.wait_for(seen.arrived.wait(), 2)
    await rig.stop()
    assert (await rig.row()).status == "delivered"
    await rig.emit("user.created")
    await asyncio.sleep(0.1)
    assert len(seen.events) == 1, "stopped is stopped"


async def test_stopping_gives_back_what_takes_too_long(
    rig: Rig, replicate: Replicate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollhouse.events.worker.STOP_SECONDS_MAX", 0.2)
    stuck, quick = Seen(act=lambda _: asyncio.sleep(60)), Seen()
    rig.handlers.on("user.created", name="seen")(stuck.handle)
    await rig.start()
    await rig.emit("user.created")
    await asyncio.wait_for(stuck.arrived.wait(), 2)
    await rig.stop()
    other = await replicate()
    other.handlers.on("user.created", name="seen")(quick.handle)
    await other.start()
    (row,) = await other.until(ended(1), within_seconds=2)
    assert (row.status, row.attempts) == ("delivered", 1)
