"""How long mail has waited for the mail server, which whoever asks for a link is told."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, exists, func, or_, select

from tollhouse.clock import MINUTE, SECOND, Clock
from tollhouse.db import Database, Statement
from tollhouse.events.outbox import MAIL, Outbox
from tollhouse.events.outcomes import HOST
from tollhouse.events.tables import DELIVERED, is_waiting
from tollhouse.events.tables import deliveries as table
from tollhouse.telemetry import metrics

SILENCE_US: Final = 2 * MINUTE  # so long without any mail delivered, waiting ones are the mail server's doing


def oldest_or_none(time_us: int | None) -> int | None:
    """Return the one column of an aggregate, which is NULL over no rows."""
    return time_us


# One mailbox that its server stalls or refuses oddly says nothing of the mail server, as long as others get theirs.
_got_through = table.alias("got_through")
_mail_got_through = exists().where(
    _got_through.c.status == DELIVERED,
    _got_through.c.finished_at > bindparam("lately"),
    _got_through.c.subscriber == MAIL,
)
WAITS_SINCE: Final = Statement(
    select(func.min(table.c.created_at)).where(
        table.c.subscriber == MAIL,
        is_waiting(table),
        table.c.due_at > 0,  # always so, and what makes SQLite take the index of what is due, not of all that waits
        or_(table.c.reason.is_(None), table.c.reason.like(HOST + "%")),
        ~_mail_got_through,
    ),
    oldest_or_none,
)


async def look(db: Database, clock: Clock, outbox: Outbox) -> None:
    """Note since when mail waits, if it does."""
    outbox.mail_waits_since = await db.fetch_one(WAITS_SINCE, lately=clock.now_us() - SILENCE_US)
    metrics.mail_wait.set(lag_seconds(outbox, clock))


def lag_seconds(outbox: Outbox, clock: Clock) -> float:
    """Return how long the oldest mail has waited for the mail server."""
    since = outbox.mail_waits_since
    return 0.0 if since is None else (clock.now_us() - since) / SECOND
