"""The authorization endpoint: who is signed in, whether that will do, whether they agree; then a code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access import grants
from tollhouse.access.access import Access
from tollhouse.access.oidc import own_tokens
from tollhouse.access.oidc.authorization_requests import (
    SIGN_IN_AGAIN,
    AuthorizationRequest,
    find_target,
    parse,
    said_again,
    state_of,
)
from tollhouse.access.oidc.errors import AccessDenied, ClientUnknown, ConsentRequired, LoginRequired, OAuthError
from tollhouse.access.oidc.parameters import Parameters
from tollhouse.access.oidc.returning import Return
from tollhouse.access.oidc.sign_in_ways import hinted_address, lead_to_sign_in
from tollhouse.identity import sessions
from tollhouse.identity.sessions import Session
from tollhouse.identity.web import web_of
from tollhouse.pages.replies import Reply

ENDED: Final = "The session has just ended."


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person answered on the consent page, and in which session they saw it."""

    session_id: str | None
    agreed: bool


async def answer(
    request: Request, access: Access, parameters: Parameters, *, consent: Consent | None = None
) -> Response:
    """Return the way on from an authorization request (OpenID Connect Core, 3.1.2).

    Raises `ClientUnknown`, `RedirectUriInvalid`, and `OAuthError` for a state that cannot be echoed; every later error
    goes back to the client.
    """
    client, redirect_uri = await find_target(access.clients, parameters)
    way_back = Return(client, redirect_uri, state_of(parameters))
    try:
        asked = parse(parameters, client, redirect_uri, now_us=access.run.now_us)
        return await _answer(request, access, asked, way_back, consent)
    except OAuthError as error:
        return way_back.with_error(request, error)


async def _answer(
    request: Request, access: Access, asked: AuthorizationRequest, way_back: Return, consent: Consent | None
) -> Response:
    session = await sessions.find(access.run, web_of(request).session_secret_of(request))
    # First, or by guessing in a hint an app that nobody agreed to could learn silently who is signed in.
    if asked.is_silent and session is not None and not await _is_agreed(access, asked, session, consent):
        raise ConsentRequired
    expected_user = _expected_user(access, asked)
    if session is None or not _will_do(asked, session, expected_user, now_us=access.run.now_us):
        if asked.is_silent:
            raise LoginRequired
        return await lead_to_sign_in(request, asked, session, expected_user=expected_user)
    if not asked.is_silent and not await _is_agreed(access, asked, session, consent):
        return _ask_for_consent(request, asked, session)
    code = await grants.create(access.run, session, asked.wanted)
    if code is None:
        raise ClientUnknown if await access.clients.is_gone(asked.wanted.client) else LoginRequired(ENDED)
    return way_back.with_code(request, code)


def _expected_user(access: Access, asked: AuthorizationRequest) -> str | None:
    """Return the user whom the `id_token_hint` names; raise `LoginRequired` for a silent one that names nobody.

    It is read unproved, so that a key that is gone locks nobody out: a hint only narrows for whom there is a code, and
    a forged one gets its client less than none at all.
    """
    if asked.id_token_hint is None:
        return asked.expected_user
    claims = own_tokens.claimed_by_id_token(access, asked.id_token_hint)
    if claims is None and asked.is_silent:
        raise LoginRequired("`id_token_hint` is not an ID token of ours.")
    return None if claims is None else str(claims.get("sub"))


def _will_do(asked: AuthorizationRequest, session: Session, expected_user: str | None, *, now_us: int) -> bool:
    """Whether this session answers the request, without another sign-in.

    `prompt`, `max_age` and `id_token_hint` are not said again on the way back from one, so this does not go in circles;
    raises `LoginRequired` when it would, for somebody else than was expected has signed in.
    """
    if asked.prompts & SIGN_IN_AGAIN:
        return False
    if asked.max_age_us is not None and now_us - session.created_at > asked.max_age_us:
        return False
    if expected_user is not None and session.user_id != expected_user:
        if asked.signed_in_after is not None and session.created_at >= asked.signed_in_after:
            raise LoginRequired("Somebody else than the one of `id_token_hint` is signed in.")
        return False
    if asked.signed_in_after is not None:
        return session.created_at >= asked.signed_in_after
    hinted = hinted_address(asked)
    return hinted is None or hinted == session.email


async def _is_agreed(access: Access, asked: AuthorizationRequest, session: Session, consent: Consent | None) -> bool:
    """Whether the person lets the client have this; raise `AccessDenied` if they just said no."""
    if consent is not None and consent.session_id == session.id:  # else the page was somebody else's
        if not consent.agreed:
            raise AccessDenied
        return True
    if "consent" in asked.prompts:
        return False
    client = asked.wanted.client
    if not client.wants_consent(asked.wanted.redirect_uri):
        return True
    return await grants.covers(access.run, session, client, asked.wanted.scopes)


def _ask_for_consent(request: Request, asked: AuthorizationRequest, session: Session) -> Reply:
    return web_of(request).page(
        "consent.html",
        client_name=asked.wanted.client.name,
        host=urlsplit(asked.wanted.redirect_uri).netloc,
        email=session.email,
        asks=[say_scope(scope) for scope in asked.wanted.scopes if scope != "profile"],  # there is nothing in it
        fields=said_again(asked.parameters),
        session_id=session.id,
    )


def say_scope(scope: str) -> str:
    """Return what a scope lets an app do, in words."""
    return {
        "openid": "know that it is you",
        "email": "see your e-mail address",
        "offline_access": "stay signed in until you sign out here",
    }.get(scope, f"use “{scope}” for you")
