"""Tokens of our own that come back to us, alive or not: proved by who signed them, or only read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollhouse.access import claims, jws
from tollhouse.access.access import Access
from tollhouse.access.access_tokens import ACCESS_TOKEN, ID_TOKEN
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.jws import Unverified
from tollhouse.access.signing_key import ACCESS, ID


async def read_id_token(access: Access, token: str) -> Mapping[str, Any] | None:
    """Return the claims of an ID token of ours, expired or not (OpenID Connect RP-Initiated Logout, 2), else None."""
    return await _read(access, token, typ=ID_TOKEN, algorithm=ID)


async def read_access_token(access: Access, token: str) -> Mapping[str, Any] | None:
    """Return the claims of an access token of ours, expired or not, else None."""
    return await _read(access, token, typ=ACCESS_TOKEN, algorithm=ACCESS)


def claimed_by_id_token(access: Access, token: str) -> Mapping[str, Any] | None:
    """Return what an ID token says that calls itself ours, unproved, or None: its key may be gone, or a forger's.

    Only for what the sender could ask for as well without a token.
    """
    try:
        return _parse(access, token, typ=ID_TOKEN, algorithm=ID)[1]
    except TokenInvalid:
        return None


async def _read(access: Access, token: str, *, typ: str, algorithm: str) -> Mapping[str, Any] | None:
    try:
        parts, found = _parse(access, token, typ=typ, algorithm=algorithm)
        jws.verify(parts, await access.keys.find(parts.header.kid, algorithm))
    except TokenInvalid:
        return None
    return found


def _parse(access: Access, token: str, *, typ: str, algorithm: str) -> tuple[Unverified, Mapping[str, Any]]:
    parts = jws.parse(token)
    if parts.header.typ != typ.lower() or parts.header.algorithm != algorithm:
        raise TokenInvalid(reason="typ_refused")
    found = claims.parse(parts.payload)
    if found.get("iss") != access.run.settings.url:
        raise TokenInvalid(reason="issuer_unknown")
    return parts, found
