"""Grants: what a person let a client do, within one session; the code that begins one, used once."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import BigInteger, LargeBinary, Text, and_, bindparam, delete, exists, insert, literal, select, update

from tollhouse.access.clients import Client, still_registered
from tollhouse.access.tables import grants as table
from tollhouse.clock import MINUTE, SECOND
from tollhouse.db import Statement, Transaction, some
from tollhouse.identity import sessions
from tollhouse.identity.sessions import Session
from tollhouse.identity.tables import sessions as session_table
from tollhouse.runtime import Runtime
from tollhouse.signing.sealing import derive_key, seal
from tollhouse.signing.tokens import create_id, create_token, digest, secret_of

log = structlog.get_logger()

CODE_LIVES_US: Final = MINUTE  # RFC 6749 4.1.2 allows ten; the client comes for it at once
TOKEN_GRACE_US: Final = MINUTE
OFFLINE: Final = "offline_access"


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as it is stored, with its session's times; in microseconds UTC."""

    id: str
    session_id: str
    user_id: str
    client_id: str
    scope: str
    redirect_uri: str
    nonce: str | None
    code_challenge: str
    code_used_at: int | None
    email: bytes | None
    refresh_hash: bytes | None
    refresh_generation: int
    refreshed_at: int | None
    session_created_at: int
    session_expires_at: int

    @property
    def scopes(self) -> tuple[str, ...]:
        """What was granted."""
        return tuple(self.scope.split())


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client asks to be granted."""

    client: Client
    redirect_uri: str
    scopes: tuple[str, ...]
    nonce: str | None
    code_challenge: str


class Given(NamedTuple):
    """What was granted, and where its code went."""

    redirect_uri: str
    scope: str


_columns = (
    *(table.c[name] for name in Grant.__dataclass_fields__ if name in table.c),
    session_table.c.created_at,
    session_table.c.expires_at,
)
_session_lives = and_(
    session_table.c.id == table.c.session_id,
    session_table.c.expires_at > bindparam("now"),
    session_table.c.seen_at > bindparam("idle_since"),
)
session_lives = exists(select(literal(1)).where(_session_lives))
client_stands = still_registered()
_granted = ("scope", "redirect_uri", "nonce", "code_challenge")
_times = ("code_expires_at", "created_at", "expires_at")
ADD: Final = Statement(
    insert(table).from_select(
        ["session_id", "user_id", "refresh_generation", "id", "client_id", *_granted, "code_hash", "email", *_times],
        select(
            session_table.c.id,
            session_table.c.user_id,
            literal(0),
            bindparam("grant_id", type_=Text),
            bindparam("of_client", type_=Text),
            *(bindparam(name, type_=Text) for name in _granted),
            *(bindparam(name, type_=LargeBinary) for name in ("code_hash", "email")),
            *(bindparam(name, type_=BigInteger) for name in _times),
        )
        # Both rows locked, so that neither goes at this very moment and leaves the grant behind.
        .where(
            session_table.c.id == bindparam("of_session", type_=Text),
            still_registered(locked=True),
        )
        .with_for_update(read=True, key_share=True, of=session_table),
    ),
    str,
)
FIND: Final = Statement(select(*_columns).where(table.c.id == bindparam("grant_id"), _session_lives), Grant)
FIND_BY_CODE: Final = Statement(
    select(*_columns).where(table.c.code_hash == bindparam("code_hash"), session_table.c.id == table.c.session_id),
    Grant,
)
GRANTED: Final = Statement(
    select(table.c.redirect_uri, table.c.scope).where(
        table.c.session_id == bindparam("session_id"),
        table.c.client_id == bindparam("client_id"),
        table.c.expires_at > bindparam("now"),
    ),
    Given,
)
USE_CODE: Final = Statement(
    update(table)
    .where(
        table.c.id == bindparam("grant_id"),
        table.c.code_used_at.is_(None),
        table.c.code_expires_at > bindparam("now"),
        table.c.client_id == bindparam("of_client"),
        table.c.redirect_uri == bindparam("given_redirect_uri"),
        table.c.code_challenge == bindparam("given_challenge"),
        session_lives,
        client_stands,
    )
    .values(
        code_used_at=bindparam("now"),
        email=bindparam("sealed_email"),
        refresh_hash=bindparam("first_refresh_hash"),
        expires_at=bindparam("kept_until"),
    ),
    str,
)
END: Final = Statement(delete(table).where(table.c.id == bindparam("grant_id")), str)
END_OF_CLIENT: Final = Statement(
    delete(table).where(table.c.id == bindparam("grant_id"), table.c.client_id == bindparam("of_client")), str
)
END_IN_SESSION: Final = Statement(
    delete(table).where(table.c.session_id == bindparam("of_session"), table.c.client_id == bindparam("of_client")), str
)
SWEEP: Final = Statement(delete(table).where(*some(table.c.id, table.c.expires_at <= bindparam("now"))), str)


async def create(run: Runtime, session: Session, wanted: Wanted) -> str | None:
    """Write the grant down and return its code, or None if the session has just ended or the client was removed."""
    now = run.now_us
    code = create_token()
    grant_id = create_id("gra", now)
    secret = secret_of(code)
    added = await run.db.write(
        ADD,
        grant_id=grant_id,
        of_session=session.id,
        of_client=wanted.client.id,
        of_settings=int(wanted.client.is_of_settings),
        scope=" ".join(wanted.scopes),
        redirect_uri=wanted.redirect_uri,
        nonce=wanted.nonce,
        code_challenge=wanted.code_challenge,
        code_hash=digest(secret),
        email=seal(code_key(secret), session.email.encode(), context=grant_id),
        code_expires_at=now + CODE_LIVES_US,
        created_at=now,
        expires_at=now + CODE_LIVES_US,
    )
    if not added:
        return None
    log.info("code_issued", client_id=wanted.client.id, grant_id=grant_id, user_id=session.user_id)
    return code


async def covers(run: Runtime, session: Session, client: Client, scopes: tuple[str, ...]) -> bool:
    """Whether the person agreed to this already: a living grant of this session, which they were asked for, says so."""
    granted = await run.db.fetch_all(GRANTED, session_id=session.id, client_id=client.id, now=run.now_us)
    return any(client.wants_consent(uri) and set(scopes) <= set(scope.split()) for uri, scope in granted)


async def use_code(tx: Transaction, run: Runtime, grant: Grant, client: Client, **values: Any) -> bool:
    """Use the code, once, by this client; return whether it was there to be used, and note that its session is."""
    now = run.now_us
    by = {"of_client": client.id, "of_settings": int(client.is_of_settings)}
    used = await tx.execute(USE_CODE, grant_id=grant.id, now=now, idle_since=idle_since(run), **by, **values)
    if used:
        await tx.execute(sessions.TOUCH, session_id=grant.session_id, now=now)
    return bool(used)


async def end(run: Runtime, grant_id: str, *, because: str) -> bool:
    """End a grant, and with it every token that carries it; return whether it was there."""
    ended = bool(await run.db.write(END, grant_id=grant_id))
    log.warning("grant_ended", grant_id=grant_id, reason=because, changed=ended)
    return ended


async def revoke(run: Runtime, grant_id: str, client: Client) -> None:
    """End a grant because its own client asks for it; nothing happens to another client's."""
    ended = await run.db.write(END_OF_CLIENT, grant_id=grant_id, of_client=client.id)
    log.info("grant_revoked", grant_id=grant_id, client_id=client.id, changed=bool(ended))


async def end_in_session(run: Runtime, session_id: str, client: Client) -> None:
    """End what one client was given in a session, and with it every token that carries it; the session goes on."""
    await run.db.write(END_IN_SESSION, of_session=session_id, of_client=client.id)


def kept_until(run: Runtime, grant: Grant, client: Client) -> int:
    """Return how long a grant is kept once its code is used.

    To the end of its session where it can be refreshed or is what remembers the person's consent; else as long as its
    access token lives, or every sign-in would leave a row for months.
    """
    if OFFLINE in grant.scopes or client.wants_consent(grant.redirect_uri):
        return grant.session_expires_at
    lifetime = run.settings.access_token_lifetime_seconds * SECOND
    return min(run.now_us + lifetime + TOKEN_GRACE_US, grant.session_expires_at)


def idle_since(run: Runtime) -> int:
    """Return the time since which a session must have been used to be alive."""
    return run.now_us - run.settings.session_idle_seconds * SECOND


def code_key(secret: bytes) -> bytes:
    """Return the key that an authorization code opens."""
    return derive_key(secret, "address under the authorization code")


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")
