"""OIDC clients: the apps that sign people in through us, from the settings and from the table."""

from __future__ import annotations

import hmac
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import Integer, Text, bindparam, delete, exists, insert, literal, or_, select

from tollhouse.access.redirect_uris import is_on_this_machine, redirect_uri_problem, without_port
from tollhouse.access.tables import clients as table
from tollhouse.access.tables import grants
from tollhouse.clock import SECOND
from tollhouse.db import Statement, Transaction
from tollhouse.errors import RequestError
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.settings_checks import is_guessable
from tollhouse.settings_structures import ClientSettings
from tollhouse.signing.tokens import create_id, create_token, digest

log = structlog.get_logger()

CACHED_US: Final = 5 * SECOND
SECRET_PREFIX: Final = "th_cs_"  # noqa: S105 (the prefix that secret scanners know ours by)
STANDARD_SCOPES: Final = ("openid", "email", "profile", "offline_access")
SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,100}")  # RFC 6749 3.3
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

    @property
    def is_of_settings(self) -> bool:
        """Whether it stands in the settings, and so in no row."""
        return self.created_at is None

    def may_return_to(self, uri: str) -> bool:
        """Whether a sign-in may lead there: as text (RFC 9700, 2.1), but for the port of an app without a secret."""
        if uri in self.redirect_uris:
            return True
        free = without_port(uri) if self.is_public else None
        return free is not None and free in map(without_port, self.redirect_uris)

    def wants_consent(self, redirect_uri: str) -> bool:
        """Whether the person is asked: also for ours, where another program could say that it is it (RFC 8252, 8.6)."""
        return not self.first_party or (self.is_public and is_on_this_machine(redirect_uri))

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


def still_registered(*, locked: bool = False) -> Any:
    """Return the condition that `of_client` has its row still, where it is not `of_settings` (1 or 0).

    Other replicas know a client that was removed for some seconds more. `locked` keeps its row until the end of the
    transaction, so that it is not removed meanwhile.
    """
    row = select(literal(1)).where(table.c.id == bindparam("of_client", type_=Text))
    if locked:
        row = row.with_for_update(read=True, key_share=True)
    return or_(bindparam("of_settings", type_=Integer) == 1, exists(row))


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
        until, client = self._remembered.get(client_id, (0, None))
        if client is not None and self._run.now_us < until:
            return client
        return await self._find_anew(client_id)

    async def is_gone(self, client: Client) -> bool:
        """Whether a client was removed since it was found; then it is forgotten too."""
        return not client.is_of_settings and await self._find_anew(client.id) is None

    async def _find_anew(self, client_id: str) -> Client | None:
        now = self._run.now_us
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
        problems = [*problems_of(each)]
        # What stands in a guide or an example is known to everybody; on one's own machine that does no harm.
        if settings.mode != "dev" and each.secret is not None and is_guessable(each.secret):
            problems.append("The secret looks guessable: make one with `openssl rand -hex 32`.")
        for problem in problems:
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
