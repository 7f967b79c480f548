"""Users: an id and the digest of an address, nothing that names anybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Integer, and_, bindparam, case, delete, exists, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tollhouse.db import Statement, Transaction
from tollhouse.identity import sessions
from tollhouse.identity.errors import SignUpClosed, UserBlocked
from tollhouse.identity.tables import invitations, magic_links, suppressions
from tollhouse.identity.tables import users as table
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_id


@dataclass(frozen=True, slots=True)
class User:
    """A user; times in microseconds UTC."""

    id: str
    created_at: int
    signed_in_at: int | None
    blocked_at: int | None


def digest_or_none(digest: bytes | None) -> bytes | None:
    """Return the one column, which is NULL for another issuer's user."""
    return digest


def reason_or_none(reason: str | None) -> str | None:
    """Return the one column, which is NULL where no case applies."""
    return reason


COLUMNS: Final = tuple(table.c[name] for name in User.__dataclass_fields__)
SIGN_IN: Final = Statement(
    upsert(table)
    .values(
        id=bindparam("id"),
        address_digest=bindparam("address_digest"),
        created_at=bindparam("created_at"),
        signed_in_at=bindparam("now"),
    )
    .on_conflict_do_update(index_elements=["address_digest"], set_={"signed_in_at": bindparam("now")})
    .returning(*COLUMNS),
    User,
)
FIND: Final = Statement(select(*COLUMNS).where(table.c.address_digest == bindparam("digest")), User)
FIND_BY_ID: Final = Statement(select(*COLUMNS).where(table.c.id == bindparam("user_id")), User)
DIGEST: Final = Statement(select(table.c.address_digest).where(table.c.id == bindparam("user_id")), digest_or_none)
_known = exists().where(table.c.address_digest == bindparam("digest"))
_blocked = exists().where(table.c.address_digest == bindparam("digest"), table.c.blocked_at.is_not(None))
_invited = exists().where(invitations.c.address_digest == bindparam("digest"))
_may = and_(~_blocked, or_(bindparam("sign_up_open", type_=Integer) == 1, _known, _invited))
_suppressed = exists().where(
    suppressions.c.address_digest == bindparam("digest"), suppressions.c.expires_at > bindparam("now")
)
MAY_SIGN_IN: Final = Statement(select(literal(1)).where(_may), int)
WHY_NO_MAIL: Final = Statement(
    select(
        case(
            (_suppressed, literal("The mail server said recently that this mailbox does not exist.")),
            (~_may, literal("Sign-up is closed and this address has no invitation, or its user is blocked.")),
        )
    ),
    reason_or_none,
)
BLOCK: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("user_id"), table.c.blocked_at.is_(None))
    .values(blocked_at=bindparam("now")),
    str,
)
UNBLOCK: Final = Statement(
    update(table).where(table.c.id == bindparam("user_id"), table.c.blocked_at.is_not(None)).values(blocked_at=None),
    str,
)
ERASE: Final = Statement(delete(table).where(table.c.id == bindparam("user_id")), str)
ERASE_LINKS: Final = Statement(delete(magic_links).where(magic_links.c.address_digest == bindparam("digest")), str)
INVITE: Final = Statement(
    upsert(invitations)
    .values(address_digest=bindparam("digest"), created_at=bindparam("now"))
    .on_conflict_do_nothing(index_elements=["address_digest"]),
    str,
)
ERASE_INVITATION: Final = Statement(delete(invitations).where(invitations.c.address_digest == bindparam("digest")), str)


async def sign_in(tx: Transaction, run: Runtime, address_digest: bytes) -> tuple[User, bool]:
    """Return the user of an address that was just proved, and whether they are new.

    Raises `SignUpClosed` or `UserBlocked`, which undoes the transaction and so leaves the link alive.
    """
    if run.settings.sign_up == "closed" and not await tx.fetch_one(MAY_SIGN_IN, digest=address_digest, sign_up_open=0):
        user = await tx.fetch_one(FIND, digest=address_digest)
        raise UserBlocked if user else SignUpClosed
    now = run.now_us
    new_id = create_id("usr", now)
    user = await tx.fetch_one(SIGN_IN, id=new_id, address_digest=address_digest, created_at=now, now=now)
    assert user is not None
    if user.blocked_at is not None:
        raise UserBlocked
    return user, user.id == new_id


async def why_no_mail(run: Runtime, address_digest: bytes) -> str | None:
    """Return why this address gets no mail, or None if it does; never asked while somebody waits for a link."""
    sign_up_open = int(run.settings.sign_up == "open")
    return await run.db.fetch_one(WHY_NO_MAIL, digest=address_digest, now=run.now_us, sign_up_open=sign_up_open)


async def find(run: Runtime, email: str) -> User | None:
    """Return the user of an address, through its digest, or None."""
    return await run.db.fetch_one(FIND, digest=run.keys.digest_address(email))


async def get(run: Runtime, user_id: str) -> User | None:
    """Return a user by id, or None."""
    return await run.db.fetch_one(FIND_BY_ID, user_id=user_id)


async def invite(run: Runtime, email: str) -> bool:
    """Let an address sign up while sign-up is closed; return whether it was not invited before."""
    return bool(await run.db.write(INVITE, digest=run.keys.digest_address(email), now=run.now_us))


async def block(run: Runtime, user_id: str) -> bool:
    """Refuse a user and end their sessions at once; return whether they were not blocked before."""

    async def work(tx: Transaction) -> bool:
        # First the user's row, whose lock a sign-in under way holds: its session is there when they are all ended.
        blocked = await tx.execute(BLOCK, user_id=user_id, now=run.now_us)
        await tx.execute(sessions.END_ALL, owner=user_id)
        return bool(blocked)

    return await run.db.transact(work)


async def unblock(run: Runtime, user_id: str) -> bool:
    """Admit a user again; return whether they were blocked."""
    return bool(await run.db.write(UNBLOCK, user_id=user_id))


async def erase(run: Runtime, user_id: str) -> bool:
    """Delete a user with their sessions, links and invitation; return whether they existed.

    What remains are events and books under an id that leads to nobody. Subscribers learn of it by `user.erased`. What
    `hooks.before_erase` raises, such as Stripe being out of reach, comes out here, and nothing is erased.
    """
    for prepare in run.hooks.before_erase:
        await prepare(user_id)

    async def work(tx: Transaction) -> bool:
        address_digest = await tx.fetch_one(DIGEST, user_id=user_id)
        await tx.execute(ERASE_LINKS, digest=address_digest)  # first, as a sign-in takes link and then user
        if not await tx.execute(ERASE, user_id=user_id):
            return False
        await tx.execute(ERASE_INVITATION, digest=address_digest)
        await run.outbox.emit(tx, ("user.erased", {"user_id": user_id}), user_id=user_id)
        return True

    erased = await run.db.transact(work)
    run.outbox.wake()
    return erased


async def export(run: Runtime, user_id: str) -> dict[str, Any] | None:
    """Return everything stored about a user, as JSON values, or None; times in microseconds UTC."""
    user = await get(run, user_id)
    if user is None:
        return None
    living = await sessions.list_of(run, user_id)
    return {
        "user": {name: getattr(user, name) for name in User.__dataclass_fields__},
        "sessions": [
            {
                "id": s.id,
                "device": s.device,
                "created_at": s.created_at,
                "seen_at": s.seen_at,
                "expires_at": s.expires_at,
            }
            for s in living
        ],
    }
