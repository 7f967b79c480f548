"""An issuer's keys, fetched when first needed and kept through its bad days (OpenID Connect Core 1.0, 10.1.1)."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from tollhouse.access.errors import IssuerUnavailable, TokenInvalid
from tollhouse.access.issuers import Issuer
from tollhouse.access.jwks_documents import KeyDocument
from tollhouse.access.jwks_shared import SharedDocuments
from tollhouse.access.keysets import DOCUMENT_BYTES_MAX, KeySetInvalid, VerificationKey
from tollhouse.outbound import Outbound, OutboundError, OutboundLimits
from tollhouse.telemetry import metrics

log = structlog.get_logger()

USABLE_SECONDS: Final = 24 * 3600.0  # after the issuer last told its keys they serve no longer, whatever is wrong
COOL_DOWN_SECONDS: Final = 60.0  # between two questions for a key that we do not know
BACKOFF_SECONDS: Final = 10.0  # after a failure; twice as much after the next
BACKOFF_SECONDS_MAX: Final = 60.0
BACKOFF_SECONDS_MAX_EMPTY: Final = 30.0  # while there are no keys at all, and so nobody is let in
SERVES_BEHIND_MAX: Final = 2.0  # times its freshness: so old, a document serves while the next is fetched, no older
WAIT_SECONDS_MAX: Final = 5.0  # of one request, for keys
LIMITS: Final = OutboundLimits(total_seconds=4.0, connect_seconds=1.5, body_bytes_max=DOCUMENT_BYTES_MAX)
ACCEPT: Final = "application/jwk-set+json, application/json"
EARLIER_MAX: Final = 0.2  # of the freshness, by which a replica asks before the others
SAME_SECONDS: Final = 1.0  # what was put there comes back with its age by another clock
NEVER: Final = -math.inf


@dataclass(frozen=True, slots=True)
class Held:
    """A document with when it was asked for, by the client's clock."""

    document: KeyDocument
    asked_at: float


