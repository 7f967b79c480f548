"""Revoking what a client was given, because it asks for it (RFC 7009)."""

from __future__ import annotations

from tollhouse.access import grants, refresh_tokens
from tollhouse.access.access import Access
from tollhouse.access.clients import Client
from tollhouse.access.oidc import own_tokens
from tollhouse.access.oidc.errors import OAuthError
from tollhouse.access.oidc.parameters import Parameters


async def revoke(access: Access, client: Client, parameters: Parameters) -> None:
    """End the grant behind a refresh or access token of this client; another's or an unknown one changes nothing.

    `token_type_hint` is not needed: no token of one kind can be taken for the other. Raises `OAuthError`.
    """
    parameters.refuse_repeated()
    token = parameters.get("token")
    if token is None:
        raise OAuthError("`token` is missing.")
    grant_id = await _grant_id_of(access, token)
    if grant_id is not None:
        await grants.revoke(access.run, grant_id, client)


async def _grant_id_of(access: Access, token: str) -> str | None:
    refresh = refresh_tokens.parse(access.run, token)
    if refresh is not None:
        return refresh.grant_id
    claims = await own_tokens.read_access_token(access, token)
    grant_id = claims.get("grant_id") if claims else None
    return grant_id if isinstance(grant_id, str) else None
