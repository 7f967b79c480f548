"""Sessions: a random secret in a cookie, its digest in a row, the address sealed under the secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import BigInteger, and_, bindparam, delete, insert, literal, select, update

from tollhouse.clock import MINUTE, SECOND
from tollhouse.db import Statement, some
from tollhouse.errors import DatabaseUnavailable, NotSignedIn
from tollhouse.identity.tables import sessions as table
from tollhouse.runtime import Runtime
from tollhouse.signing.sealing import derive_key, open_sealed, seal
from tollhouse.signing.tokens import create_id, create_token, digest, parse_token, secret_of

log = structlog.get_logger()

TOUCH_US: Final = 5 * MINUTE  # `seen_at` is written at most so often
FRESH_US: Final = 15 * MINUTE  # what cannot be undone wants a sign-in this young


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as it is stored; times in microseconds UTC."""

    id: str
    user_id: str
    email: bytes
    device: str
    created_at: int
    seen_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Session:
    """A living session and its owner's address; times in microseconds UTC."""

    id: str
    user_id: str
    email: str
    created_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A session about to be written: its user is not known yet, its secret only its cookie will hold."""

    session: Session
    secret: str
    secret_hash: bytes
    sealed_email: bytes


COLUMNS: Final = tuple(table.c[name] for name in SessionRow.__dataclass_fields__)
_living = and_(table.c.expires_at > bindparam("now"), table.c.seen_at > bindparam("idle_since"))
ADD: Final = Statement(
    insert(table).values(
        {name: bindparam(name) for name in (*SessionRow.__dataclass_fields__, "secret_hash")},
    ),
    str,
)
FIND: Final = Statement(select(*COLUMNS).where(table.c.secret_hash == bindparam("secret_hash"), _living), SessionRow)
LIST: Final = Statement(
    select(*COLUMNS).where(table.c.user_id == bindparam("owner"), _living).order_by(table.c.seen_at.desc()), SessionRow
)
ALIVE: Final = Statement(select(literal(1)).where(table.c.id == bindparam("session_id"), _living), int)
TOUCH: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("session_id"), table.c.seen_at < bindparam("now", type_=BigInteger) - TOUCH_US)
    .values(seen_at=bindparam("now")),
    str,
)
END: Final = Statement(delete(table).where(table.c.id == bindparam("session_id")), str)
END_OWN: Final = Statement(
    delete(table).where(table.c.id == bindparam("session_id"), table.c.user_id == bindparam("owner")), str
)
END_BY_SECRET: Final = Statement(delete(table).where(table.c.secret_hash == bindparam("ended_secret_hash")), str)
END_OTHERS: Final = Statement(
    delete(table).where(table.c.user_id == bindparam("owner"), table.c.id != bindparam("kept")), str
)
END_ALL: Final = Statement(delete(table).where(table.c.user_id == bindparam("owner")), str)
SWEEP_EXPIRED: Final = Statement(delete(table).where(*some(table.c.id, table.c.expires_at <= bindparam("now"))), str)
SWEEP_IDLE: Final = Statement(delete(table).where(*some(table.c.id, table.c.seen_at <= bindparam("idle_since"))), str)


def prepare(run: Runtime, *, email: str) -> Prepared:
    """Make the secret and seal the address, before a transaction begins."""
    now = run.now_us
    text = create_token()
    secret = secret_of(text)
    session_id = create_id("ses", now)
    session = Session(session_id, "", email, now, now + run.settings.session_lifetime_seconds * SECOND)
    return Prepared(session, text, digest(secret), seal(_key(secret), email.encode(), context=session_id))


def row_of(session: Session, prepared: Prepared, *, device: str) -> dict[str, Any]:
    """Return the row, for `ADD`, that writes a session down."""
    return {
        "id": session.id,
        "user_id": session.user_id,
        "device": device,
        "secret_hash": prepared.secret_hash,
        "email": prepared.sealed_email,
        "created_at": session.created_at,
        "seen_at": session.created_at,
        "expires_at": session.expires_at,
    }


async def find(run: Runtime, secret: str | None) -> Session | None:
    """Return the living session that a cookie's secret is for, or None; one query, so revocation counts at once."""
    token = parse_token(secret)
    if token is None:
        return None
    now = run.now_us
    row = await run.db.fetch_one(FIND, secret_hash=digest(token), now=now, idle_since=_idle_since(run, now))
    if row is None:
        return None
    if row.seen_at < now - TOUCH_US:
        await _touch(run, row.id, now)
    return Session(row.id, row.user_id, open_email(row, token), row.created_at, row.expires_at)


async def _touch(run: Runtime, session_id: str, now: int) -> None:
    """Note that a session was used; a database that only reads just now is no reason to turn its owner away."""
    try:
        await run.db.write(TOUCH, session_id=session_id, now=now)
    except DatabaseUnavailable as error:
        log.warning("session_use_unwritten", session_id=session_id, detail=error.detail)


async def require(run: Runtime, secret: str | None) -> Session:
    """Return the living session, or raise `NotSignedIn`."""
    session = await find(run, secret)
    if session is None:
        raise NotSignedIn
    return session


async def is_alive(run: Runtime, session_id: str) -> bool:
    """Whether a session goes on, asked by its id; what hangs on it ends with it."""
    now = run.now_us
    return bool(await run.db.fetch_one(ALIVE, session_id=session_id, now=now, idle_since=_idle_since(run, now)))


async def list_of(run: Runtime, user_id: str) -> list[SessionRow]:
    """Return a user's living sessions, the last used first."""
    now = run.now_us
    return await run.db.fetch_all(LIST, owner=user_id, now=now, idle_since=_idle_since(run, now))


async def end(run: Runtime, session_id: str, *, user_id: str) -> bool:
    """End one of a user's sessions from the next request on; return whether it was theirs and alive."""
    ended = bool(await run.db.write(END_OWN, session_id=session_id, owner=user_id))
    log.info("session_ended", user_id=user_id, session_id=session_id, changed=ended)
    return ended


async def end_by_secret(run: Runtime, secret: str | None) -> None:
    """End the session of a cookie, if there is one."""
    token = parse_token(secret)
    if token is not None:
        ended = await run.db.write(END_BY_SECRET, ended_secret_hash=digest(token))
        log.info("signed_out", changed=bool(ended))


async def end_others(run: Runtime, *, user_id: str, kept: str) -> int:
    """End all of a user's sessions but one; return how many."""
    ended = await run.db.write(END_OTHERS, owner=user_id, kept=kept)
    log.info("other_sessions_ended", user_id=user_id, kept=kept, count=ended)
    return ended


def is_fresh(run: Runtime, session: Session) -> bool:
    """Whether the sign-in is young enough for what cannot be undone."""
    return session.created_at > run.now_us - FRESH_US


def open_email(row: SessionRow, token: bytes) -> str:
    """Return the address, which only the cookie's secret opens."""
    return open_sealed(_key(token), row.email, context=row.id).decode()


def _key(secret: bytes) -> bytes:
    return derive_key(secret, "address under the session's secret")


def _idle_since(run: Runtime, now: int) -> int:
    return now - run.settings.session_idle_seconds * SECOND