class JwksClient:
    """The keys of one issuer, of no other, and never more of them than its newest good document holds.

    - The first question fetches; all that wait meanwhile wait for the same fetch, at most 5 s.
    - A document past its freshness serves on while one task fetches the next, for as long again. An older one waits
      for that fetch: on a server where nobody called for hours, a key may be taken back and nobody here know.
    - A fetch that fails, or brings what is no key set, changes nothing: the keys serve for 24 h after the last success.
    - A `kid` that is not known starts one fetch a minute at most, whatever kids come. Which ones came is not
      remembered: there is nothing to fill, and nothing that could push a good key out (CVE-2026-48524).

    It is made anywhere and used in one event loop at a time; after `close` it can be used again, in another one.
    """

    def __init__(
        self,
        issuer: Issuer,
        *,
        outbound: Outbound | None = None,
        shared: SharedDocuments | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take whose keys; `shared` asks the other replicas first, `clock` is monotonic, in seconds."""
        self._issuer = issuer
        self._outbound = outbound or Outbound(issuer.reach, limits=LIMITS)
        self._shared = shared
        self._clock = clock
        self.on_removed: tuple[Callable[[], None], ...] = ()  # called when a key is gone: nothing it signed counts
        # Replicas that share a document would find it stale, and ask, all in the same moment: so each has its own.
        self._patience = 1.0 if shared is None else 1.0 - EARLIER_MAX * secrets.randbelow(1000) / 1000
        self._held: Held | None = None
        self._asked_at = NEVER  # when the issuer was last asked, be it in vain
        self._retry_at = NEVER
        self._failures = 0
        self._flight: asyncio.Task[None] | None = None

    def peek(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return the key from memory, or None; called in the event loop, where it starts a refresh that is due.

        None as well for a key that is there but too old to be used before the issuer is asked: `find` waits for that.
        """
        held = self._usable()
        if held is None:
            return None
        key = held.document.keys.find(kid, algorithm)
        age_seconds, fresh_seconds = self._clock() - held.asked_at, held.document.fresh_seconds
        if age_seconds >= fresh_seconds * self._patience and self._may_refresh():
            self._start(past_caches=key is None)
        too_old = age_seconds >= fresh_seconds * SERVES_BEHIND_MAX
        return None if too_old and not self._failed_lately() else key

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key, after a fetch where it takes one.

        Raises `TokenInvalid` when the issuer's keys are known and this is none of them, `IssuerUnavailable` when no
        keys can be had, or the issuer could not be asked for this one.
        """
        give_up_at = time.monotonic() + WAIT_SECONDS_MAX
        while (key := self.peek(kid, algorithm)) is None:
            flight = self._in_flight() or (self._start(past_caches=True) if self._may_ask() else None)
            if flight is None:
                raise self._refusal()
            patience_seconds = give_up_at - time.monotonic()
            if patience_seconds > 0:
                await asyncio.wait({flight}, timeout=patience_seconds)  # leaves it alone when this request goes away
            if patience_seconds <= 0 or flight.cancelled():  # which `close` did: nothing is started behind its back
                raise IssuerUnavailable(retry_after_seconds=1)
        return key

    async def close(self) -> None:
        """Give up a fetch that is under way and forget the keys; the next question starts anew."""
        flight, held = self._in_flight(), self._held
        self._flight = self._held = None
        self._asked_at = self._retry_at = NEVER
        self._failures = 0
        if held is not None:
            metrics.jwks_age.remove(self._issuer.name)
            self._tell_removed()
        if flight is not None:
            flight.cancel()
            await asyncio.wait({flight})

    def _refusal(self) -> TokenInvalid | IssuerUnavailable:
        if self._usable() is not None and not self._failures:
            return TokenInvalid(reason="key_unknown")
        # The key may be a new one: called bad, its token would be thrown away for an outage that is not its fault.
        return IssuerUnavailable(retry_after_seconds=math.ceil(max(self._retry_at - self._clock(), 1.0)))

    def _usable(self) -> Held | None:
        held = self._held
        return held if held is not None and self._clock() < held.asked_at + USABLE_SECONDS else None

    def _may_refresh(self) -> bool:
        return self._in_flight() is None and self._clock() >= self._retry_at

    def _failed_lately(self) -> bool:
        """Whether the issuer was asked in vain just now: while it hangs, no request of a busy server waits for it."""
        return self._clock() < self._retry_at + BACKOFF_SECONDS_MAX

    def _may_ask(self) -> bool:
        """Whether a key that is not known is reason to ask now; without any keys, or any answer, every one is."""
        answered = self._usable() is not None and not self._failures
        cooled_down = self._clock() >= self._asked_at + COOL_DOWN_SECONDS
        return (cooled_down or not answered) and self._may_refresh()

    def _in_flight(self) -> asyncio.Task[None] | None:
        flight = self._flight
        if flight is None or flight.done() or flight.get_loop() is not asyncio.get_running_loop():
            return None  # one of a loop that has ended would never land
        return flight

    def _start(self, *, past_caches: bool) -> asyncio.Task[None]:
        refresh = self._refresh(past_caches=past_caches)
        self._flight = asyncio.get_running_loop().create_task(refresh, name=f"jwks {self._issuer.name}")
        return self._flight

    async def _refresh(self, *, past_caches: bool) -> None:
        """Take the newest document from another replica or the issuer; leave what is held where that fails."""
        try:
            if not await self._take_shared():
                await self._fetch(past_caches=past_caches)
        except OutboundError as error:
            self._note_failure(error.reason)
        except KeySetInvalid as error:
            self._note_failure(error.detail)
        except Exception:
            # A document nobody foresaw must not end the refreshing, for then old keys would serve without a word.
            log.exception("jwks_fetch_broken", issuer=self._issuer.name)
            self._note_failure("unexpected")

    async def _take_shared(self) -> bool:
        """Whether another replica has a document that is newer than what is held."""
        found = await self._shared.get(self._issuer) if self._shared is not None else None
        if found is None:
            return False
        asked_at = self._clock() - max(found.age_seconds, 0.0)
        if self._held is not None and asked_at <= self._held.asked_at + SAME_SECONDS:
            return False
        self._asked_at = max(self._asked_at, asked_at)
        self._keep(Held(found.document, asked_at), outcome="shared")
        return True

    async def _fetch(self, *, past_caches: bool) -> None:
        self._asked_at = self._clock()
        held = self._held.document if self._held is not None else None
        headers = {"accept": ACCEPT}
        if held is not None and past_caches:
            headers["cache-control"] = "no-cache"  # a CDN would tell the old keys until its copy is stale (RFC 9111)
        if held is not None and held.etag is not None:
            headers["if-none-match"] = held.etag
        reply = await self._outbound.request("GET", self._issuer.jwks_url, headers=headers)
        document = KeyDocument.read(reply, held)
        self._keep(Held(document, self._asked_at), outcome="unchanged" if reply.status == 304 else "fetched")
        if self._shared is not None:
            await self._shared.put(self._issuer, document)

    def _keep(self, held: Held, *, outcome: str) -> None:
        known, self._held = self._held, held
        self._failures, self._retry_at = 0, NEVER
        name = self._issuer.name
        metrics.jwks_fetches.labels(issuer=name, outcome=outcome).inc()
        metrics.jwks_age.labels(issuer=name).set_function(self._age_seconds)
        found = held.document.keys
        passed_over = "; ".join(found.passed_over) or None
        log.info("jwks_fetched", issuer=name, outcome=outcome, keys=len(found.keys), passed_over=passed_over)
        if known is not None and any(key not in found.keys for key in known.document.keys.keys):
            self._tell_removed()

    def _tell_removed(self) -> None:
        for forget in self.on_removed:
            forget()

    def _note_failure(self, reason: str) -> None:
        longest_seconds = BACKOFF_SECONDS_MAX if self._usable() is not None else BACKOFF_SECONDS_MAX_EMPTY
        wait_seconds = min(BACKOFF_SECONDS * 2**self._failures, longest_seconds)
        self._failures = min(self._failures + 1, 16)
        self._retry_at = self._clock() + wait_seconds
        name = self._issuer.name
        metrics.jwks_fetches.labels(issuer=name, outcome="failed").inc()
        log.warning("jwks_fetch_failed", issuer=name, reason=reason, retry_seconds=wait_seconds)

    def _age_seconds(self) -> float:
        return self._clock() - self._held.asked_at if self._held is not None else math.nan
