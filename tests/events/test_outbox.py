"""Emitting: with what happened or not at all, in order, to whoever listens."""

from __future__ import annotations

import asyncio
import json

import pytest
from sqlalchemy import select

from tests.events.conftest import Replicate
from tests.events.rig import ROWS, SEQUENCES, Rig
from tollhouse.clock import DAY
from tollhouse.db import Statement, Transaction
from tollhouse.errors import Forbidden
from tollhouse.events.outbox import ADD_DELIVERY, mail_row
from tollhouse.events.tables import events

EVENTS = Statement(
    select(events.c.id, events.c.type, events.c.data, events.c.created_at).order_by(events.c.sequence),
    lambda *row: row,
)


async def test_what_is_undone_was_never_emitted(rig: Rig) -> None:
    rig.outbox.register("app", "user.created")
    await rig.outbox.refresh()

    async def work(tx: Transaction) -> None:
        await rig.outbox.emit(tx, ("user.created", {}), user_id="usr_alice")
        await tx.execute(ADD_DELIVERY, **mail_row(delivery_id="dlv_1", sealed=b"x", expires_at=1, now_us=0))
        raise Forbidden

    with pytest.raises(Forbidden):
        await rig.db.transact(work)
    assert await rig.db.fetch_all(SEQUENCES) == []
    assert await rig.rows() == []
    await rig.emit("user.created")
    assert await rig.db.fetch_all(SEQUENCES) == [("usr_alice", 1)], "no number is lost to what was undone"


async def test_each_subscriber_gets_a_delivery_of_its_type(rig: Rig) -> None:
    for name, event_type in (("app", "user.created"), ("app", "user.signed_in"), ("books", "user.created")):
        rig.outbox.register(name, event_type)
    await rig.outbox.refresh()
    await rig.emit("user.created", "user.signed_in", "user.erased")
    rows = await rig.rows()
    assert [(row.subscriber, row.sequence) for row in rows] == [("app", 1), ("app", 2), ("books", 1)]
    assert all(row.held_until is None and row.due_at == row.created_at for row in rows)
    kept = await rig.db.fetch_all(EVENTS)
    assert [(event_type, json.loads(data)) for _, event_type, data, _ in kept] == [
        ("user.created", {"n": 0}),
        ("user.signed_in", {"n": 1}),
        ("user.erased", {"n": 2}),
    ]
    assert {row.event_id for row in rows} == {kept[0][0], kept[1][0]}
    assert all(event_id.startswith("out_") for event_id, *_ in kept)


async def test_the_sequence_of_a_user_has_no_gap_and_no_double(rig: Rig, replicate: Replicate) -> None:
    other = await replicate()
    users = ["usr_alice", "usr_bob"]
    emits = [(rig, other)[n % 2].emit("user.created", "user.signed_in", user_id=users[n % 4 // 2]) for n in range(50)]
    await asyncio.gather(*emits)
    sequences = await rig.db.fetch_all(SEQUENCES)
    for user_id, count in (("usr_alice", 52), ("usr_bob", 48)):
        assert [number for name, number in sequences if name == user_id] == list(range(1, count + 1))


async def test_the_sequence_tells_the_order_of_commits(rig: Rig, replicate: Replicate) -> None:
    """A reader that has seen number n never finds a smaller one later."""
    other = await replicate()
    writing = asyncio.gather(*((rig, other)[n % 2].emit("user.created") for n in range(60)))
    while not writing.done():
        numbers = [number for _, number in await rig.db.fetch_all(SEQUENCES)]
        assert numbers == list(range(1, len(numbers) + 1))
        await asyncio.sleep(0)
    await writing


async def test_a_subscriber_of_one_process_gets_what_another_emits(rig: Rig, replicate: Replicate) -> None:
    rig.outbox.register("app", "user.created")
    await rig.outbox.refresh()
    command = await replicate()
    await command.outbox.learn()  # as `tollhouse users block` does; it registers nobody
    await command.emit("user.created")
    assert [row.subscriber for row in await command.rows()] == ["app"]


async def test_a_subscriber_not_seen_for_a_week_is_forgotten_and_one_seen_is_not(
    rig: Rig, replicate: Replicate
) -> None:
    old = await replicate()
    old.outbox.register("old", "user.created")
    await old.outbox.refresh()
    rig.outbox.register("app", "user.created")
    await rig.outbox.refresh()
    rig.clock.advance(6 * DAY // 1_000_000)
    await rig.outbox.refresh()
    await rig.emit("user.created")
    assert [row.subscriber for row in await rig.rows()] == ["app", "old"]
    rig.clock.advance(DAY // 1_000_000 + 1)
    await rig.outbox.refresh()
    await rig.emit("user.created")
    assert [row.subscriber for row in await rig.rows()] == ["app", "app", "old"]


async def test_a_mail_is_queued_sealed_and_without_an_order(rig: Rig) -> None:
    await rig.queue_mail("dlv_1", sealed=b"\x00\xff")
    (row,) = await rig.db.fetch_all(ROWS)
    assert (row.subscriber, row.sealed, row.status, row.attempts) == ("mail", b"\x00\xff", "waiting", 0)
    assert (row.user_id, row.sequence, row.held_until, row.event_id) == (None, None, None, None)
