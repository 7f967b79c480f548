"""Exact limits over all replicas: GCRA, one statement for all the limits of a request.

GCRA (the generic cell rate algorithm, ITU-T I.371) keeps one time per key: when the bucket will be empty again. A
request is allowed while that time is at most `tolerance` ahead, and moves it on by `interval`. There is no window to
reset, so a burst at its edge cannot double the rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, Text, bindparam, case, cast, delete, exists, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.clock import SECOND
from tollhouse.db import Database, Statement, some
from tollhouse.errors import RateLimited
from tollhouse.limits.tables import limits as table
from tollhouse.telemetry import metrics


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` in `seconds` for one key: all of them at once if need be, then one each `seconds / count`.

    So the first window of a burst can hold up to twice the count less one, and every later one the count. Keys hold
    digests, never addresses.
    """

    name: str
    key: str
    count: int
    seconds: int

    @property
    def interval_us(self) -> int:
        """What one request costs, in microseconds."""
        return self.seconds * SECOND // self.count

    @property
    def tolerance_us(self) -> int:
        """How far ahead the bucket may be and still take one more."""
        return self.interval_us * (self.count - 1)

    @property
    def row_key(self) -> str:
        """The key of its row."""
        return f"{self.name}:{self.key}"


@dataclass(frozen=True, slots=True)
class LimitRow:
    """A bucket as it is stored."""

    key: str
    free_at: int
    tolerance: int


def _taking(count: int) -> Statement[str]:
    """Return the statement that takes from `count` buckets, from all of them or from none.

    Every row decides by its own conditional update (so nothing is ever allowed twice); the `exists` keeps a refused
    request from using up the other buckets, which an attacker could otherwise drain for somebody else.
    """
    now = bindparam("now", type_=BigInteger)
    wanted = union_all(
        *(
            select(
                cast(bindparam(f"key_{i}"), Text).label("key"),
                (now + bindparam(f"interval_{i}", type_=BigInteger)).label("free_at"),
                cast(bindparam(f"tolerance_{i}"), BigInteger).label("tolerance"),
            )
            for i in range(count)
        )
    ).subquery("wanted")
    full = exists().where(table.c.key == wanted.c.key, table.c.free_at > now + wanted.c.tolerance)
    any_full = exists(select(literal(1)).select_from(wanted).where(full).correlate(None))
    insert = upsert(table).from_select(
        ["key", "free_at", "tolerance"], select(wanted.c.key, wanted.c.free_at, wanted.c.tolerance).where(~any_full)
    )
    later = case((table.c.free_at > now, table.c.free_at), else_=now)
    return Statement(
        insert.on_conflict_do_update(
            index_elements=["key"],
            set_={"free_at": later + (insert.excluded.free_at - now), "tolerance": insert.excluded.tolerance},
            where=table.c.free_at <= now + insert.excluded.tolerance,
        ).returning(table.c.key),
        str,
    )


TAKING: Final = {count: _taking(count) for count in range(1, 5)}
FIND: Final = Statement(
    select(table.c.key, table.c.free_at, table.c.tolerance).where(table.c.key == bindparam("key")), LimitRow
)
GIVE_BACK: Final = Statement(
    update(table).where(table.c.key == bindparam("key")).values(free_at=table.c.free_at - bindparam("interval")), str
)
SWEEP: Final = Statement(delete(table).where(*some(table.c.key, table.c.free_at < bindparam("now"))), str)


async def take(db: Database, limits: Sequence[Limit], *, now_us: int) -> None:
    """Take one from each bucket, in one statement that is committed at once; raise `RateLimited` if any is full."""
    ordered = sorted(limits, key=lambda limit: limit.row_key)  # one lock order for all
    parameters: dict[str, Any] = {"now": now_us}
    for i, limit in enumerate(ordered):
        parameters |= {
            f"key_{i}": limit.row_key,
            f"interval_{i}": limit.interval_us,
            f"tolerance_{i}": limit.tolerance_us,
        }
    taken = await db.write_all(TAKING[len(ordered)], **parameters)
    if len(taken) < len(ordered):
        for limit in ordered:
            if limit.row_key in taken:  # on PostgreSQL others may have filled one bucket after the statement had looked
                await db.write(GIVE_BACK, key=limit.row_key, interval=limit.interval_us)
        raise await _refusal(db, ordered, now_us)


async def _refusal(db: Database, limits: Sequence[Limit], now_us: int) -> RateLimited:
    wait_us = SECOND
    for limit in limits:
        row = await db.fetch_one(FIND, key=limit.row_key)
        if row is not None and row.free_at - limit.tolerance_us > now_us:
            metrics.limited.labels(limit=limit.name).inc()
            wait_us = max(wait_us, row.free_at - limit.tolerance_us - now_us)
    return RateLimited(retry_after_seconds=-(-wait_us // SECOND))
