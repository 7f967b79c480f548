"""Refresh tokens: each works once and makes the next one; an older one that comes back ends them all.

A token is the grant's id, its generation, 32 secret bytes and a MAC, in base64url. By the MAC any genuine token of
the family is known however old, so its reuse is noticed (RFC 9700, 4.14.2), while made-up ones end nothing.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import bindparam, update

from tollhouse.access import grants
from tollhouse.access.clients import Client
from tollhouse.access.grants import Grant
from tollhouse.access.tables import grants as table
from tollhouse.clock import SECOND
from tollhouse.db import Statement, Transaction
from tollhouse.identity import sessions
from tollhouse.runtime import Runtime
from tollhouse.signing.sealing import derive_key, open_sealed, seal
from tollhouse.signing.tokens import digest

ID_PREFIX: Final = "gra_"
ID_BYTES: Final = 16
GENERATION_BYTES: Final = 4
SECRET_BYTES: Final = 32
MAC_BYTES: Final = 32
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{112}")  # 84 bytes: no spare bits, so one spelling

ROTATE: Final = Statement(
    update(table)
    .where(
        table.c.id == bindparam("grant_id"),
        table.c.refresh_hash == bindparam("old_hash"),
        table.c.expires_at > bindparam("now"),
        grants.session_lives,
        grants.client_stands,
    )
    .values(
        refresh_hash=bindparam("new_hash"),
        refresh_generation=table.c.refresh_generation + 1,
        refreshed_at=bindparam("now"),
        email=bindparam("sealed_email"),
    ),
    str,
)


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A genuine refresh token, alive or not."""

    grant_id: str
    generation: int
    secret: bytes
    raw: bytes

    @property
    def text(self) -> str:
        """The token as its client keeps it."""
        return base64.urlsafe_b64encode(self.raw).decode("ascii")

    @property
    def hash(self) -> bytes:
        """What its grant knows it by."""
        return digest(self.raw)

    def seal(self, email: str) -> bytes:
        """Seal an address so that this token alone opens it."""
        return seal(self._key(), email.encode(), context=self.grant_id)

    def open(self, sealed: bytes) -> str:
        """Open the address; raise `SealBroken` for one that waits for another token."""
        return open_sealed(self._key(), sealed, context=self.grant_id).decode()

    def _key(self) -> bytes:
        return derive_key(self.secret, "address under the refresh token")


def first_of(run: Runtime, grant_id: str) -> RefreshToken:
    """Return a new grant's first token."""
    return _make(run, grant_id, 0, secrets.token_bytes(SECRET_BYTES))


def next_of(run: Runtime, token: RefreshToken) -> RefreshToken:
    """Return the token that follows, the same however often it is asked for.

    It takes both our key and the token before, which we do not keep: the server alone can open no address.
    """
    return _make(run, token.grant_id, token.generation + 1, run.keys.mac_refresh(b"next" + token.raw))


def _make(run: Runtime, grant_id: str, generation: int, secret: bytes) -> RefreshToken:
    of_grant = bytes.fromhex(grant_id.removeprefix(ID_PREFIX))
    said = of_grant + generation.to_bytes(GENERATION_BYTES, "big") + secret
    return RefreshToken(grant_id, generation, secret, said + run.keys.mac_refresh(b"token" + said))


def parse(run: Runtime, text: object) -> RefreshToken | None:
    """Return the token if it is one that we made, whether it still works or not; else None."""
    if not isinstance(text, str) or not TOKEN.fullmatch(text):
        return None
    raw = base64.urlsafe_b64decode(text)
    said, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
    if not hmac.compare_digest(run.keys.mac_refresh(b"token" + said), mac):
        return None
    generation = int.from_bytes(said[ID_BYTES : ID_BYTES + GENERATION_BYTES], "big")
    return RefreshToken(ID_PREFIX + said[:ID_BYTES].hex(), generation, said[-SECRET_BYTES:], raw)


async def rotate(run: Runtime, token: RefreshToken, grant: Grant, client: Client) -> tuple[RefreshToken, str] | None:
    """Return the next token and the address, or None if this one does not work.

    `grant` is the token's and `client` is the grant's. A token that was used before ends the grant, unless the client
    may ask again for a lost reply.
    """
    following = next_of(run, token)
    if grant.refresh_hash == token.hash:
        email = token.open(grant.email or b"")
        if await run.db.transact(_rotate, run, token, following, grant, client, following.seal(email)):
            return following, email
        return await _answer_older(run, following, await _find(run, token), client)  # another one was faster
    return await _answer_older(run, following, grant, client)


async def _rotate(
    tx: Transaction,
    run: Runtime,
    token: RefreshToken,
    following: RefreshToken,
    grant: Grant,
    client: Client,
    sealed: bytes,
) -> bool:
    now = run.now_us
    rotated = await tx.execute(
        ROTATE,
        grant_id=grant.id,
        old_hash=token.hash,
        new_hash=following.hash,
        sealed_email=sealed,
        of_client=client.id,
        of_settings=int(client.is_of_settings),
        now=now,
        idle_since=grants.idle_since(run),
    )
    if rotated:
        await tx.execute(sessions.TOUCH, session_id=grant.session_id, now=now)
    return bool(rotated)


async def _find(run: Runtime, token: RefreshToken) -> Grant | None:
    now = run.now_us
    return await run.db.fetch_one(grants.FIND, grant_id=token.grant_id, now=now, idle_since=grants.idle_since(run))


async def _answer_older(
    run: Runtime, following: RefreshToken, grant: Grant | None, client: Client
) -> tuple[RefreshToken, str] | None:
    """Answer a token that is not the newest: with the one that followed it, if that is unused yet, or by the end."""
    if grant is None or grant.refresh_hash is None or following.generation > grant.refresh_generation:
        return None
    if grant.refresh_hash == following.hash and _may_repeat(run, grant, client):
        return following, following.open(grant.email or b"")
    await grants.end(run, grant.id, because="refresh_token_reused")
    return None


def _may_repeat(run: Runtime, grant: Grant, client: Client) -> bool:
    """Whether a lost reply is given again: to a client that proved by its secret who it is, within its grace."""
    if client.is_public or grant.refreshed_at is None:
        return False
    return run.now_us <= grant.refreshed_at + client.refresh_grace_seconds * SECOND and client.refresh_grace_seconds > 0
