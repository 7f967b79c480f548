"""What the routes of tokens act with, made once when the application starts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog
from sqlalchemy import bindparam, literal, select
from starlette.requests import Request

from tollhouse.access import grants as granted
from tollhouse.access.access_tokens import USERINFO_PATH
from tollhouse.access.callers import Caller
from tollhouse.access.clients import Clients
from tollhouse.access.errors import NobodyCalls
from tollhouse.access.issuers import OWN_SCOPE_CLAIMS, Issuer
from tollhouse.access.jwks import JwksClient
from tollhouse.access.jwks_shared import SharedDocuments
from tollhouse.access.signing_key import ACCESS
from tollhouse.access.signing_keys import SigningKeys
from tollhouse.access.tables import grants
from tollhouse.access.verifier import Trusted, Verifier
from tollhouse.db import Statement
from tollhouse.identity import sessions
from tollhouse.identity.sweep import to_the_end
from tollhouse.identity.web import Web
from tollhouse.pages.csrf import SAFE_METHODS, is_allowed
from tollhouse.pages.edge import CrossSiteRequest
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings

log = structlog.get_logger()

KEYS_SECONDS: Final = 2.0  # so soon every replica knows of a new signing key, and of one that was taken back
OWN_NAME: Final = "tollhouse"
GRANT_ALIVE: Final = Statement(select(literal(1)).where(grants.c.id == bindparam("grant_id")), int)


@dataclass(frozen=True, slots=True)
class Access:
    """The running application's keys, and what it accepts."""

    run: Runtime
    keys: SigningKeys
    verifier: Verifier
    userinfo_verifier: Verifier  # takes the tokens that are good for that and nothing else as well
    clients: Clients
    shared: SharedDocuments | None

    @classmethod
    def of(cls, run: Runtime) -> Access:
        """Make it; nothing is fetched before it is needed."""
        settings = run.settings
        keys = SigningKeys(run)
        own = Trusted(own_issuer(settings), keys, still_good=partial(is_still_good, run))
        at_userinfo = replace(own.issuer, audiences=(*own.issuer.audiences, settings.url + USERINFO_PATH))
        shared = SharedDocuments(settings.redis_url, run.keys) if settings.redis_url and settings.issuers else None
        issuers = [Issuer.parse(each) for each in settings.issuers]
        foreign = [Trusted(issuer, JwksClient(issuer, shared=shared)) for issuer in issuers]
        verifier = Verifier.of([own, *foreign], clock=run.clock)
        userinfo_verifier = Verifier.of([replace(own, issuer=at_userinfo)], clock=run.clock)
        return cls(run, keys, verifier, userinfo_verifier, Clients(run), shared)

    async def find_user(self, request: Request, web: Web) -> Caller:
        """Return who calls, by a bearer token if one is sent, else by the session cookie.

        Raises `BearerError`, `NotSignedIn`, and `CrossSiteRequest` for an unsafe method that relies on the cookie and
        that another site sent.
        """
        if "authorization" in request.headers:  # even a bad one: whoever sends a token does not mean the cookie
            return await self.verifier.authenticate(request)
        if request.method not in SAFE_METHODS and not is_allowed(dict(request.scope["headers"]), web.origins):
            raise CrossSiteRequest
        session = await sessions.find(self.run, web.session_secret_of(request))
        if session is None:
            raise NobodyCalls
        settings = self.run.settings
        scopes = frozenset(str(settings.access_token_claims.get("scope", "")).split())
        return Caller(session.user_id, session.email, settings.url, session.id, scopes)

    async def keep(self) -> None:
        """Rotate signing keys that are due, and delete what nobody can use any more; for the schedule."""
        await self.keys.keep()
        await to_the_end(self.run.db, granted.SWEEP, now=self.run.now_us)

    async def keep_keys(self) -> None:
        """Learn of new signing keys, and of those taken back, until cancelled."""
        while True:
            await asyncio.sleep(KEYS_SECONDS)
            try:
                await self.keys.refresh()
            except Exception as error:  # noqa: BLE001 (whatever it is, the keys from before go on meanwhile)
                log.warning("signing_keys_not_refreshed", error=type(error).__name__)

    async def close(self) -> None:
        """Let go of connections."""
        await self.verifier.close()
        if self.shared is not None:
            await self.shared.close()


def own_issuer(settings: Settings) -> Issuer:
    """Return ourselves as an issuer: one algorithm, no leeway, for all replicas take the time from the database."""
    return Issuer(
        name=OWN_NAME,
        issuer=settings.url,
        jwks_url="",
        audiences=settings.access_token_audiences or (settings.url,),
        algorithms=(ACCESS,),
        scope_claims=OWN_SCOPE_CLAIMS,
        leeway_seconds=0,
        is_own=True,
    )


async def is_still_good(run: Runtime, caller: Caller) -> bool:
    """Whether the session of our own token goes on, and the grant by which a client has it."""
    grant_id = caller.claims.get("grant_id")
    if grant_id is not None and not await run.db.fetch_one(GRANT_ALIVE, grant_id=grant_id):
        return False
    return caller.session_id is not None and await sessions.is_alive(run, caller.session_id)


def access_of(request: Request) -> Access:
    """Return the running application's access."""
    return request.app.state.tollhouse_access
