"""Claiming, finishing and trying again, with the clock turned by hand."""

from __future__ import annotations

import asyncio

import pytest

from tests.events.conftest import Replicate
from tests.events.rig import Rig
from tollhouse.clock import MINUTE, SECOND
from tollhouse.errors import TollhouseError
from tollhouse.events import deliveries
from tollhouse.events.deliveries import LEASE_US, RELEASE, Delivery
from tollhouse.events.mail_wait import WAITS_SINCE
from tollhouse.events.outcomes import HOST, Expired, GiveUp, Ran, Retry, Skip
from tollhouse.events.records import RETRY
from tollhouse.events.retries import RETRY_SECONDS


async def claim(rig: Rig, lease: str = "wrk_1", *, subscriber: str = "app", limit: int = 10) -> list[Delivery]:
    return await deliveries.claim(rig.db, subscriber=subscriber, lease=lease, limit=limit, now_us=rig.clock.now_us())


async def finish(rig: Rig, delivery: Delivery, outcome: TollhouseError | None = None, lease: str = "wrk_1") -> str:
    ran = Ran(outcome, None, rig.clock.now_us(), 0)
    return await deliveries.finish(rig.db, delivery, ran, lease=lease, now_us=rig.clock.now_us())


@pytest.fixture
async def app(rig: Rig) -> Rig:
    """A replica with one subscriber, `app`."""
    rig.outbox.register("app", "user.created")
    await rig.outbox.refresh()
    return rig


async def test_a_delivery_is_claimed_by_one_of_many(app: Rig, replicate: Replicate) -> None:
    rigs = [app, await replicate(), await replicate()]
    for n in range(40):
        await app.emit("user.created", user_id=f"usr_{n}")
    got = await asyncio.gather(*(claim(rigs[n % 3], f"wrk_{n}", limit=3) for n in range(30)))
    ids = [delivery.id for each in got for delivery in each]
    assert len(ids) == len(set(ids)) == 40
    assert all(len(each) <= 3 for each in got)


async def test_a_lease_that_ran_out_is_somebody_elses(app: Rig) -> None:
    await app.emit("user.created")
    (first,) = await claim(app, "wrk_1")
    assert await claim(app, "wrk_2") == []
    app.clock.advance(LEASE_US / SECOND - 1)
    assert await claim(app, "wrk_2") == []
    app.clock.advance(1)
    (second,) = await claim(app, "wrk_2")
    assert (first.attempts, second.attempts) == (1, 2)
    assert await finish(app, first, lease="wrk_1") == "lost"
    assert await finish(app, first, Retry(), lease="wrk_1") == "lost"
    assert (await app.row()).lease == "wrk_2"
    assert await finish(app, second, lease="wrk_2") == "delivered"
    assert await finish(app, second, lease="wrk_2") == "lost"


async def test_a_worker_that_was_frozen_cannot_finish_what_it_claimed_again(app: Rig) -> None:
    await app.emit("user.created")
    (first,) = await claim(app)
    app.clock.advance(LEASE_US / SECOND)
    (again,) = await claim(app)
    assert await finish(app, first, Retry()) == "lost"
    assert await finish(app, again) == "delivered"


async def test_it_is_tried_ten_times_over_three_days_and_then_listed_as_failed(app: Rig) -> None:
    await app.emit("user.created")
    tries = 0
    waited_us = 0
    while True:
        (delivery,) = await claim(app)
        tries += 1
        status = await finish(app, delivery, Retry("It answered 500."))
        if status == "failed":
            break
        pause_us = (await app.row()).due_at - app.clock.now_us()
        wanted_us = RETRY_SECONDS[tries - 1] * SECOND
        assert 0.99 * wanted_us < pause_us < 1.21 * wanted_us
        assert await claim(app) == [], "not before its time"
        app.clock.advance(pause_us / SECOND + 1)
        waited_us += pause_us
    row = await app.row()
    assert (tries, row.attempts, row.reason) == (10, 10, "It answered 500.")
    assert row.finished_at is not None
    assert row.lease is None
    app.clock.advance(30 * 86_400)
    assert await claim(app) == []


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (None, "delivered"),
        (GiveUp("No."), "failed"),
        (Expired("Late."), "expired"),
        (Skip("Who?"), "skipped"),
    ],
)
async def test_a_mails_content_is_erased_however_it_ends(rig: Rig, outcome: TollhouseError | None, status: str) -> None:
    await rig.queue_mail("dlv_1")
    (mail,) = await claim(rig, subscriber="mail")
    assert mail.sealed == b"sealed"
    assert await finish(rig, mail, Retry("Later.")) == "waiting"
    assert (await rig.row()).sealed == b"sealed"
    rig.clock.advance(5)
    (mail,) = await claim(rig, subscriber="mail")
    assert await finish(rig, mail, outcome) == status
    row = await rig.row()
    assert (row.status, row.sealed, row.lease) == (status, None, None)
    assert row.reason == (outcome.detail if outcome else None)


async def test_a_mail_is_not_tried_beyond_its_life(rig: Rig) -> None:
    await rig.queue_mail("dlv_1", expires_in=60)
    (mail,) = await claim(rig, subscriber="mail")
    rig.clock.advance(61)
    assert await finish(rig, mail, Retry("Later.")) == "expired"
    assert (await rig.row()).sealed is None


