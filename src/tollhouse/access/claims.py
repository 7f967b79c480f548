"""What a token says (RFC 7519), and whether it says it to us, now, and of somebody who is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, cast

from tollhouse.access.callers import Caller, foreign_user_id
from tollhouse.access.encodings import EncodingInvalid, parse_object
from tollhouse.access.errors import TokenExpired, TokenInvalid
from tollhouse.access.issuers import Issuer
from tollhouse.clock import SECOND

LEEWAY_US: Final = 30 * SECOND  # for `nbf` and `iat`, by a clock that is a little ahead
TEXT_LENGTH_MAX: Final = 255  # OpenID Connect Core, 2: `sub`
EMAIL_LENGTH_MAX: Final = 254  # RFC 5321, 4.5.3.1.3, without its brackets
TIME_MAX: Final = 253_402_300_800  # the year 10000
OWN_TYPES: Final = frozenset({"at+jwt"})  # RFC 9068, 4: so no ID token passes for an access token
FOREIGN_TYPES: Final = frozenset({None, "jwt", "at+jwt"})  # neither logout+jwt, nor dpop+jwt, nor secevent+jwt
# Bound to a key that a bearer does not prove (RFC 7800), and an event that something happened (RFC 8417): no bearer's.
REFUSED_CLAIMS: Final = frozenset({"cnf", "events"})


def parse(payload: bytes) -> dict[str, Any]:
    """Return the claims; raise `TokenInvalid` where they are not one JSON object that reads one way."""
    try:
        return parse_object(payload)
    except EncodingInvalid:
        raise TokenInvalid(reason="claims_unreadable") from None


def check_type(typ: str | None, issuer: Issuer) -> None:
    """Return if a token of this `typ` may be an access token (RFC 8725, 3.11); raise `TokenInvalid` if not."""
    if typ not in (OWN_TYPES if issuer.is_own else FOREIGN_TYPES):
        raise TokenInvalid(reason="typ_refused")


def check(claims: Mapping[str, Any], issuer: Issuer, *, now_us: int) -> int:
    """Return when the token ends, in microseconds UTC with the issuer's leeway; the issuer is the one that `iss` named.

    Raises `TokenExpired`, and `TokenInvalid` for whoever is not meant by it or may not use it.
    """
    _check_audience(claims, issuer)
    _check_party(claims, issuer)
    if not REFUSED_CLAIMS.isdisjoint(claims):
        raise TokenInvalid(reason="claim_refused")
    if not isinstance(claims.get("jti", ""), str):
        raise TokenInvalid(reason="jti_malformed")
    if any(claims.get(name) == value for name, value in issuer.refused_values):
        raise TokenInvalid(reason="not_signed_in_yet")
    for name in ("nbf", "iat"):
        if name in claims and _time_of(claims, name) > now_us + LEEWAY_US:
            raise TokenInvalid(reason=f"{name}_in_the_future")
    ends_us = _time_of(claims, "exp") + issuer.leeway_seconds * SECOND
    if now_us >= ends_us:  # "on or after which" it is refused (RFC 7519, 4.1.4)
        raise TokenExpired(reason="expired")
    return ends_us


def caller_of(claims: dict[str, Any], issuer: Issuer) -> Caller:
    """Return who calls, by claims that were checked; raise `TokenInvalid` where they name nobody."""
    subject = _text_of(claims, "sub")
    if subject is None:
        raise TokenInvalid(reason="sub_malformed")
    return Caller(
        user_id=subject if issuer.is_own else foreign_user_id(issuer.issuer, subject),
        email=_email_of(claims),
        issuer=issuer.issuer,
        session_id=_text_of(claims, issuer.session_claim),
        scopes=_scopes_of(claims, issuer),
        claims=MappingProxyType(claims),  # one caller is handed out many times
    )


def _time_of(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < TIME_MAX:
        raise TokenInvalid(reason=f"{name}_malformed")
    return int(value * SECOND)


def _check_audience(claims: Mapping[str, Any], issuer: Issuer) -> None:
    if "aud" not in claims and not issuer.audiences:
        return
    given = claims.get("aud")
    values: Any = [given] if isinstance(given, str) else given
    if not isinstance(values, list) or not all(isinstance(each, str) for each in cast("list[Any]", values)):
        raise TokenInvalid(reason="aud_malformed" if "aud" in claims else "aud_missing")
    if not any(each in issuer.audiences for each in cast("list[str]", values)):
        raise TokenInvalid(reason="aud_wrong")


def _check_party(claims: Mapping[str, Any], issuer: Issuer) -> None:
    if issuer.authorized_parties and claims.get("azp") not in issuer.authorized_parties:
        raise TokenInvalid(reason="azp_wrong" if "azp" in claims else "azp_missing")


def _text_of(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LENGTH_MAX or not value.isprintable():
        raise TokenInvalid(reason=f"{name}_malformed")
    return value


def _email_of(claims: Mapping[str, Any]) -> str | None:
    email = claims.get("email")
    if not isinstance(email, str) or not 0 < len(email) <= EMAIL_LENGTH_MAX or not email.isprintable():
        return None
    return email if claims.get("email_verified", True) in (True, "true") else None


def _scopes_of(claims: Mapping[str, Any], issuer: Issuer) -> frozenset[str]:
    found: set[str] = set()
    for name in issuer.scope_claims:
        given: Any = claims.get(name)
        if given is None:
            continue
        values: Any = given.split(" ") if isinstance(given, str) else given
        if not isinstance(values, list) or not all(isinstance(each, str) for each in cast("list[Any]", values)):
            raise TokenInvalid(reason=f"{name}_malformed")
        found.update(cast("list[str]", values))
    return frozenset(found - {""})
