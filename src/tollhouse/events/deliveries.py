"""Deliveries: claimed under a lease, finished by whoever holds it, tried again on a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, and_, bindparam, delete, exists, func, or_, select, update

from tollhouse.clock import DAY, HOUR, MINUTE, SECOND
from tollhouse.db import Database, Statement, Together, some
from tollhouse.events import attempts
from tollhouse.events.outcomes import Ran
from tollhouse.events.retries import judge, pause_us
from tollhouse.events.tables import DELIVERED, EXPIRED, FAILED, SKIPPED, WAITING, is_waiting
from tollhouse.events.tables import deliveries as table

LEASE_US: Final = 90 * SECOND  # longer than any one run may last
HEAD_HOLDS_US: Final = HOUR  # how long a failing delivery holds back its user's later ones
PUT_OFF_US: Final = MINUTE
WINDOW: Final = 500  # so many of what is due are looked at in one claim
FINISHED_KEPT_US: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery, claimed."""

    id: str
    subscriber: str
    event_id: str | None
    user_id: str | None
    sequence: int | None  # of the event among its user's; None where it tells of no event
    sealed: bytes | None
    attempts: int
    expires_at: int | None
    created_at: int


earlier: Final = table.alias("earlier")
# A delivery holds back its user's later ones until it is done, or has failed for an hour.
_held_back = and_(
    table.c.user_id.is_not(None),
    exists().where(
        earlier.c.subscriber == table.c.subscriber,
        earlier.c.user_id == table.c.user_id,
        earlier.c.sequence < table.c.sequence,
        is_waiting(earlier),
        or_(earlier.c.held_until.is_(None), earlier.c.held_until > bindparam("now")),
    ),
)
_due = and_(is_waiting(table), table.c.due_at <= bindparam("now"), table.c.subscriber == bindparam("subscriber"))
# Behind one that holds them back thousands may wait, which are not all to be looked through at every claim.
_window = table.c.id.in_(select(table.c.id).where(_due).order_by(table.c.due_at).limit(WINDOW))
_claimable = (
    select(table.c.id)
    .where(_window, _due, ~_held_back)
    .order_by(table.c.due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("claimable")  # a plain subquery may be run again for each row, and then locks more than the limit
)
_leased: Final[dict[Any, Any]] = {
    table.c.due_at: bindparam("leased_until"),
    table.c.lease: bindparam("new_lease"),
    table.c.attempts: table.c.attempts + 1,
}
_columns: Final = [table.c[name] for name in Delivery.__dataclass_fields__]
CLAIM: Final = Statement(
    update(table)
    .where(table.c.id.in_(select(_claimable.c.id)))  # and nothing else: they are locked, and found by their key
    .values(_leased)
    .returning(*_columns),
    Delivery,
)
# What is held back leaves the window for a minute; whoever finishes what holds it back claims it before (`CLAIM_NEXT`).
_put_off = select(table.c.id).where(_window, _due, _held_back).with_for_update(skip_locked=True).cte("put_off")
PUT_OFF: Final = Statement(
    update(table).where(table.c.id.in_(select(_put_off.c.id))).values(due_at=bindparam("until")), str
)
# It waits for its turn, not for its own next try: that has `held_until`, unless it was recalled.
_has_no_pause = and_(
    is_waiting(table), table.c.lease.is_(None), or_(table.c.attempts == 0, table.c.held_until.is_(None))
)
_next = (
    select(table.c.id)
    .where(table.c.subscriber == bindparam("subscriber"), table.c.user_id == bindparam("user_id"), _has_no_pause)
    .order_by(table.c.sequence)
    .limit(1)
    .scalar_subquery()
)
# Without SKIP LOCKED: one that is being put off at this moment is waited for, or its turn would come a minute late.
CLAIM_NEXT: Final = Statement(
    update(table).where(table.c.id == _next, _has_no_pause, ~_held_back).values(_leased).returning(*_columns), Delivery
)
# A worker that was frozen may claim again what it still runs: the attempt tells its two holdings apart.
_mine = and_(
    table.c.id == bindparam("delivery_id"),
    table.c.lease == bindparam("my_lease"),
    table.c.attempts == bindparam("my_attempt"),
    is_waiting(table),
)
FINISH: Final = Statement(
    update(table)
    .where(_mine)
    .values(
        status=bindparam("new_status"),
        reason=bindparam("new_reason"),
        finished_at=bindparam("now"),
        applied_at=func.coalesce(table.c.applied_at, bindparam("new_applied_at", type_=BigInteger)),
        sealed=None,
        lease=None,
    ),
    str,
)
POSTPONE: Final = Statement(
    update(table)
    .where(_mine)
    .values(
        due_at=bindparam("next_due_at"),
        reason=bindparam("new_reason"),
        held_until=func.coalesce(table.c.held_until, bindparam("hold_until", type_=BigInteger)),
        lease=None,
    ),
    str,
)
FINISH_ATTEMPT: Final = Together(attempts.ADD, FINISH)
POSTPONE_ATTEMPT: Final = Together(attempts.ADD, POSTPONE)
GIVE_BACK: Final = Statement(
    update(table).where(_mine).values(due_at=bindparam("now"), lease=None, attempts=table.c.attempts - 1), str
)
RELEASE: Final = Statement(
    update(table)
    .where(table.c.lease == bindparam("my_lease"), is_waiting(table))
    .values(due_at=bindparam("now"), lease=None, attempts=table.c.attempts - 1),
    str,
)
# Once the other side is back, what failed because of it comes at once, and in order, as if it had never been tried.
RECALL: Final = Statement(
    update(table)
    .where(
        table.c.subscriber == bindparam("subscriber"),
        is_waiting(table),
        table.c.lease.is_(None),
        table.c.reason.like(bindparam("because")),
    )
    .values(due_at=bindparam("now"), held_until=None),
    str,
)
SWEEP: Final = Statement(
    delete(table).where(
        *some(
            table.c.id,
            or_(
                *(table.c.status == ended for ended in (DELIVERED, EXPIRED, SKIPPED)),
                and_(table.c.status == FAILED, table.c.event_id.is_(None)),  # a mail, which nobody can retry
            ),
            table.c.finished_at < bindparam("before"),
        )
    ),
    str,
)


async def claim(
    db: Database, *, subscriber: str, lease: str, limit: int, now_us: int, lease_us: int = LEASE_US
) -> list[Delivery]:
    """Return up to `limit` due deliveries, leased; nobody else gets them until the lease runs out."""
    return await db.write_all(
        CLAIM, subscriber=subscriber, new_lease=lease, leased_until=now_us + lease_us, limit=limit, now=now_us
    )


async def claim_next(
    db: Database, done: Delivery, *, lease: str, now_us: int, lease_us: int = LEASE_US
) -> Delivery | None:
    """Return the delivery that waited for this one to be done, leased, or None."""
    return await db.write_one(
        CLAIM_NEXT,
        subscriber=done.subscriber,
        user_id=done.user_id,
        new_lease=lease,
        leased_until=now_us + lease_us,
        now=now_us,
    )


async def put_off(db: Database, *, subscriber: str, now_us: int) -> int:
    """Have the next claim look past what is due and held back; return how many those were."""
    return await db.write(PUT_OFF, subscriber=subscriber, now=now_us, until=now_us + PUT_OFF_US)


async def finish(db: Database, delivery: Delivery, ran: Ran, *, lease: str, now_us: int) -> str:
    """Write down how a delivery went and return its status; `lost` when the lease was somebody else's by then.

    The attempt is written down as well, whosever the lease is, where the delivery tells of an event.
    """
    status, reason = judge(delivery, ran.outcome, now_us)
    mine: dict[str, Any] = {"delivery_id": delivery.id, "my_lease": lease, "my_attempt": delivery.attempts}
    if status == WAITING:
        pause = max(pause_us(delivery), round(ran.asked_pause_seconds * SECOND))
        change, with_attempt = POSTPONE, POSTPONE_ATTEMPT
        new: dict[str, Any] = {"next_due_at": now_us + pause, "hold_until": now_us + HEAD_HOLDS_US}
    else:
        change, with_attempt = FINISH, FINISH_ATTEMPT
        applied = ran.answer is not None and ran.answer.applied
        new = {"new_status": status, "now": now_us, "new_applied_at": now_us if applied else None}
    new |= {"new_reason": reason} | mine
    if delivery.sequence is None:
        changed = await db.write(change, **new)
    else:
        changed = await db.write_together(with_attempt, **new, **attempts.row_of(delivery, ran, reason))
    return status if changed else "lost"


async def give_back(db: Database, claimed: Sequence[Delivery], *, lease: str, now_us: int) -> None:
    """Let others have what was claimed and not begun."""
    for each in claimed:
        await db.write(GIVE_BACK, delivery_id=each.id, my_lease=lease, my_attempt=each.attempts, now=now_us)
