"""Idempotency: the reply to a key is kept for ever, and the same key never does anything twice."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.db import Statement, Transaction
from tollhouse.errors import TollhouseError
from tollhouse.ledger.errors import IdempotencyConflict, IdempotencyKeyInvalid
from tollhouse.ledger.tables import replies as table
from tollhouse.runtime import Runtime

KEY: Final = re.compile("[!-~](?:[ -~]{0,253}[!-~])?")  # what a header can hold


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to a request, known by its fingerprint."""

    fingerprint: bytes
    reply: str | None


_at = (table.c.scope == bindparam("in_scope"), table.c.key == bindparam("under_key"))
CLAIM: Final = Statement(
    upsert(table)
    .values(
        scope=bindparam("in_scope"),
        key=bindparam("under_key"),
        fingerprint=bindparam("fingerprint"),
        created_at=bindparam("now"),
    )
    .on_conflict_do_nothing(index_elements=["scope", "key"]),
    Reply,
)
FIND: Final = Statement(select(table.c.fingerprint, table.c.reply).where(*_at), Reply)
KEEP: Final = Statement(update(table).where(*_at).values(reply=bindparam("new_reply")), Reply)
TAKE_BACK: Final = Statement(delete(table).where(*_at, table.c.reply.is_(None)), Reply)


def check_key(key: str | None) -> str | None:
    """Return an Idempotency-Key, or None where there is none; raise `IdempotencyKeyInvalid`."""
    if key is None or KEY.fullmatch(key):
        return key
    raise IdempotencyKeyInvalid


async def once(
    tx: Transaction,
    run: Runtime,
    *,
    scope: str,
    key: str | None,
    request: Mapping[str, Any],
    work: Callable[[], Awaitable[dict[str, Any]]],
) -> dict[str, Any]:
    """Do the work and return its reply; under a key that did it before, return that reply again.

    Of many at once with one key, one row's insertion decides; the others wait for it and get its reply. What fails
    keeps nothing. Raises `IdempotencyConflict` for a key that was used for another request.
    """
    if check_key(key) is None:
        return await work()
    at = {"in_scope": scope, "under_key": key}
    fingerprint = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).digest()
    if not await tx.execute(CLAIM, **at, fingerprint=fingerprint, now=run.now_us):
        before = await tx.fetch_one(FIND, **at)
        if before is None or before.reply is None or before.fingerprint != fingerprint:
            raise IdempotencyConflict
        return json.loads(before.reply)
    try:
        reply = await work()
    except TollhouseError:
        await tx.execute(TAKE_BACK, **at)  # for a host that goes on with its transaction after this
        raise
    await tx.execute(KEEP, **at, new_reply=json.dumps(reply, separators=(",", ":")))
    return reply
