"""Routes of tokens: one for the session's front end, the keys that verify it, and whose a token is."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Security
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access import models
from tollhouse.access.access import access_of
from tollhouse.access.access_tokens import Subject, issue_access_token
from tollhouse.access.dependencies import BEARER
from tollhouse.access.errors import IssuerUnavailable, NotAuthenticated, TokenExpired, TokenInvalid, TokenRevoked
from tollhouse.errors import DatabaseUnavailable, NotSignedIn
from tollhouse.identity.session_routes import require_session
from tollhouse.pages.replies import JSON, Reply, reply_json
from tollhouse.pages.routing import PlainRoute, problems

own_router: Final = APIRouter(route_class=PlainRoute, tags=["Tokens"])  # where people sign in here
router: Final = APIRouter(route_class=PlainRoute, tags=["Tokens"])
JWKS_PATH: Final = "/.well-known/jwks.json"
JWKS_KEPT: Final = (b"cache-control", b"public, max-age=300")  # a tenth of the time that a key is published before use


@own_router.post(
    "/auth/token",
    summary="Get an access token",
    responses={200: {"model": models.AccessTokenReply}} | problems(NotSignedIn, DatabaseUnavailable),
)
async def create_token(request: Request) -> Response:
    """Turn the session cookie into an access token for your API; its session ends it."""
    access = access_of(request)
    session = await require_session(request)
    subject = Subject(session.user_id, session.email, session.id)
    token = await issue_access_token(access.run, access.keys, subject)
    lifetime = access.run.settings.access_token_lifetime_seconds
    return reply_json({"access_token": token, "token_type": "Bearer", "expires_in": lifetime})


@own_router.get(JWKS_PATH, summary="The keys that verify our tokens", responses={200: {"model": models.JwksReply}})
async def show_jwks(request: Request) -> Response:
    """Publish the public keys (RFC 7517, 5)."""
    return Reply(await access_of(request).keys.document(), headers=(JSON, JWKS_KEPT))


@router.get(
    "/auth/whoami",
    summary="Whose token this is",
    dependencies=[Security(BEARER)],
    responses={200: {"model": models.WhoamiReply}}
    | problems(NotAuthenticated, TokenInvalid, TokenExpired, TokenRevoked, IssuerUnavailable, DatabaseUnavailable),
)
async def show_caller(request: Request) -> Response:
    """Tell who calls, by a token of ours or of a configured issuer."""
    caller = await access_of(request).verifier.authenticate(request)
    return reply_json(
        {
            "user_id": caller.user_id,
            "email": caller.email,
            "issuer": caller.issuer,
            "session_id": caller.session_id,
        }
    )
