"""Key documents that replicas share through Valkey, so that ten of them ask an issuer once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final, TypeVar

import structlog

from tollhouse.access.issuers import Issuer
from tollhouse.access.jwks_documents import FRESH_SECONDS_MAX, FRESH_SECONDS_MIN, KeyDocument
from tollhouse.access.keysets import DOCUMENT_BYTES_MAX, KeySet, KeySetInvalid
from tollhouse.errors import SettingsError
from tollhouse.signing.keyring import Keyring
from tollhouse.signing.sealing import SealBroken

log = structlog.get_logger()

TIMEOUT_SECONDS: Final = 0.5
ALONE_SECONDS: Final = 5.0  # for so long nobody waits for a Valkey that did not answer
CLOCK_SKEW_SECONDS: Final = 60.0  # between two replicas
SEALED_BYTES_MAX: Final = 2 * DOCUMENT_BYTES_MAX + 4096  # quotation marks are escaped inside JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SharedDocument:
    """A document that a replica fetched so many seconds ago."""

    document: KeyDocument
    age_seconds: float


class SharedDocuments:
    """What replicas fetched, sealed: whoever can write to Valkey can take documents away, but never put keys in.

    An old document put back is refused as soon as it is no longer fresh. A Valkey that is dead, frozen or full of
    other things is as none.
    """

    def __init__(self, redis_url: str, keys: Keyring, *, now: Callable[[], float] = time.time) -> None:
        """Take the URL, what seals, and the wall clock in seconds; nothing is connected yet."""
        self._client = _make_client(redis_url)
        self._keys = keys
        self._now = now
        self._alone_until = 0.0  # by the monotonic clock

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()

    async def get(self, issuer: Issuer) -> SharedDocument | None:
        """Return the newest document of an issuer, while it is fresh, or None."""
        context = _context_of(issuer)
        sealed = await self._ask(lambda: self._client.getrange(_name_of(context), 0, SEALED_BYTES_MAX))
        if not sealed:
            return None
        try:
            found = _unpack(self._keys.open_shared(sealed, context=context), now=self._now())
        except (SealBroken, KeySetInvalid, ValueError, KeyError, TypeError) as error:
            log.warning("shared_jwks_refused", issuer=issuer.name, error=type(error).__name__)
            return None
        fresh = -CLOCK_SKEW_SECONDS <= found.age_seconds < found.document.fresh_seconds
        return found if fresh else None

    async def put(self, issuer: Issuer, document: KeyDocument) -> None:
        """Leave a document that was fetched just now, for as long as it is fresh."""
        context = _context_of(issuer)
        sealed = self._keys.seal_shared(_pack(document, now=self._now()), context=context)
        milliseconds = round(document.fresh_seconds * 1000)
        await self._ask(lambda: self._client.set(_name_of(context), sealed, px=milliseconds))

    async def _ask(self, question: Callable[[], Awaitable[T]]) -> T | None:
        """Return the answer, or None where there is none in time."""
        if time.monotonic() < self._alone_until:
            return None
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await question()
        except Exception as error:  # noqa: BLE001 (whatever the client library raises means the same here)
            self._alone_until = time.monotonic() + ALONE_SECONDS
            log.warning("shared_jwks_unavailable", error=type(error).__name__, alone_seconds=ALONE_SECONDS)
            return None


def _make_client(url: str) -> Any:
    try:
        client = import_module("valkey.asyncio")  # optional, and its options carry no types
    except ImportError:
        raise SettingsError(
            ["TOLLHOUSE_REDIS_URL is set, but the client is missing: `pip install tollhouse[redis]`, or unset it."]
        ) from None
    return client.Valkey.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)


def _context_of(issuer: Issuer) -> str:
    """Return what a document is sealed for: one issuer's can never be opened as another's."""
    return json.dumps(["jwks", issuer.issuer, issuer.jwks_url])


def _name_of(context: str) -> str:
    return f"tollhouse:jwks:{hashlib.sha256(context.encode()).hexdigest()[:32]}"


def _pack(document: KeyDocument, *, now: float) -> bytes:
    packed = {
        "fetched_at": now,
        "fresh_seconds": document.fresh_seconds,
        "etag": document.etag,
        "body": document.body.decode(),
    }
    return json.dumps(packed).encode()


def _unpack(packed: bytes, *, now: float) -> SharedDocument:
    values: dict[str, Any] = json.loads(packed)
    body = str(values["body"]).encode()
    fresh_seconds = min(max(float(values["fresh_seconds"]), FRESH_SECONDS_MIN), FRESH_SECONDS_MAX)
    document = KeyDocument(body, KeySet.parse(body), values["etag"], fresh_seconds)
    return SharedDocument(document, now - float(values["fetched_at"]))
