"""OIDC clients: the apps that sign people in through us, from the settings and from the table."""

from __future__ import annotations

import hmac
import ipaddress
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

import structlog
from sqlalchemy import bindparam, delete, insert, select

from tollhouse.access.tables import clients as table
from tollhouse.access.tables import grants
from tollhouse.clock import SECOND
from tollhouse.db import Statement, Transaction
from tollhouse.errors import RequestError
from tollhouse.identity.redirects import PLAIN, has_dot_segments
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.settings_checks import origin_problem
from tollhouse.settings_structures import ClientSettings
from tollhouse.signing.tokens import create_id, create_token, digest

log = structlog.get_logger()

CACHED_US: Final = 5 * SECOND
SECRET_PREFIX: Final = "th_cs_"  # noqa: S105 (the prefix that secret scanners know ours by)
STANDARD_SCOPES: Final = ("openid", "email", "profile", "offline_access")
SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,100}")  # RFC 6749 3.3
URI_LENGTH_MAX: Final = 500
NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
ID: Final = re.compile(r"[a-z0-9._-]{1,64}")


class ClientInvalid(RequestError):
    """This client cannot be registered."""

    code = "client_invalid"
    status = 422


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client."""

    id: str
    name: str
    secret_hash: bytes | None  # none: a public client
    redirect_uris: tuple[str, ...]
    sign_out_uris: tuple[str, ...]
    scopes: tuple[str, ...]  # of the operator's own API
    first_party: bool
    refresh_grace_seconds: int
    created_at: int | None = None  # none: it stands in the settings

    @property
    def is_public(self) -> bool:
        """Whether it keeps no secret, as an app in a browser or on a phone cannot."""
        return self.secret_hash is None

    def knows(self, secret: str) -> bool:
        """Whether this is its secret; takes as long for a wrong one."""
        return self.secret_hash is not None and hmac.compare_digest(hash_secret(secret), self.secret_hash)


def hash_secret(secret: str) -> bytes:
    """Return what a client's secret is known by."""
    return digest(secret.encode())


def _of_row(*values: object) -> Client:
    """Return the client of a row, in the order of `COLUMNS`."""
    row = dict(zip(COLUMNS, values, strict=True))
    for name in ("redirect_uris", "sign_out_uris", "scopes"):
        row[name] = tuple(json.loads(str(row[name])))
    return Client(**{**row, "first_party": bool(row["first_party"])})  # pyright: ignore[reportArgumentType]


COLUMNS: Final = tuple(Client.__dataclass_fields__)
_columns = tuple(table.c[name] for name in COLUMNS)
FIND: Final = Statement(select(*_columns).where(table.c.id == bindparam("client_id")), _of_row)
ALL: Final = Statement(select(*_columns).order_by(table.c.created_at), _of_row)
ADD: Final = Statement(insert(table).values({name: bindparam(name) for name in COLUMNS}), str)
REMOVE: Final = Statement(delete(table).where(table.c.id == bindparam("client_id")), str)
REMOVE_GRANTS: Final = Statement(delete(grants).where(grants.c.client_id == bindparam("client_id")), str)


class Clients:
    """Finds clients, and remembers those of the table for some seconds."""

    def __init__(self, run: Runtime) -> None:
        """Take those of the settings."""
        self._run = run
        self._configured = {each.id: of_settings(each) for each in run.settings.clients}
        self._remembered: dict[str, tuple[int, Client]] = {}  # known ones only, or strangers could fill it

    async def find(self, client_id: str) -> Client | None:
        """Return the client of this id, or None; one that was removed is known for five seconds more."""
        configured = self._configured.get(client_id)
        if configured is not None or not ID.fullmatch(client_id):
            return configured
        now = self._run.now_us
        until, client = self._remembered.get(client_id, (0, None))
        if client is not None and now < until:
            return client
        client = await self._run.db.fetch_one(FIND, client_id=client_id)
        if client is None:
            self._remembered.pop(client_id, None)
        else:
            self._remembered[client_id] = (now + CACHED_US, client)
        return client


def of_settings(given: ClientSettings) -> Client:
    """Return the client that stands in the settings."""
    return Client(
        given.id,
        given.name,
        None if given.secret is None else hash_secret(given.secret),
        given.redirect_uris,
        given.sign_out_uris,
        given.scopes,
        given.first_party,
        given.refresh_grace_seconds,
    )


