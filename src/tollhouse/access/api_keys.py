"""API keys: a secret for a server of yours, shown once, with scopes, revocable."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import BigInteger, bindparam, insert, or_, select, update

from tollhouse.access.errors import ApiKeyInvalid
from tollhouse.access.tables import api_keys as table
from tollhouse.clock import MINUTE
from tollhouse.db import Statement
from tollhouse.errors import DatabaseUnavailable, RequestError
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.signing.tokens import create_id, create_token, digest, parse_token, secret_of

log = structlog.get_logger()

PREFIX: Final = "th_sk_"
FORM: Final = re.compile(r"th_sk_(?:live|test)_([A-Za-z0-9_-]{43})")
SCOPE: Final = re.compile(r"[a-z0-9][a-z0-9:._/-]{0,63}")
SCOPES_MAX: Final = 50
NAME_LENGTH_MAX: Final = 60
TOUCH_US: Final = MINUTE  # `seen_at` is written at most so often

# When this process last tried to note a key's use: a database that only reads is not asked to write for each request.
_touched: Final = dict[str, int]()


class ApiKeyUnfit(RequestError):
    """An API key needs a name of 1 to 60 characters and scopes such as `credits:spend`."""

    code = "api_key_unfit"
    status = 422


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """An API key as it is stored; times in microseconds UTC, scopes a JSON list."""

    id: str
    name: str
    scopes: str
    created_at: int
    seen_at: int | None
    expires_at: int | None
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A server that calls, and what it may do."""

    id: str
    name: str
    scopes: frozenset[str]


COLUMNS: Final = tuple(table.c[name] for name in ApiKeyRow.__dataclass_fields__)
ADD: Final = Statement(
    insert(table).values(
        {name: bindparam(name) for name in ("id", "name", "secret_hash", "scopes", "created_at", "expires_at")}
    ),
    str,
)
FIND: Final = Statement(
    select(*COLUMNS).where(
        table.c.secret_hash == bindparam("secret_hash"),
        table.c.revoked_at.is_(None),
        or_(table.c.expires_at.is_(None), table.c.expires_at > bindparam("now")),
    ),
    ApiKeyRow,
)
LIST: Final = Statement(select(*COLUMNS).order_by(table.c.created_at, table.c.id), ApiKeyRow)
TOUCH: Final = Statement(
    update(table)
    .where(
        table.c.id == bindparam("key_id"),
        or_(table.c.seen_at.is_(None), table.c.seen_at < bindparam("now", type_=BigInteger) - TOUCH_US),
    )
    .values(seen_at=bindparam("now")),
    str,
)
REVOKE: Final = Statement(
    update(table)
    .where(table.c.id == bindparam("key_id"), table.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now")),
    str,
)


def mode_of(settings: Settings) -> str:
    """Return `live`, or `test` where no real money can move."""
    is_test = settings.mode == "dev" or (settings.stripe_api_key or "").startswith(("sk_test_", "rk_test_"))
    return "test" if is_test else "live"


async def create(
    run: Runtime, *, name: str, scopes: Collection[str], lifetime_us: int | None = None
) -> tuple[str, str]:
    """Make an API key and return `(id, secret)`; the secret is kept nowhere. Raises `ApiKeyUnfit`."""
    wanted = sorted(set(scopes))
    if not 1 <= len(name.strip()) <= NAME_LENGTH_MAX or not name.isprintable():
        raise ApiKeyUnfit
    if not 1 <= len(wanted) <= SCOPES_MAX or not all(SCOPE.fullmatch(scope) for scope in wanted):
        raise ApiKeyUnfit
    now = run.now_us
    token = create_token()
    key_id = create_id("key", now)
    await run.db.write(
        ADD,
        id=key_id,
        name=name.strip(),
        secret_hash=digest(secret_of(token)),
        scopes=json.dumps(wanted),
        created_at=now,
        expires_at=None if lifetime_us is None else now + lifetime_us,
    )
    log.info("api_key_created", api_key_id=key_id, scopes=wanted)
    return key_id, f"{PREFIX}{mode_of(run.settings)}_{token}"


async def authenticate(run: Runtime, secret: str) -> ApiKey:
    """Return the living API key of a secret, by one query, so that revoking counts at once; raise `ApiKeyInvalid`."""
    match = FORM.fullmatch(secret)
    token = parse_token(match[1]) if match else None
    if token is None:
        raise ApiKeyInvalid
    now = run.now_us
    row = await run.db.fetch_one(FIND, secret_hash=digest(token), now=now)
    if row is None:
        raise ApiKeyInvalid
    if max(row.seen_at or 0, _touched.get(row.id, 0)) < now - TOUCH_US:
        _touched[row.id] = now
        await _touch(run, row.id, now)
    return ApiKey(row.id, row.name, frozenset(json.loads(row.scopes)))


async def _touch(run: Runtime, key_id: str, now: int) -> None:
    """Note that a key was used; a database that only reads just now is no reason to turn its owner away."""
    try:
        await run.db.write(TOUCH, key_id=key_id, now=now)
    except DatabaseUnavailable as error:
        log.warning("api_key_use_unwritten", api_key_id=key_id, detail=error.detail)


async def list_of(run: Runtime) -> list[ApiKeyRow]:
    """Return every API key, the oldest first, revoked ones too."""
    return await run.db.fetch_all(LIST)


async def revoke(run: Runtime, key_id: str) -> bool:
    """Refuse a key from its next request on; return whether it was alive."""
    revoked = bool(await run.db.write(REVOKE, key_id=key_id, now=run.now_us))
    log.info("api_key_revoked", api_key_id=key_id, changed=revoked)
    return revoked