async def test_a_failing_head_holds_its_users_later_events_for_an_hour_and_nobody_elses(app: Rig) -> None:
    for user_id in ("usr_alice", "usr_alice", "usr_bob"):
        await app.emit("user.created", user_id=user_id)
    claimed = await claim(app)
    alice, bob = sorted(claimed, key=lambda delivery: delivery.id)
    assert len(claimed) == 2, "one of each user"
    assert await finish(app, bob) == "delivered"
    rest = 3600.0
    while rest > 60:
        assert await finish(app, alice, Retry("No.")) == "waiting"
        step = min(rest - 1, ((await app.row_of(alice.id)).due_at - app.clock.now_us()) / SECOND + 1)
        app.clock.advance(step)
        rest -= step
        due = await claim(app)
        assert [delivery.id for delivery in due] in ([alice.id], [])
        alice = due[0] if due else alice
        if not due:
            break
    app.clock.advance(rest + 1)
    (later, *_) = [delivery for delivery in await claim(app) if delivery.id != alice.id]
    assert await finish(app, later) == "delivered"


async def test_the_next_event_follows_as_soon_as_the_head_has_ended(app: Rig) -> None:
    for _ in range(3):
        await app.emit("user.created")
    for sequence, outcome in ((1, None), (2, GiveUp("No.")), (3, None)):
        (delivery,) = await claim(app)
        assert (await app.row_of(delivery.id)).sequence == sequence
        await finish(app, delivery, outcome)


async def test_one_subscribers_trouble_is_not_anothers(app: Rig) -> None:
    app.outbox.register("books", "user.created")
    await app.outbox.refresh()
    await app.emit("user.created")
    await app.emit("user.created")
    (head,) = await claim(app)
    await finish(app, head, Retry("No."))
    for _ in range(2):
        (delivery,) = await claim(app, subscriber="books")
        assert await finish(app, delivery) == "delivered"
    assert await claim(app) == []


async def test_what_is_given_back_is_due_at_once_and_the_try_does_not_count(app: Rig) -> None:
    await app.emit("user.created")
    await claim(app, "wrk_1")
    assert await app.db.write(RELEASE, my_lease="wrk_2", now=app.clock.now_us()) == 0
    assert await app.db.write(RELEASE, my_lease="wrk_1", now=app.clock.now_us()) == 1
    (delivery,) = await claim(app, "wrk_2")
    assert delivery.attempts == 1


async def test_only_a_failed_event_can_be_retried_and_starts_anew(app: Rig) -> None:
    await app.emit("user.created")
    (delivery,) = await claim(app)
    again = {"delivery_id": delivery.id, "now": app.clock.now_us()}
    assert await app.db.write(RETRY, **again) == 0, "it waits"
    await finish(app, delivery, GiveUp("No."))
    assert await app.db.write(RETRY, **again) == 1
    row = await app.row()
    assert (row.status, row.attempts, row.finished_at) == ("waiting", 0, None)
    (delivery,) = await claim(app)
    await finish(app, delivery)
    assert await app.db.write(RETRY, **again) == 0, "it is delivered"


async def test_a_failed_mail_cannot_be_retried(rig: Rig) -> None:
    await rig.queue_mail("dlv_1")
    (mail,) = await claim(rig, subscriber="mail")
    await finish(rig, mail, GiveUp("No."))
    assert await rig.db.write(RETRY, delivery_id="dlv_1", now=rig.clock.now_us()) == 0


async def test_only_what_the_mail_server_holds_up_counts_as_mail_that_waits(rig: Rig) -> None:
    async def waits_since() -> int | None:
        return await rig.db.fetch_one(WAITS_SINCE, lately=rig.clock.now_us() - 2 * MINUTE)

    assert await waits_since() is None
    created_at = rig.clock.now_us()
    await rig.queue_mail("dlv_1")
    assert created_at <= (await waits_since() or 0) < created_at + MINUTE
    (mail,) = await claim(rig, subscriber="mail")
    assert await waits_since(), "it is under way: nobody has answered for it yet"
    await finish(rig, mail, Retry("450 this mailbox is greylisted"))
    assert await waits_since() is None
    rig.clock.advance(10)
    (mail,) = await claim(rig, subscriber="mail")
    await finish(rig, mail, Retry(HOST + "connection refused"))
    assert created_at <= (await waits_since() or 0) < created_at + MINUTE
    rig.clock.advance(10)
    (mail,) = await claim(rig, subscriber="mail")
    await finish(rig, mail)
    assert await waits_since() is None


@pytest.mark.parametrize("reason", ["NUL \0 inside", "half a pair \ud83d", "x" * 10_000, ""])
async def test_any_reason_can_be_written_down(app: Rig, reason: str) -> None:
    await app.emit("user.created")
    (delivery,) = await claim(app)
    assert await finish(app, delivery, GiveUp(reason)) == "failed"
    assert len((await app.row()).reason or "") <= 500


async def test_one_mailbox_that_is_stalled_is_not_the_mail_server_while_others_get_theirs(rig: Rig) -> None:
    async def waits_since() -> int | None:
        return await rig.db.fetch_one(WAITS_SINCE, lately=rig.clock.now_us() - 2 * MINUTE)

    await rig.queue_mail("dlv_stalled")
    (stalled,) = await claim(rig, subscriber="mail")
    await finish(rig, stalled, Retry(HOST + "it took too long"))
    assert await waits_since()
    await rig.queue_mail("dlv_other")
    (other,) = await claim(rig, subscriber="mail")
    await finish(rig, other)
    assert await waits_since() is None
    rig.clock.advance(121)
    assert await waits_since(), "and none got through lately"
