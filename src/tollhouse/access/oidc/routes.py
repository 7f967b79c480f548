"""The OpenID provider's routes; each parses, calls one function, and picks the reply."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Security
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access.access import access_of
from tollhouse.access.dependencies import BEARER
from tollhouse.access.errors import NotAuthenticated, ScopeMissing, TokenExpired, TokenInvalid, TokenRevoked
from tollhouse.access.oidc import discovery, models, parameters, revocation, signing_out, token_exchange
from tollhouse.access.oidc.authorization import Consent, answer
from tollhouse.access.oidc.client_authentication import authenticate
from tollhouse.access.oidc.errors import OAuthError
from tollhouse.access.oidc.parameters import Parameters
from tollhouse.access.oidc.returning import go_back
from tollhouse.identity import sessions
from tollhouse.identity.redirects import AUTHORIZE_PATH
from tollhouse.identity.web import web_of
from tollhouse.pages import csrf
from tollhouse.pages.edge import CrossSiteRequest
from tollhouse.pages.replies import JSON, Reply, encode, headers_of, redirect, reply_json
from tollhouse.pages.routing import PlainRoute, problems

router: Final = APIRouter(route_class=PlainRoute, tags=["OpenID Connect"])
SIGN_OUT_PATH: Final = "/oauth/sign-out"
DISCOVERY_SECONDS: Final = 300
URL_LENGTH_MAX: Final = 8_000
PRAGMA: Final = (b"pragma", b"no-cache")  # RFC 6749, 5.1
REVOKED: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/json": {"example": {}}}}}
OAUTH_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: {"model": models.OAuthErrorReply},
    401: {"model": models.OAuthErrorReply},
}


_configuration: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/json": {"example": discovery.document("https://auth.example.com")}}}
}


@router.get("/.well-known/openid-configuration", summary="What this provider can do", responses=_configuration)
@router.get("/.well-known/oauth-authorization-server", summary="The same, for plain OAuth", responses=_configuration)
async def show_configuration(request: Request) -> Response:
    """Give the provider's metadata."""
    kept = (b"cache-control", f"public, max-age={DISCOVERY_SECONDS}".encode())
    return Reply(encode(discovery.document(web_of(request).settings.url)), headers=(JSON, kept))


@router.get(AUTHORIZE_PATH, summary="Sign in for a client", status_code=303, response_class=Response)
async def authorize(request: Request) -> Response:
    """Lead a browser through sign-in and consent back to the client, with a code or an error."""
    return await answer(request, access_of(request), parameters.of_query(request))


@router.post(AUTHORIZE_PATH, include_in_schema=False)
async def authorize_by_form(request: Request) -> Response:
    """Take the answer of the consent page; a client's own post goes on as a GET."""
    given = await parameters.of_form(request)
    values = dict(given.values)
    agreed, session_id = values.pop("consent", None), values.pop("consent_session", None)
    if agreed is None:
        return go_on_as_get(request, AUTHORIZE_PATH, Parameters(values, given.repeated))
    require_own_page(request)
    consent = Consent(session_id, agreed == "yes")
    return await answer(request, access_of(request), Parameters(values, given.repeated), consent=consent)


@router.post(
    "/oauth/token",
    summary="Exchange a code or a refresh token",
    responses={200: {"model": models.TokenReply}} | OAUTH_ERRORS,
    openapi_extra=models.form(models.TokenForm),
)
async def exchange_token(request: Request) -> Response:
    """Turn a code or a refresh token into tokens, once."""
    access = access_of(request)
    try:
        given = await parameters.of_form(request)
        client = await authenticate(access.clients, request, given)
        return reply_json(await token_exchange.exchange(access, client, given), headers=(PRAGMA,))
    except OAuthError as error:
        return reply_error(error)


