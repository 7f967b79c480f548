"""Our own tokens: access tokens for APIs (RFC 9068) and ID tokens for clients (OpenID Connect Core, 2)."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tollhouse.access.encodings import parse_object
from tollhouse.access.signing_key import ACCESS, ID
from tollhouse.access.signing_keys import SigningKeys
from tollhouse.clock import SECOND
from tollhouse.pages.replies import encode
from tollhouse.runtime import Runtime
from tollhouse.settings import Settings
from tollhouse.signing.tokens import encode_base64url

ACCESS_TOKEN: Final = "at+jwt"  # noqa: S105 (the `typ` of RFC 9068, 2.1: no ID token passes for one)
ID_TOKEN: Final = "JWT"  # noqa: S105 (the `typ` of every other)
CLAIMS_BYTES_MAX: Final = 2048
USERINFO_PATH: Final = "/oauth/userinfo"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a token speaks of: a session's owner."""

    user_id: str
    email: str | None  # none where the client was not given its scope
    session_id: str


@dataclass(frozen=True, slots=True)
class Delegation:
    """By whose grant an OIDC client acts, and how far."""

    client_id: str
    grant_id: str
    scopes: tuple[str, ...]
    audiences: tuple[str, ...] = ()  # those of the settings, unless said


async def issue_access_token(
    run: Runtime, keys: SigningKeys, subject: Subject, delegation: Delegation | None = None
) -> str:
    """Return an access token; without a delegation it is for our own front end, as which URL stands."""
    settings = run.settings
    now = run.now_us // SECOND
    claims: dict[str, Any] = {
        **settings.access_token_claims,
        "iss": settings.url,
        "sub": subject.user_id,
        "aud": audience_claim(settings, delegation.audiences if delegation else ()),
        "client_id": delegation.client_id if delegation else settings.url,
        "exp": now + settings.access_token_lifetime_seconds,
        "iat": now,
        "jti": secrets.token_hex(16),
        "sid": subject.session_id,
        "email": subject.email,
    }
    if delegation is not None:  # what a client may do is what it was given, and nothing by setting
        claims |= {"scope": " ".join(delegation.scopes), "grant_id": delegation.grant_id}
    return (await keys.signer(ACCESS)).sign(claims, typ=ACCESS_TOKEN)


def audience_claim(settings: Settings, audiences: Collection[str] = ()) -> str | list[str]:
    """Return the `aud` claim: one as text, several as a list (RFC 7519, 4.1.3)."""
    wanted = list(audiences or settings.access_token_audiences or (settings.url,))
    return wanted[0] if len(wanted) == 1 else wanted


async def issue_id_token(
    run: Runtime,
    keys: SigningKeys,
    subject: Subject,
    *,
    client_id: str,
    nonce: str | None,
    auth_time_us: int,
    access_token: str,
) -> str:
    """Return an ID token for a client; `auth_time_us` is when the session began."""
    now = run.now_us // SECOND
    claims: dict[str, Any] = {
        "iss": run.settings.url,
        "sub": subject.user_id,
        "aud": client_id,
        "exp": now + run.settings.access_token_lifetime_seconds,
        "iat": now,
        "auth_time": auth_time_us // SECOND,
        "sid": subject.session_id,
        "at_hash": half_hash(access_token),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if subject.email is not None:
        claims |= {"email": subject.email, "email_verified": True}
    return (await keys.signer(ID)).sign(claims, typ=ID_TOKEN)


def half_hash(token: str) -> str:
    """Return `at_hash`: the left half of the SHA-256 (OpenID Connect Core, 3.1.3.6)."""
    return encode_base64url(hashlib.sha256(token.encode("ascii")).digest()[:16]).decode("ascii")


def claims_problems(settings: Settings) -> Iterator[str]:
    """Say why tokens with the static claims of the settings could not be made, or would be refused by ourselves."""
    try:
        encoded = encode(settings.access_token_claims)
        parse_object(encoded)
    except (TypeError, ValueError) as error:
        yield f"TOLLHOUSE_ACCESS_TOKEN_CLAIMS cannot stand in a token: {error}. Use text, numbers, lists and objects."
        return
    if len(encoded) > CLAIMS_BYTES_MAX:
        yield f"TOLLHOUSE_ACCESS_TOKEN_CLAIMS are longer than {CLAIMS_BYTES_MAX} bytes; headers are not made for that."
