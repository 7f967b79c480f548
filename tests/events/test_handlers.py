"""Handlers of the host: registered by name, and given the event itself."""

from __future__ import annotations

import pytest
from sqlalchemy import delete

from tests.events.rig import Rig, Seen, ended
from tollhouse.db import Statement, Transaction
from tollhouse.events.tables import events


async def test_a_handler_whose_event_is_gone_gives_up(rig: Rig) -> None:
    rig.handlers.on("user.created", name="seen")(Seen().handle)
    rig.handlers.attach(rig.db, rig.outbox, rig.worker)
    await rig.outbox.refresh()
    await rig.emit("user.created")
    await rig.db.transact(forget_events)
    await rig.worker.start()
    (row,) = await rig.until(ended(1))
    assert (row.status, row.reason) == ("failed", "Its event is gone.")


async def forget_events(tx: Transaction) -> None:
    await tx.execute(Statement(delete(events), str))


async def test_a_registered_handler_must_be_async_and_named_once(rig: Rig) -> None:
    rig.handlers.on("user.created", name="seen")(Seen().handle)
    with pytest.raises(ValueError, match="registered twice"):
        rig.handlers.on("user.created", name="seen")(Seen().handle)
    with pytest.raises(TypeError, match="async"):
        rig.handlers.on("user.created")(print)  # type: ignore[type-var]
