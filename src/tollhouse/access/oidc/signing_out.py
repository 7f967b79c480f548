"""Signing out because a client asks for it (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from tollhouse.access.access import Access
from tollhouse.access.clients import Client
from tollhouse.access.oidc import own_tokens
from tollhouse.access.oidc.authorization_requests import state_of
from tollhouse.access.oidc.errors import ClientUnknown, OAuthError, RedirectUriInvalid
from tollhouse.access.oidc.parameters import Parameters
from tollhouse.access.oidc.returning import append
from tollhouse.identity import sessions
from tollhouse.identity.sessions import Session

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SignOutRequest:
    """A request to sign out that is as it should be."""

    client: Client | None
    user_id: str | None  # whom the client proved by the hint that it signed in; none without one
    session_id: str | None
    return_url: str | None  # registered, with the state


async def parse(access: Access, parameters: Parameters) -> SignOutRequest:
    """Return the request; raise `OAuthError`, `ClientUnknown` or `RedirectUriInvalid`, and nothing has happened."""
    parameters.refuse_repeated()
    hint = parameters.get("id_token_hint")
    claims = None if hint is None else await own_tokens.read_id_token(access, hint)
    if hint is not None and claims is None:
        raise OAuthError("`id_token_hint` is not an ID token of ours.")
    client = await _client_of(access, parameters.get("client_id"), claims)
    wanted = parameters.get("post_logout_redirect_uri")
    if wanted is not None and (client is None or wanted not in client.sign_out_uris):
        raise RedirectUriInvalid
    state = state_of(parameters)
    return SignOutRequest(
        client=client,
        user_id=None if claims is None else str(claims.get("sub")),
        session_id=None if claims is None else str(claims.get("sid")),
        return_url=None if wanted is None else append(wanted, {} if state is None else {"state": state}),
    )


async def _client_of(access: Access, client_id: str | None, claims: Mapping[str, Any] | None) -> Client | None:
    if claims is not None:
        audience = str(claims.get("aud"))
        if client_id not in (None, audience):
            raise OAuthError("`client_id` is not the client of `id_token_hint`.")
        client_id = audience
    if client_id is None:
        return None
    client = await access.clients.find(client_id)
    if client is None:
        raise ClientUnknown
    return client


def is_proved(asked: SignOutRequest, session: Session | None) -> bool:
    """Whether the client showed that it signed in whoever is signed in here: then nobody need be asked.

    Without the cookie, which a post from another site does not bring, the hint says which session is meant.
    """
    if asked.user_id is None:
        return False
    return session is None or asked.user_id == session.user_id


async def end(access: Access, asked: SignOutRequest, session: Session | None) -> None:
    """End the session, and with it what every client was granted in it."""
    if session is not None:
        await sessions.end(access.run, session.id, user_id=session.user_id)
    elif asked.session_id is not None and asked.user_id is not None:
        await sessions.end(access.run, asked.session_id, user_id=asked.user_id)
    log.info("client_signed_out", client_id=asked.client.id if asked.client else None)
