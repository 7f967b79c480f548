"""An issuer's key set as a document: what it holds, and for how long it need not be asked for again."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from tollhouse.access.keysets import KeySet
from tollhouse.outbound import Reply, ReplyRefused

FRESH_SECONDS: Final = 600.0  # where the issuer says nothing
FRESH_SECONDS_MIN: Final = 60.0  # however little it says: every request would wait for it
FRESH_SECONDS_MAX: Final = 3600.0  # however much it says: a key it takes back must not live on here
ETAG_CHARACTERS_MAX: Final = 256

MAX_AGE: Final = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?([0-9]{1,10})"?\s*(?:,|$)', re.ASCII | re.IGNORECASE)
NOT_TO_BE_KEPT: Final = re.compile(r"(?:^|,)\s*no-(?:store|cache)\b", re.ASCII | re.IGNORECASE)
SECONDS: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
ETAG: Final = re.compile(r'(?:W/)?"[!#-~]*"', re.ASCII)


@dataclass(frozen=True, slots=True)
class KeyDocument:
    """A key set as the issuer published it."""

    body: bytes
    keys: KeySet
    etag: str | None
    fresh_seconds: float

    @classmethod
    def read(cls, reply: Reply, held: KeyDocument | None) -> KeyDocument:
        """Return what a reply brings: a new document, or the held one for longer.

        The media type is not asked for: issuers send several. Raises `ReplyRefused` for a status that brings nothing,
        `KeySetInvalid` for a document that is not to be trusted.
        """
        fresh_seconds = read_freshness(reply.headers.get("cache-control", ""), age=reply.headers.get("age", ""))
        if reply.status == 304 and held is not None:
            return replace(held, fresh_seconds=fresh_seconds)
        if reply.status != 200:
            raise ReplyRefused(f"status_{reply.status}")
        etag = reply.headers.get("etag", "")
        known = len(etag) <= ETAG_CHARACTERS_MAX and ETAG.fullmatch(etag) is not None
        return cls(reply.body, KeySet.parse(reply.body), etag if known else None, fresh_seconds)


def read_freshness(cache_control: str, *, age: str = "") -> float:
    """Return for how many seconds a reply is fresh (RFC 9111, 4.2), within our own bounds."""
    found = MAX_AGE.search(cache_control)
    seconds = float(found[1]) if found else FRESH_SECONDS
    if NOT_TO_BE_KEPT.search(cache_control):
        seconds = FRESH_SECONDS_MIN
    elif found and SECONDS.fullmatch(age):
        seconds -= float(age)  # it has lain in a cache on the way
    return min(max(seconds, FRESH_SECONDS_MIN), FRESH_SECONDS_MAX)
