"""The token endpoint: a code or a refresh token becomes an access token (RFC 6749, 4.1.3 and 6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import structlog

from tollhouse.access import access_tokens, grants, refresh_tokens
from tollhouse.access.access import Access
from tollhouse.access.access_tokens import USERINFO_PATH, Delegation, Subject
from tollhouse.access.clients import Client
from tollhouse.access.grants import OFFLINE, Grant, challenge_of
from tollhouse.access.oidc.errors import InvalidGrant, InvalidScope, OAuthError, UnsupportedGrantType
from tollhouse.access.oidc.parameters import Parameters
from tollhouse.access.refresh_tokens import RefreshToken
from tollhouse.signing.sealing import open_sealed
from tollhouse.signing.tokens import digest, parse_token

log = structlog.get_logger()

VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, 4.1


async def exchange(access: Access, client: Client, parameters: Parameters) -> Mapping[str, Any]:
    """Return the token response; raise `OAuthError` by RFC 6749, 5.2."""
    parameters.refuse_repeated()
    grant_type = parameters.get("grant_type")
    if grant_type == "authorization_code":
        return await _by_code(access, client, parameters)
    if grant_type == "refresh_token":
        return await _by_refresh_token(access, client, parameters)
    raise OAuthError("`grant_type` is missing.") if grant_type is None else UnsupportedGrantType()


async def _by_code(access: Access, client: Client, parameters: Parameters) -> Mapping[str, Any]:
    run = access.run
    verifier = _required(parameters, "code_verifier")
    redirect_uri = _required(parameters, "redirect_uri")
    secret = parse_token(_required(parameters, "code"))
    grant = None if secret is None else await run.db.fetch_one(grants.FIND_BY_CODE, code_hash=digest(secret))
    if secret is None or grant is None:
        raise InvalidGrant
    if grant.code_used_at is None and redirect_uri == grant.redirect_uri and VERIFIER.fullmatch(verifier):
        email = open_sealed(grants.code_key(secret), grant.email or b"", context=grant.id).decode()
        first = refresh_tokens.first_of(run, grant.id) if OFFLINE in grant.scopes else None
        used = await run.db.transact(
            grants.use_code,
            run,
            grant,
            client,
            given_redirect_uri=redirect_uri,
            given_challenge=challenge_of(verifier),
            sealed_email=first.seal(email) if first else None,
            first_refresh_hash=first.hash if first else None,
            kept_until=grants.kept_until(run, grant, client),
        )
        if used:
            log.info("code_redeemed", client_id=client.id, grant_id=grant.id, user_id=grant.user_id)
            return await _response(access, client, grant, email, grant.scopes, nonce=grant.nonce, refresh=first)
    await _end_if_replayed(access, secret)
    raise InvalidGrant


async def _end_if_replayed(access: Access, secret: bytes) -> None:
    """End what was granted if the code was used before: one of the two who had it stole it (RFC 6749, 4.1.2)."""
    grant = await access.run.db.fetch_one(grants.FIND_BY_CODE, code_hash=digest(secret))
    if grant is not None and grant.code_used_at is not None:
        await grants.end(access.run, grant.id, because="code_replayed")


async def _by_refresh_token(access: Access, client: Client, parameters: Parameters) -> Mapping[str, Any]:
    run = access.run
    token = refresh_tokens.parse(run, _required(parameters, "refresh_token"))
    if token is None:
        raise InvalidGrant
    now, idle_since = run.now_us, grants.idle_since(run)
    grant = await run.db.fetch_one(grants.FIND, grant_id=token.grant_id, now=now, idle_since=idle_since)
    if grant is None or grant.client_id != client.id:
        raise InvalidGrant
    scopes = _narrowed(grant, parameters.get("scope"))  # before anything changes, so that the token still works
    rotated = await refresh_tokens.rotate(run, token, grant, client)
    if rotated is None:
        raise InvalidGrant
    following, email = rotated
    log.info("token_refreshed", client_id=client.id, grant_id=grant.id, user_id=grant.user_id)
    return await _response(access, client, grant, email, scopes, nonce=None, refresh=following)


def _narrowed(grant: Grant, wanted: str | None) -> tuple[str, ...]:
    """Return the scopes of the new access token; raise `InvalidScope` for more than was granted (RFC 6749, 6)."""
    if wanted is None:
        return grant.scopes
    scopes = tuple(dict.fromkeys(wanted.split()))
    if not set(scopes) <= set(grant.scopes):
        raise InvalidScope
    return scopes


async def _response(
    access: Access,
    client: Client,
    grant: Grant,
    email: str,
    scopes: tuple[str, ...],
    *,
    nonce: str | None,
    refresh: RefreshToken | None,
) -> Mapping[str, Any]:
    run = access.run
    subject = Subject(grant.user_id, email if "email" in scopes else None, grant.session_id)
    # A stranger's client learns who it is, and can act on nothing else.
    audiences = () if client.first_party else (run.settings.url + USERINFO_PATH,)
    delegation = Delegation(client.id, grant.id, scopes, audiences)
    token = await access_tokens.issue_access_token(run, access.keys, subject, delegation)
    response: dict[str, Any] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": run.settings.access_token_lifetime_seconds,
    }
    if scopes:
        response["scope"] = " ".join(scopes)
    if refresh is not None:
        response["refresh_token"] = refresh.text
    if "openid" in scopes:
        response["id_token"] = await access_tokens.issue_id_token(
            run,
            access.keys,
            subject,
            client_id=client.id,
            nonce=nonce,
            auth_time_us=grant.session_created_at,
            access_token=token,
        )
    return response


def _required(parameters: Parameters, name: str) -> str:
    value = parameters.get(name)
    if value is None:
        raise OAuthError(f"`{name}` is missing.")
    return value