@router.post(
    "/oauth/revoke",
    summary="Revoke a token",
    responses=REVOKED | OAUTH_ERRORS,
    openapi_extra=models.form(models.RevocationForm),
)
async def revoke_token(request: Request) -> Response:
    """End what a client was granted, with all its tokens."""
    access = access_of(request)
    try:
        given = await parameters.of_form(request)
        await revocation.revoke(access, await authenticate(access.clients, request, given), given)
    except OAuthError as error:
        return reply_error(error)
    return reply_json({})


_userinfo: Final[dict[str, Any]] = {
    "summary": "Who it is",
    "dependencies": [Security(BEARER)],
    "responses": {200: {"model": models.UserinfoReply}}
    | problems(NotAuthenticated, TokenInvalid, TokenExpired, TokenRevoked, ScopeMissing),
}


@router.get("/oauth/userinfo", **_userinfo)
@router.post("/oauth/userinfo", operation_id="show_userinfo_by_post", **_userinfo)
async def show_userinfo(request: Request) -> Response:
    """Tell a client whom its access token is of."""
    caller = await access_of(request).userinfo_verifier.authenticate(request)
    if "openid" not in caller.scopes:
        raise ScopeMissing("openid")
    known = {} if caller.email is None else {"email": caller.email, "email_verified": True}
    return reply_json({"sub": caller.user_id, **known})


@router.get(SIGN_OUT_PATH, summary="Sign out for a client", status_code=303, response_class=Response)
async def sign_out(request: Request) -> Response:
    """End the session because a client of ours proves that it began it, or ask the person first."""
    return await _sign_out(request, parameters.of_query(request), confirmed=False)


@router.post(SIGN_OUT_PATH, include_in_schema=False)
async def sign_out_by_form(request: Request) -> Response:
    """Take the answer of the page that asks; a client's own post goes on as a GET."""
    given = await parameters.of_form(request)
    if given.get("confirm") != "yes":
        return go_on_as_get(request, SIGN_OUT_PATH, given)
    require_own_page(request)
    return await _sign_out(request, given, confirmed=True)


async def _sign_out(request: Request, given: Parameters, *, confirmed: bool) -> Response:
    access, web = access_of(request), web_of(request)
    asked = await signing_out.parse(access, given)
    session = await sessions.find(access.run, web.session_secret_of(request))
    ends = signing_out.what_ends(asked, session, confirmed=confirmed)
    if session is not None and ends == "unsaid":
        name = asked.client.name if asked.client else None
        return web.page("confirm_sign_out.html", email=session.email, client_name=name, fields=asked.said_again)
    await signing_out.end(access, asked, session, ends)
    back = redirect(web.settings.url + "/auth/signed-out")
    if asked.return_url is not None and asked.client is not None:
        back = go_back(request, asked.return_url, name=asked.client.name)
    if ends == "session":  # else the cookie is another session's, or did not come with this request
        back.raw_headers.append(web.session_cookie.clear())
    return back


def go_on_as_get(request: Request, path: str, given: Parameters) -> Reply:
    """Return the way on from another site's post, which brings no cookie, to a GET, which does.

    Raises `OAuthError` for what an address cannot hold, or holds twice.
    """
    given.refuse_repeated()
    query = urlencode(given.values)
    if len(query) > URL_LENGTH_MAX:
        raise OAuthError("The request is too long.")
    return redirect(f"{web_of(request).settings.url}{path}?{query}")


def require_own_page(request: Request) -> None:
    """Return if a form of ours was sent; raise `CrossSiteRequest` for anybody else's, the app's included."""
    if not csrf.is_allowed(dict(request.scope["headers"]), {web_of(request).settings.url.encode()}):
        raise CrossSiteRequest


def reply_error(error: OAuthError) -> Reply:
    """Return an error as OAuth's clients read it (RFC 6749, 5.2)."""
    value = {"error": error.code, "error_description": error.public_detail}
    return reply_json(value, status=error.status, headers=(PRAGMA, *headers_of(error)))
