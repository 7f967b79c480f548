"""Signed tokens in compact form (RFC 7515), read in one way only, verified by a key that no token brings along."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from joserfc.jws import JWSRegistry

from tollhouse.access.encodings import EncodingInvalid, decode_base64url, parse_object
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.keysets import ALGORITHMS, KID_LENGTH_MAX, VerificationKey

TOKEN_LENGTH_MAX: Final = 8192
HEADER_LENGTH_MAX: Final = 2048
HEADERS_KEPT: Final = 256
COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)\.([A-Za-z0-9_-]+)")
# What would change how the rest is read (crit, b64, zip, enc), or bring a key along: an issuer of ours sends none of
# them, and refusing a token is easier to reason about than ignoring a part of it (RFC 8725, 3.1, 3.6 and 3.10).
REFUSED_HEADERS: Final = frozenset({"crit", "b64", "zip", "enc", "epk", "jwk", "jku", "x5u", "x5c"})


@dataclass(frozen=True, slots=True)
class Header:
    """What the header says of the token; nothing of it is proved yet."""

    algorithm: str
    kid: str | None
    typ: str | None  # in lower case, without `application/`


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token's parts; nothing of it is proved yet."""

    header: Header
    payload: bytes
    signing_input: bytes
    signature: bytes


def parse(token: str) -> Unverified:
    """Return the parts of a token; raise `TokenInvalid` for whatever is not exactly a compact JWS of at most 8 KiB."""
    if len(token) > TOKEN_LENGTH_MAX:
        raise TokenInvalid(reason="too_long")
    match = COMPACT.fullmatch(token)
    if match is None:  # five parts (JWE), two, JSON, padding, line ends, other alphabets
        raise TokenInvalid(reason="not_compact")
    try:
        header = parse_header(match[1])
        payload = decode_base64url(match[2].encode())
        signature = decode_base64url(match[3].encode())
    except EncodingInvalid:
        raise TokenInvalid(reason="not_canonical") from None
    return Unverified(header, payload, token[: match.end(2)].encode(), signature)


@lru_cache(maxsize=HEADERS_KEPT)  # an issuer's tokens share their header; what raises is not kept
def parse_header(segment: str) -> Header:
    """Return what a header says; raise `TokenInvalid`, or `EncodingInvalid` where it cannot be read."""
    if len(segment) > HEADER_LENGTH_MAX:
        raise TokenInvalid(reason="header_too_long")
    header = parse_object(decode_base64url(segment.encode()))
    if not REFUSED_HEADERS.isdisjoint(header):
        raise TokenInvalid(reason="header_refused")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:  # `none`, in any case, and every symmetric one
        raise TokenInvalid(reason="algorithm_refused")
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= KID_LENGTH_MAX):
        raise TokenInvalid(reason="kid_malformed")
    return Header(algorithm, kid, _type_of(header))


def _type_of(header: dict[str, Any]) -> str | None:
    if "typ" not in header:
        return None
    typ = header["typ"]
    if not isinstance(typ, str):
        raise TokenInvalid(reason="typ_malformed")
    return typ.lower().removeprefix("application/")  # RFC 7515, 4.1.9


def verify(unverified: Unverified, key: VerificationKey) -> None:
    """Return if the key made the signature; raise `TokenInvalid` if not.

    The key says which algorithms it is for, and its owner's issuer which of those it uses; the header must agree.
    """
    algorithm = unverified.header.algorithm
    if algorithm not in key.algorithms:
        raise TokenInvalid(reason="algorithm_refused")
    if not JWSRegistry.algorithms[algorithm].verify(unverified.signing_input, unverified.signature, key.key):
        raise TokenInvalid(reason="signature_wrong")
