"""Signing out because a client asks for it (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import structlog

from tollhouse.access import grants
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

# "grants": what this client was given in the session of its hint. "unsaid": nothing, unless the person confirms it.
Ends = Literal["session", "grants", "unsaid"]


@dataclass(frozen=True, slots=True)
class SignOutRequest:
    """A request to sign out that is as it should be."""

    client: Client | None
    session_id: str | None  # which the client proved by its hint that it was given something in; none without one
    return_url: str | None  # registered, with the state
    parameters: Parameters

    @property
    def said_again(self) -> Mapping[str, str]:
        """The request as hidden fields of the page that asks, which names the client instead of sending the hint."""
        said = {name: value for name, value in self.parameters.values.items() if name != "id_token_hint"}
        return said if self.client is None else said | {"client_id": self.client.id}


async def parse(access: Access, parameters: Parameters) -> SignOutRequest:
    """Return the request; raise `OAuthError`, `ClientUnknown` or `RedirectUriInvalid`, and nothing has happened."""
    parameters.refuse_repeated()
    hint = parameters.get("id_token_hint")
    claims = None if hint is None else await own_tokens.read_id_token(access, hint)
    client = await _client_of(access, parameters, claims)
    wanted = parameters.get("post_logout_redirect_uri")
    if wanted is not None and (client is None or wanted not in client.sign_out_uris):
        raise RedirectUriInvalid
    state = state_of(parameters)
    return SignOutRequest(
        client=client,
        session_id=None if claims is None else str(claims.get("sid")),
        return_url=None if wanted is None else append(wanted, {} if state is None else {"state": state}),
        parameters=parameters,
    )


async def _client_of(access: Access, parameters: Parameters, claims: Mapping[str, Any] | None) -> Client | None:
    """Return the client that says or proves that it asks.

    A hint that is proved no more, for its key is gone, still says so: no less than `client_id`, which proves nothing
    either, and by which nobody is led anywhere but to an address of that client.
    """
    client_id, hint = parameters.get("client_id"), parameters.get("id_token_hint")
    if claims is not None:
        audience = str(claims.get("aud"))
        if client_id not in (None, audience):
            raise OAuthError("`client_id` is not the client of `id_token_hint`.")
        client_id = audience
    elif client_id is None and hint is not None:
        said = own_tokens.claimed_by_id_token(access, hint)
        return None if said is None else await access.clients.find(str(said.get("aud")))
    if client_id is None:
        return None
    client = await access.clients.find(client_id)
    if client is None:
        raise ClientUnknown
    return client


def what_ends(asked: SignOutRequest, session: Session | None, *, confirmed: bool) -> Ends:
    """Return what ends; `session` is the browser's, `confirmed` says that the person answered our own page.

    A hint may be found in addresses and logs, and anybody may send it. So by itself it ends no more than its client
    could by revoking; the session ends where its cookie comes along, and unasked only for an app of ours.
    """
    is_ours = asked.client is not None and asked.client.first_party
    if session is not None and (confirmed or (is_ours and asked.session_id == session.id)):
        return "session"
    if asked.session_id is not None and (session is None or not is_ours):
        return "grants"
    return "unsaid"


async def end(access: Access, asked: SignOutRequest, session: Session | None, ends: Ends) -> None:
    """End the session, and with it what every client was granted in it, or what this client was, or nothing."""
    client_id = asked.client.id if asked.client else None
    if ends == "session" and session is not None:
        await sessions.end(access.run, session.id, user_id=session.user_id)
    elif ends == "grants" and asked.session_id is not None and asked.client is not None:
        await grants.end_in_session(access.run, asked.session_id, asked.client)
    log.info("client_signed_out", client_id=client_id, ended="nothing" if ends == "unsaid" else ends)
