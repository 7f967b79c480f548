"""Users of other issuers: `{issuer}#{sub}` gets an id of ours when something of theirs is first written."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import bindparam, delete, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.db import Statement, Transaction
from tollhouse.errors import NotFound
from tollhouse.identity import new_users
from tollhouse.identity.tables import foreign_users as table
from tollhouse.identity.tables import users
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id

OWN: Final = re.compile("usr_[0-9a-z]{1,64}")
LENGTH_MAX: Final = 1_000
REFERENCE: Final = re.compile(r"https?://[!-\"$-~]+#[^\x00-\x1f\x7f\ud800-\udfff]+")  # an issuer holds no `#`

FIND: Final = Statement(select(table.c.user_id).where(table.c.reference == bindparam("reference")), str)
ADD_USER: Final = Statement(insert(users).values(id=bindparam("user_id"), created_at=bindparam("now")), str)
CLAIM: Final = Statement(
    upsert(table)
    .values(reference=bindparam("reference"), user_id=bindparam("user_id"), created_at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=["reference"]),
    str,
)
TAKE_BACK_USER: Final = Statement(delete(users).where(users.c.id == bindparam("user_id")), str)


def is_own(reference: str) -> bool:
    """Whether this can be an id of ours."""
    return OWN.fullmatch(reference) is not None


def is_reference(reference: str) -> bool:
    """Whether this can be `{issuer}#{sub}`."""
    return len(reference) <= LENGTH_MAX and REFERENCE.fullmatch(reference) is not None


async def find(run: Runtime, reference: str) -> str | None:
    """Return the id of ours that belongs to a caller's user id, or None; an id of ours is returned as it is."""
    if is_own(reference):
        return reference
    return await run.db.fetch_one(FIND, reference=reference) if is_reference(reference) else None


async def resolve(tx: Transaction, run: Runtime, reference: str) -> str:
    """Return the id of ours that belongs to a caller's user id; another issuer's user gets one now if need be.

    The first time, `user.created` is emitted and `hooks.user_created` run: call `run.outbox.wake()` after the commit.
    Raises `NotFound` for what is no user id at all.
    """
    if is_own(reference):
        return reference
    if not is_reference(reference):
        raise NotFound("A user is `usr_…` or `{issuer}#{sub}`.")
    known = await tx.fetch_one(FIND, reference=reference)
    if known is not None:
        return known
    user_id = create_id("usr", run.now_us)
    await tx.execute(ADD_USER, user_id=user_id, now=run.now_us)  # first, for the reference points at it
    if not await tx.execute(CLAIM, reference=reference, user_id=user_id, now=run.now_us):
        await tx.execute(TAKE_BACK_USER, user_id=user_id)  # somebody was first, and has committed
        known = await tx.fetch_one(FIND, reference=reference)
        assert known is not None
        return known
    await run.outbox.emit(tx, *await new_users.greet(tx, run, user_id), user_id=user_id)
    return user_id
