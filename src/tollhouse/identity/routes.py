"""The sign-in routes; each parses, calls one function of the domain, and picks the reply."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.errors import BodyInvalid, DatabaseUnavailable, RateLimited, TollhouseError
from tollhouse.identity import addresses, magic_links, models, redirects, sessions, sign_ins
from tollhouse.identity.errors import (
    CodeInvalid,
    CodeLocked,
    EmailInvalid,
    LinkExpired,
    LinkInvalid,
    LinkUsed,
    MailUnavailable,
    NextInvalid,
    SignUpClosed,
    UserBlocked,
)
from tollhouse.identity.sign_ins import Client, SignedIn
from tollhouse.identity.web import Web, run_of, web_of
from tollhouse.limits.networks import network_of
from tollhouse.pages.bodies import is_json, read_fields, text_field, wants_html
from tollhouse.pages.rendering import Action
from tollhouse.pages.replies import redirect, reply_json
from tollhouse.pages.routing import PlainRoute, body, problems
from tollhouse.runtime import Runtime
from tollhouse.signing.tokens import create_token

router: Final = APIRouter(route_class=PlainRoute, tags=["Sign-in"])
CHECK_YOUR_EMAIL: Final = "/auth/check-your-email"


@router.get("/auth/sign-in", include_in_schema=False)
async def show_sign_in(request: Request) -> Response:
    """The page with one field."""
    web, run = web_of(request), run_of(request)
    wanted = request.query_params.get("next")
    redirects.parse(run.settings, wanted)
    session = await sessions.find(run, web.session_secret_of(request))
    masked = None if session is None else addresses.mask(session.email)
    email = redirects.hinted_address(run.settings, wanted)
    return web.page("sign_in.html", next=wanted, email=email, error=None, signed_in_as=masked)


@router.post(
    "/auth/magic-links",
    status_code=202,
    summary="Ask for a link",
    responses={202: {"model": models.MagicLinkReply}}
    | problems(BodyInvalid, EmailInvalid, NextInvalid, RateLimited, MailUnavailable, DatabaseUnavailable),
    openapi_extra=body(models.MagicLinkRequest),
)
async def ask_for_link(request: Request) -> Response:
    """Queue a mail with a link and a code; the same reply and the same work for every address."""
    fields = await read_fields(request)
    await limit_tries(request)  # before the limit that everybody shares, or one network could use that up
    try:
        email = addresses.parse(fields.get("email"))
        next_url = redirects.parse(run_of(request).settings, fields.get("next"))
    except EmailInvalid as error:
        if not wants_html(request):
            raise
        context: dict[str, Any] = {
            "next": fields.get("next"),
            "email": fields.get("email") or "",
            "error": error.detail,
        }
        return web_of(request).page("sign_in.html", status=error.status, signed_in_as=None, **context)
    return await send_link(request, email, next_url)


async def send_link(request: Request, email: str, next_url: str, *, asks: bool = False) -> Response:
    """Send a mail and reply with where its code goes; `asks` lets its link ask before it signs in.

    `email` and `next_url` are parsed already, `limit_tries` was awaited. Raises what `magic_links.request` does.
    """
    web, run = web_of(request), run_of(request)
    known = web.browser_of(request)
    browser = known or create_token()
    ip, device = web.ip_of(request), web.device_of(request)
    asked = await magic_links.request(
        run, email=email, next_url=next_url, browser=browser, ip=ip, device=device, asks=asks
    )
    headers = () if known else (web.remember_browser(browser),)
    if is_json(request):
        value = {"magic_link_id": asked.magic_link_id, "expires_at": models.iso(asked.expires_at)}
        return reply_json(value, status=202, headers=headers)
    return redirect(run.settings.url + CHECK_YOUR_EMAIL, headers=headers)


@router.post("/auth/magic-links/again", include_in_schema=False)
async def ask_again(request: Request) -> Response:
    """Send a new mail for an expired link, in the browser that asked for it."""
    token = text_field(await read_fields(request), "token")
    await limit_tries(request)
    email, next_url, asks = await magic_links.expired_content(
        run_of(request), token=token, browser=web_of(request).browser_of(request)
    )
    return await send_link(request, email, next_url, asks=asks)


@router.get(CHECK_YOUR_EMAIL, include_in_schema=False)
async def show_check_your_email(request: Request) -> Response:
    """The page that takes the code."""
    return await _code_page(request, None)


@router.get("/auth/callback{anything:path}", include_in_schema=False)
async def show_callback(request: Request) -> Response:
    """The page a link opens; it reads and changes nothing, however often and by whatever robot it is fetched."""
    return web_of(request).page("callback.html")


@router.post(
    "/auth/callback/preview",
    summary="Look at a link",
    responses={200: {"model": models.PreviewReply}} | problems(LinkInvalid, LinkExpired, LinkUsed, RateLimited),
    openapi_extra=body(models.TokenRequest),
)
async def preview(request: Request) -> Response:
    """Tell what the page must ask before it signs in; consumes nothing."""
    web, run = web_of(request), run_of(request)
    token = text_field(await read_fields(request), "token")
    await limit_tries(request)
    try:
        opened = await magic_links.preview(run, token=token, browser=web.browser_of(request))
    except LinkExpired as error:
        error.evidence["renewable"] = await _ways_on_from_expired(run, token, web.client_of(request)) is not None
        raise
    session = await sessions.find(run, web.session_secret_of(request))
    other = session is not None and session.email != opened.email
    return reply_json(
        {
            "email_masked": addresses.mask(opened.email),
            "same_browser": opened.same_browser,
            "next_is_elsewhere": magic_links.is_elsewhere(run, opened),
            "asks": opened.asks,
            "signed_in_as": addresses.mask(session.email) if session and other else None,
        }
    )


@router.post(
    "/auth/callback",
    summary="Redeem a link",
    responses={200: {"model": models.SessionReply}}
    | problems(LinkInvalid, LinkExpired, LinkUsed, UserBlocked, SignUpClosed, RateLimited),
    openapi_extra=body(models.TokenRequest),
)
async def redeem(request: Request) -> Response:
    """Turn the link into a session, once."""
    web, run = web_of(request), run_of(request)
    token = text_field(await read_fields(request), "token")
    await limit_tries(request)
    client = web.client_of(request)
    try:
        signed_in = await sign_ins.redeem(run, token=token, client=client)
    except LinkExpired as error:
        return web.error(request, error, actions=await _ways_on_from_expired(run, token, client))
    return _welcome(request, web, run, signed_in, client)


async def _ways_on_from_expired(run: Runtime, token: str, client: Client) -> list[Action] | None:
    try:
        await magic_links.expired_content(run, token=token, browser=client.browser)
    except LinkInvalid:
        return None
    return [Action("Send a new mail", post="/auth/magic-links/again", fields={"token": token}, primary=True)]


@router.post(
    "/auth/code",
    summary="Type the code",
    responses={200: {"model": models.SessionReply}}
    | problems(CodeInvalid, CodeLocked, UserBlocked, SignUpClosed, RateLimited),
    openapi_extra=body(models.CodeRequest),
)
async def type_code(request: Request) -> Response:
    """Turn the code of this browser's newest mail into a session, once."""
    web, run = web_of(request), run_of(request)
    code = text_field(await read_fields(request), "code")
    await limit_tries(request)
    client = web.client_of(request)
    try:
        signed_in = await sign_ins.type_code(run, code=code, client=client)
    except CodeInvalid as error:
        if not wants_html(request) or not error.evidence["tries_left"]:
            raise
        return await _code_page(request, error)
    return _welcome(request, web, run, signed_in, client)