async def add(run: Runtime, wanted: ClientSettings, *, public: bool) -> tuple[Client, str | None]:
    """Register a client under an id and a secret of our making; return both, the secret for the only time.

    `wanted.id` is ignored. Raises `ClientInvalid` with all that is wrong.
    """
    now = run.now_us
    secret = None if public else SECRET_PREFIX + create_token()
    client_id = create_id("cli", now)
    named = wanted.model_copy(update={"id": client_id, "secret": secret})
    problems = list(problems_of(named))
    if problems:
        raise ClientInvalid(" ".join(problems))
    client = of_settings(named)
    row = {name: getattr(client, name) for name in COLUMNS}
    lists = {name: json.dumps(row[name]) for name in ("redirect_uris", "sign_out_uris", "scopes")}
    await run.db.write(ADD, **row | lists | {"first_party": int(client.first_party), "created_at": now})
    log.info("client_added", client_id=client_id, public=public)
    return client, secret


async def list_of(run: Runtime) -> list[Client]:
    """Return every client: those of the settings, then those of the table, the oldest first."""
    return [*map(of_settings, run.settings.clients), *await run.db.fetch_all(ALL)]


async def remove(run: Runtime, client_id: str) -> bool:
    """Remove a client of the table with all that it was granted; return whether there was one."""

    async def work(tx: Transaction) -> bool:
        removed = await tx.execute(REMOVE, client_id=client_id)
        if removed:
            await tx.execute(REMOVE_GRANTS, client_id=client_id)
        return bool(removed)

    removed = await run.db.transact(work)
    log.info("client_removed", client_id=client_id, changed=removed)
    return removed


def client_problems(settings: Settings) -> Iterator[str]:
    """Say what is wrong with `[[clients]]` of the settings, for the boot."""
    for client_id, count in Counter(each.id for each in settings.clients).items():
        if count > 1:
            yield f"TOLLHOUSE_CLIENTS: two clients have the id {client_id!r}: rename one."
    for each in settings.clients:
        for problem in problems_of(each):
            yield f"TOLLHOUSE_CLIENTS ({each.id}): {problem}"


def problems_of(client: ClientSettings) -> Iterator[str]:
    """Say what is wrong with a client."""
    if not client.redirect_uris:
        yield "Give a redirect URI."
    for uri in (*client.redirect_uris, *client.sign_out_uris):
        problem = redirect_uri_problem(uri)
        if problem:
            yield problem
    for scope in client.scopes:
        if not SCOPE.fullmatch(scope) or scope in STANDARD_SCOPES:
            yield f"The scope {scope!r} cannot be one of your API: use ASCII without spaces, and none of OpenID's own."
    if client.scopes and not client.first_party:
        yield "A client of somebody else's has no scopes of your API: its tokens say who somebody is, and open nothing."
    if client.refresh_grace_seconds and client.secret is None:
        yield "A public client has no refresh grace: whoever stole its last token could use it as well. Set it to 0."


def redirect_uri_problem(uri: str) -> str | None:
    """Say why nobody may be sent to an address after a sign-in, or None if it is a safe one.

    Later it is compared as text and nothing else (RFC 9700 2.1), so it must be one that every parser reads alike.
    """
    if len(uri) > URI_LENGTH_MAX or not PLAIN.fullmatch(uri):
        return f"A redirect URI is longer than {URI_LENGTH_MAX} characters, or not plain ASCII."
    if "@" in uri.partition("?")[0]:  # not quoted, for what stands before it may be a password
        return "A redirect URI holds a user, a password or another `@` in its path."
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{uri!r} is no URL. Write it like https://app.example.com/callback"
    return _host_problem(uri, parts) or _shape_problem(uri, parts)


def _host_problem(uri: str, parts: SplitResult) -> str | None:
    if _is_odd_number(parts.hostname or ""):
        return f"{uri!r} names a machine by a number in an odd way, which browsers read as another one or as none."
    return origin_problem("A redirect URI", f"{parts.scheme}://{parts.netloc}")


def _shape_problem(uri: str, parts: SplitResult) -> str | None:
    if "#" in uri or "*" in uri or has_dot_segments(uri) or not uri.startswith(f"{parts.scheme}://"):
        return f"{uri!r} holds a fragment, a wildcard or dot segments. Write one exact address for each page."
    return None


def _is_odd_number(host: str) -> bool:
    """Whether browsers take a host for an IPv4 address that is not written like one: `0x7f.1`, `2130706433`."""
    if not NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False
