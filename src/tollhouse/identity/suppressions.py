"""Mailboxes that a mail server refused for good; they get no mail for a while, and nobody is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.db import Statement, some
from tollhouse.identity.tables import suppressions as table
from tollhouse.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why and until when; times in microseconds UTC."""

    reason: str
    created_at: int
    expires_at: int


FIND: Final = Statement(
    select(table.c.reason, table.c.created_at, table.c.expires_at).where(
        table.c.address_digest == bindparam("digest"), table.c.expires_at > bindparam("now")
    ),
    Suppression,
)
_values: dict[str, Any] = {"reason": bindparam("why"), "created_at": bindparam("now"), "expires_at": bindparam("until")}
ADD: Final = Statement(
    upsert(table)
    .values(address_digest=bindparam("digest"), **_values)
    .on_conflict_do_update(index_elements=["address_digest"], set_=_values),
    Suppression,
)
REMOVE: Final = Statement(delete(table).where(table.c.address_digest == bindparam("digest")), Suppression)
SWEEP: Final = Statement(
    delete(table).where(*some(table.c.address_digest, table.c.expires_at <= bindparam("now"))), Suppression
)


async def find(run: Runtime, address_digest: bytes) -> Suppression | None:
    """Return the suppression in force for an address, or None."""
    return await run.db.fetch_one(FIND, digest=address_digest, now=run.now_us)


async def add(run: Runtime, address_digest: bytes, *, reason: str, for_us: int) -> None:
    """Send this address nothing for a while."""
    now = run.now_us
    await run.db.write(ADD, digest=address_digest, why=reason, now=now, until=now + for_us)


async def remove(run: Runtime, address_digest: bytes) -> bool:
    """Send to this address again; return whether it was suppressed."""
    return bool(await run.db.write(REMOVE, digest=address_digest))
