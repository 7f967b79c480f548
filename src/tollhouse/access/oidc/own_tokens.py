"""Tokens of our own that come back to us: who signed them is checked, not whether they still live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollhouse.access import claims, jws
from tollhouse.access.access import Access
from tollhouse.access.access_tokens import ACCESS_TOKEN, ID_TOKEN
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.signing_key import ACCESS, ID


async def read_id_token(access: Access, token: str) -> Mapping[str, Any] | None:
    """Return the claims of an ID token of ours, expired or not (OpenID Connect RP-Initiated Logout, 2), else None."""
    return await _read(access, token, typ=ID_TOKEN, algorithm=ID)


async def read_access_token(access: Access, token: str) -> Mapping[str, Any] | None:
    """Return the claims of an access token of ours, expired or not, else None."""
    return await _read(access, token, typ=ACCESS_TOKEN, algorithm=ACCESS)


async def _read(access: Access, token: str, *, typ: str, algorithm: str) -> Mapping[str, Any] | None:
    try:
        parts = jws.parse(token)
        if parts.header.typ != typ.lower() or parts.header.algorithm != algorithm:
            return None
        jws.verify(parts, await access.keys.find(parts.header.kid, algorithm))
        found = claims.parse(parts.payload)
    except TokenInvalid:
        return None
    return found if found.get("iss") == access.run.settings.url else None