async def _code_page(request: Request, error: TollhouseError | None) -> Response:
    web = web_of(request)
    context: dict[str, Any] = {
        # Unmasked, for a slip of the finger to be seen: it opens with the secret of the browser that typed it.
        "email": await sign_ins.pending_address(run_of(request), web.browser_of(request)),
        "error": error.detail if error else None,
        "tries_left": error.evidence["tries_left"] if error else None,
        "minutes": web.settings.magic_link_lifetime_seconds // 60,
        "dev_mail_url": "/dev/mail" if web.settings.mode == "dev" else None,
    }
    return web.page("check_your_email.html", status=error.status if error else 200, **context)


def _welcome(request: Request, web: Web, run: Runtime, signed_in: SignedIn, client: Client) -> Response:
    lifetime = run.settings.session_lifetime_seconds
    headers = [web.session_cookie.set(signed_in.secret, lifetime_seconds=lifetime)]
    if signed_in.browser != client.browser:
        headers.append(web.remember_browser(signed_in.browser))
    if is_json(request):
        return reply_json(models.session_json(signed_in.session), headers=headers)
    return redirect(signed_in.next_url, headers=headers)


async def limit_tries(request: Request) -> None:
    """Bound what one network can ask and try; a 256-bit token needs no such limit, but the machine does."""
    run = run_of(request)
    per_minute = run.settings.limit_token_tries_per_ip_per_minute * (10 if run.settings.mode == "dev" else 1)
    network = run.keys.digest_network(network_of(web_of(request).ip_of(request)))
    await run.flood.per_minute("token_tries", network, per_minute)
