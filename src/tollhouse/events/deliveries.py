"""Deliveries: claimed under a lease, finished by whoever holds it, tried again on a schedule."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, exists, func, or_, select, update

from tollhouse.clock import DAY, SECOND
from tollhouse.db import Database, Statement, some
from tollhouse.errors import TollhouseError
from tollhouse.events.tables import DELIVERED, EXPIRED, FAILED, SKIPPED, WAITING, is_waiting
from tollhouse.events.tables import deliveries as table

LEASE_US: Final = 90 * SECOND  # longer than any one run may last
RETRY_SECONDS: Final = (5, 30, 120, 600, 1_800, 7_200, 21_600, 86_400, 152_000)  # 10 tries over 75 hours
MAIL_RETRY_SECONDS: Final = (2, 5, 10, 20) + (30,) * 160  # until the link in it expires, an hour at most
JITTER: Final = 0.2
HOST: Final = "host: "  # begins the reason when the mail server, not the mailbox, is at fault
FINISHED_KEPT_US: Final = 30 * DAY
REASON_LENGTH_MAX: Final = 500


class GiveUp(TollhouseError):
    """This delivery can never succeed."""

    code = "delivery_given_up"


class Retry(TollhouseError):
    """This delivery did not succeed this time."""

    code = "delivery_failed"


class Skip(TollhouseError):
    """By a rule of ours, nobody is to get this delivery."""

    code = "delivery_skipped"


class Expired(TollhouseError):
    """The time of this delivery has passed."""

    code = "delivery_expired"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery, claimed."""

    id: str
    subscriber: str
    event_id: str | None
    sealed: bytes | None
    attempts: int
    expires_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True)
class DeliveryRecord:
    """One delivery as an operator sees it; times in microseconds UTC."""

    id: str
    subscriber: str
    event_id: str | None
    user_id: str | None
    status: str
    reason: str | None
    attempts: int
    due_at: int
    created_at: int
    finished_at: int | None


def oldest_or_none(time_us: int | None) -> int | None:
    """Return the one column of an aggregate, which is NULL over no rows."""
    return time_us


earlier: Final = table.alias("earlier")
_held_back = exists().where(
    earlier.c.subscriber == table.c.subscriber,
    earlier.c.user_id == table.c.user_id,
    earlier.c.sequence < table.c.sequence,
    is_waiting(earlier),
    earlier.c.held_until > bindparam("now"),
)
_due = and_(is_waiting(table), table.c.due_at <= bindparam("now"), table.c.subscriber == bindparam("subscriber"))
_claimable = (
    select(table.c.id)
    .where(_due, or_(table.c.user_id.is_(None), ~_held_back))
    .order_by(table.c.due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("claimable")  # a plain subquery may be run again for each row, and then locks more than the limit
)
CLAIM: Final = Statement(
    update(table)
    .where(table.c.id.in_(select(_claimable.c.id)))  # and nothing else: they are locked, and found by their key
    .values(due_at=bindparam("leased_until"), lease=bindparam("new_lease"), attempts=table.c.attempts + 1)
    .returning(*(table.c[name] for name in Delivery.__dataclass_fields__)),
    Delivery,
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
        sealed=None,
        lease=None,
    ),
    str,
)
POSTPONE: Final = Statement(
    update(table).where(_mine).values(due_at=bindparam("next_due_at"), reason=bindparam("new_reason"), lease=None), str
)
RELEASE: Final = Statement(
    update(table)
    .where(table.c.lease == bindparam("my_lease"), is_waiting(table))
    .values(due_at=bindparam("now"), lease=None, attempts=table.c.attempts - 1),
    str,
)
# One mailbox that its server stalls or refuses oddly says nothing of the mail server, as long as others get theirs.
_got_through = table.alias("got_through")
_mail_got_through = exists().where(
    _got_through.c.status == DELIVERED,
    _got_through.c.finished_at > bindparam("lately"),
    _got_through.c.subscriber == "mail",
)
MAIL_WAITS_SINCE: Final = Statement(
    select(func.min(table.c.created_at)).where(
        table.c.subscriber == "mail",
        is_waiting(table),
        table.c.due_at > 0,  # always so, and what makes SQLite take the index of what is due, not of all that waits
        or_(table.c.reason.is_(None), table.c.reason.like(HOST + "%")),
        ~_mail_got_through,
    ),
    oldest_or_none,
)
LIST: Final = Statement(
    select(*(table.c[name] for name in DeliveryRecord.__dataclass_fields__))
    .where(table.c.status == bindparam("wanted_status"))
    .order_by(table.c.created_at.desc())
    .limit(bindparam("limit")),
    DeliveryRecord,
)
RETRY: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("delivery_id"), table.c.status == FAILED, table.c.event_id.is_not(None))
    .values(status=WAITING, attempts=0, due_at=bindparam("now"), finished_at=None, held_until=bindparam("now")),
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


async def claim(db: Database, *, subscriber: str, lease: str, limit: int, now_us: int) -> list[Delivery]:
    """Return up to `limit` due deliveries, leased; nobody else gets them until the lease runs out."""
    return await db.write_all(
        CLAIM, subscriber=subscriber, new_lease=lease, leased_until=now_us + LEASE_US, limit=limit, now=now_us
    )


async def finish(db: Database, delivery: Delivery, *, lease: str, outcome: TollhouseError | None, now_us: int) -> str:
    """Write down how a delivery went and return its status; `lost` when the lease was somebody else's by then."""
    mine: dict[str, Any] = {"delivery_id": delivery.id, "my_lease": lease, "my_attempt": delivery.attempts}
    status, reason = judge(delivery, outcome, now_us)
    if status == WAITING:
        next_due_at = now_us + pause_us(delivery)
        changed = await db.write(POSTPONE, **mine, next_due_at=next_due_at, new_reason=reason)
    else:
        changed = await db.write(FINISH, **mine, new_status=status, new_reason=reason, now=now_us)
    return status if changed else "lost"


def judge(delivery: Delivery, outcome: TollhouseError | None, now_us: int) -> tuple[str, str | None]:
    """Return the status that an outcome leads to, and the reason that an operator reads."""
    if outcome is None:
        return DELIVERED, None
    reason = storable(outcome.detail)
    if isinstance(outcome, Expired):
        return EXPIRED, reason
    if isinstance(outcome, Skip):
        return SKIPPED, reason
    if isinstance(outcome, GiveUp) or delivery.attempts > len(schedule(delivery)):
        return FAILED, reason
    if delivery.expires_at is not None and delivery.expires_at <= now_us:
        return EXPIRED, reason
    return WAITING, reason


def storable(reason: str) -> str:
    """Return a reason that every database takes, whatever a server or a handler put in it."""
    return reason[:REASON_LENGTH_MAX].replace("\0", "").encode(errors="replace").decode()


def check_attempts(delivery: Delivery) -> None:
    """Raise `GiveUp` for a delivery claimed more often than it is ever tried: each time its process died running it."""
    if delivery.attempts > len(schedule(delivery)) + 1:
        raise GiveUp("Every process that ran it ended before it could write down how it went.")


def schedule(delivery: Delivery) -> Sequence[int]:
    """Return the pauses between tries, in seconds."""
    return MAIL_RETRY_SECONDS if delivery.subscriber == "mail" else RETRY_SECONDS


def pause_us(delivery: Delivery) -> int:
    """Return how long to wait after this try, with jitter so that a recovered server is not hit by all at once."""
    seconds = schedule(delivery)[delivery.attempts - 1]
    return round(seconds * SECOND * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 (jitter, not a secret)
