"""Bearer tokens: from the text in a header to the caller it proves."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import structlog
from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.requests import Request

from tollhouse.access import claims as claim_rules
from tollhouse.access import jws
from tollhouse.access.bearer import read_token, reply_error
from tollhouse.access.callers import Caller
from tollhouse.access.dependencies import CallerDependency
from tollhouse.access.errors import TokenInvalid, TokenRevoked
from tollhouse.access.issuers import Issuer, problems_among
from tollhouse.access.jwks import JwksClient
from tollhouse.access.key_sources import KeySource
from tollhouse.access.memory import Entry, Memory
from tollhouse.clock import MINUTE, SECOND, Clock
from tollhouse.errors import SettingsError, TollhouseError
from tollhouse.telemetry import metrics

log = structlog.get_logger()

ASKED_AGAIN_US: Final = 2 * SECOND  # how long a revoked token of ours may still pass, at most
VERIFIED_AGAIN_US: Final = 5 * MINUTE  # how long one of another issuer's may outlive the key that signed it
UNKNOWN: Final = "unknown"


class WallClock(Clock):
    """This machine's own time, for where no database tells it."""

    def now_us(self) -> int:
        """Microseconds since 1970-01-01 UTC; a correction of the machine's clock counts at once."""
        return time.time_ns() // 1000 + self._advanced_us


@dataclass(frozen=True, slots=True)
class Trusted:
    """An issuer with its keys; `still_good` says whether what stands behind a verified token still goes on."""

    issuer: Issuer
    keys: KeySource
    still_good: Callable[[Caller], Awaitable[bool]] | None = None

    @classmethod
    def fetching(cls, issuer: Issuer) -> Trusted:
        """Trust an issuer by the keys it publishes."""
        return cls(issuer, JwksClient(issuer))


class Verifier:
    """Who calls, by tokens of these issuers; `Depends(verifier.caller)` in a FastAPI application.

    Everything about a token is decided by the issuer that it names: its keys, its algorithms, its conditions.
    """

    def __init__(
        self, issuers: Sequence[Issuer] = (), *, trusted: Sequence[Trusted] = (), clock: Clock | None = None
    ) -> None:
        """Verify by the keys that issuers publish, and by those of `trusted`, which come from anywhere.

        Keys are fetched when a token first needs them. Raises `SettingsError` for issuers that cannot be trusted as
        they are. Without a database of ours to ask, revocation counts when a token expires.
        """
        problems = list(problems_among([*issuers, *(each.issuer for each in trusted)]))
        if problems:
            raise SettingsError(problems)
        everyone = [*map(Trusted.fetching, issuers), *trusted]
        self._trusted = {each.issuer.issuer: each for each in everyone}
        self._clock = clock or WallClock()
        self._memory = Memory()
        for each in everyone:
            each.keys.on_removed += (self.forget_all,)
        self.caller = CallerDependency(self.authenticate)

    @classmethod
    def of(cls, trusted: Sequence[Trusted], *, clock: Clock | None = None) -> Verifier:
        """Verify by keys from anywhere."""
        return cls(trusted=trusted, clock=clock)

    async def authenticate(self, request: Request) -> Caller:
        """Return who calls, by the `Authorization` header alone; raise `BearerError` or `IssuerUnavailable`."""
        return await self.verify(read_token(request.scope["headers"]))

    def scope(self, scope: str) -> CallerDependency:
        """Return a dependency like `caller` that raises `ScopeMissing` (403) for whoever lacks the scope."""
        return CallerDependency(self.authenticate, scopes=(scope,))

    def remembered(self, token: str) -> Caller | None:
        """Return whose token it is, if that is known without asking anybody."""
        entry = self._memory.get(Memory.key_of(token))
        if entry is None or self._clock.now_us() >= entry.fresh_until_us:
            return None
        count(entry.issuer_name, "remembered").inc()
        return entry.caller

    async def verify(self, token: str) -> Caller:
        """Return who is proved by a token.

        Raises `TokenExpired`, `TokenRevoked`, `TokenInvalid` for every other fault (which one is in the log only),
        `IssuerUnavailable` where its keys cannot be had, and `DatabaseUnavailable` where ours cannot be asked.
        """
        return self.remembered(token) or await self._prove(token)

    async def _prove(self, token: str) -> Caller:
        key, generation = Memory.key_of(token), self._memory.generation
        entry = self._memory.get(key)
        name = entry.issuer_name if entry is not None else UNKNOWN
        try:
            if entry is None or entry.still_good is None or self._clock.now_us() >= entry.ends_us:
                unverified = jws.parse(token)
                claims = claim_rules.parse(unverified.payload)
                trusted = self._trusted_by(claims)
                name = trusted.issuer.name
                entry = await self._check(trusted, unverified, claims)
            await self._ask(entry)
        except TollhouseError as error:
            count(name, error.code).inc()
            if isinstance(error, TokenInvalid):
                self._memory.forget(key)
                log.info("token_refused", issuer=name, code=error.code, reason=error.reason)
            raise
        self._memory.keep(key, entry, generation=generation)
        count(name, "accepted").inc()
        return entry.caller

    def _trusted_by(self, claims: dict[str, Any]) -> Trusted:
        issuer = claims.get("iss")
        trusted = self._trusted.get(issuer) if isinstance(issuer, str) else None
        if trusted is None:
            raise TokenInvalid(reason="issuer_unknown")
        return trusted

    async def _check(self, trusted: Trusted, unverified: jws.Unverified, claims: dict[str, Any]) -> Entry:
        issuer, header = trusted.issuer, unverified.header
        if header.algorithm not in issuer.algorithms:
            raise TokenInvalid(reason="algorithm_refused")
        claim_rules.check_type(header.typ, issuer)
        key = trusted.keys.peek(header.kid, header.algorithm)
        if key is None:
            key = await trusted.keys.find(header.kid, header.algorithm)
        # Nothing that the claims say counts before this line, and whether they have expired is told after it only.
        jws.verify(unverified, key)
        now_us = self._clock.now_us()
        ends_us = claim_rules.check(claims, issuer, now_us=now_us)
        caller = claim_rules.caller_of(claims, issuer)
        return Entry(caller, issuer.name, ends_us, min(ends_us, now_us + VERIFIED_AGAIN_US), trusted.still_good)

    async def _ask(self, entry: Entry) -> None:
        if entry.still_good is None:
            return
        asked_us = self._clock.now_us()  # before the answer, which may be old when it comes
        if not await entry.still_good(entry.caller):
            raise TokenRevoked(reason="revoked")
        entry.fresh_until_us = min(entry.ends_us, asked_us + ASKED_AGAIN_US)

    def forget_all(self) -> None:
        """Remember no token: a key is gone, say, and what it signed is to be refused."""
        self._memory.forget_all()

    async def close(self) -> None:
        """Let go of connections."""
        for trusted in self._trusted.values():
            await trusted.keys.close()

    def install(self, app: Starlette) -> None:
        """Answer refusals as problem details with their `WWW-Authenticate`, and close when the application stops.

        For an application without Tollhouse, whose `install` does the same.
        """
        app.add_exception_handler(TollhouseError, reply_error)
        hosts = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(host: Any) -> AsyncGenerator[Any]:
            try:
                async with hosts(host) as state:
                    yield state
            finally:
                await self.close()

        app.router.lifespan_context = lifespan


@lru_cache(maxsize=256)
def count(issuer: str, outcome: str) -> Counter:
    """Return the counter of one issuer and outcome."""
    return metrics.tokens.labels(issuer=issuer, outcome=outcome)
