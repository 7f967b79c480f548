"""Routes of the session: who is signed in, on which devices, and out again."""

from __future__ import annotations

from typing import Any, Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.clock import HOUR, MINUTE
from tollhouse.errors import DatabaseUnavailable, NotFound, NotSignedIn
from tollhouse.identity import models, sessions, users
from tollhouse.identity.errors import CookieAmbiguous, SignInStale
from tollhouse.identity.models import iso, session_json
from tollhouse.identity.sessions import Session
from tollhouse.identity.web import run_of, web_of
from tollhouse.pages.bodies import is_json, read_fields, wants_html
from tollhouse.pages.replies import Reply, redirect, reply_json
from tollhouse.pages.routing import PlainRoute, problems

log = structlog.get_logger()

router: Final = APIRouter(route_class=PlainRoute, tags=["Sessions"])


async def require_session(request: Request) -> Session:
    """Return who is signed in; raise `NotSignedIn`."""
    return await sessions.require(run_of(request), web_of(request).session_secret_of(request))


@router.get(
    "/auth/session",
    summary="Who is signed in",
    responses={200: {"model": models.SessionReply}} | problems(NotSignedIn, CookieAmbiguous, DatabaseUnavailable),
)
async def show_session(request: Request) -> Response:
    """Tell whose session the cookie is."""
    return reply_json(session_json(await require_session(request)))


@router.get(
    "/auth/sessions",
    summary="List devices",
    responses={200: {"model": models.DevicesReply}} | problems(NotSignedIn),
)
async def list_sessions(request: Request) -> Response:
    """List the caller's living sessions."""
    session = await require_session(request)
    rows = await sessions.list_of(run_of(request), session.user_id)
    devices = [
        {
            "session_id": row.id,
            "device": row.device,
            "created_at": iso(row.created_at),
            "last_seen_at": iso(row.seen_at),
        }
        | {"expires_at": iso(row.expires_at), "current": row.id == session.id}
        for row in rows
    ]
    return reply_json({"sessions": devices})


@router.delete(
    "/auth/sessions/{id}", status_code=204, summary="End one session", responses=problems(NotSignedIn, NotFound)
)
async def end_session(request: Request) -> Response:
    """End one of the caller's sessions, from its next request on."""
    session = await require_session(request)
    if not await sessions.end(run_of(request), request.path_params["id"], user_id=session.user_id):
        raise NotFound("You have no such session.")
    return Reply(b"", status=204)


@router.delete(
    "/auth/sessions",
    summary="End all other sessions",
    responses={200: {"model": models.EndedReply}} | problems(NotSignedIn),
)
async def end_other_sessions(request: Request) -> Response:
    """End all of the caller's sessions but this one."""
    session = await require_session(request)
    ended = await sessions.end_others(run_of(request), user_id=session.user_id, kept=session.id)
    return reply_json({"ended": ended})


@router.post("/auth/sign-out", status_code=204, summary="Sign out")
async def sign_out(request: Request) -> Response:
    """End this session and take its cookie away; 303 to a page for a form, 204 otherwise."""
    web = web_of(request)
    await sessions.end_by_secret(run_of(request), web.session_secret_of(request))
    gone = web.session_cookie.clear()
    if wants_html(request):
        return redirect(web.settings.url + "/auth/signed-out", headers=(gone,))
    return Reply(b"", status=204, headers=(gone,))


@router.get("/auth/signed-out", include_in_schema=False)
async def show_signed_out(request: Request) -> Response:
    """The page after signing out."""
    return web_of(request).page("signed_out.html")


@router.get("/account", include_in_schema=False)
async def show_account(request: Request) -> Response:
    """The page that knows you; the sign-in page for somebody it does not know."""
    try:
        session = await require_session(request)
    except NotSignedIn:
        return redirect(web_of(request).settings.url + "/auth/sign-in")
    run = run_of(request)
    now = run.now_us
    rows: list[dict[str, Any]] = [
        {"id": row.id, "device": row.device, "current": row.id == session.id}
        | {"created": say_ago(now - row.created_at), "last_seen": say_ago(now - row.seen_at)}
        for row in await sessions.list_of(run, session.user_id)
    ]
    words: dict[str, Any] = {"email": session.email, "sessions": rows, "can_delete": True, "message": None}
    return web_of(request).page("account.html", has_till=run.settings.has_till, **words)


@router.post("/account/sessions/end-others", include_in_schema=False)
async def end_others_by_form(request: Request) -> Response:
    """End all other sessions, from the account page."""
    session = await require_session(request)
    await sessions.end_others(run_of(request), user_id=session.user_id, kept=session.id)
    return redirect(web_of(request).settings.url + "/account")


@router.post("/account/sessions/{id}/end", include_in_schema=False)
async def end_session_by_form(request: Request) -> Response:
    """End one session, from the account page; one that is gone already is as good as ended."""
    session = await require_session(request)
    await sessions.end(run_of(request), request.path_params["id"], user_id=session.user_id)
    return redirect(web_of(request).settings.url + "/account")


@router.get("/account/delete", include_in_schema=False)
async def show_delete_account(request: Request) -> Response:
    """The page that asks whether to delete the account; a stranger signs in first and comes back."""
    try:
        session = await require_session(request)
    except NotSignedIn:
        return redirect(web_of(request).settings.url + "/auth/sign-in?next=/account/delete")
    fresh = sessions.is_fresh(run_of(request), session)
    return web_of(request).page("delete_account.html", email=session.email, fresh=fresh)


@router.post("/account/delete", include_in_schema=False)
async def delete_account(request: Request) -> Response:
    """Delete the account of whoever signed in a short while ago."""
    web, run = web_of(request), run_of(request)
    session = await require_session(request)
    if not sessions.is_fresh(run, session):
        raise SignInStale
    if (await read_fields(request)).get("confirm") != "yes":
        return redirect(web.settings.url + "/account/delete")
    await users.erase(run, session.user_id)
    log.info("account_deleted", user_id=session.user_id)
    gone = web.session_cookie.clear()
    return reply_json({}, headers=(gone,)) if is_json(request) else web.page("account_deleted.html", headers=(gone,))


def say_ago(passed_us: int) -> str:
    """Return how long ago something was, in words for the account page."""
    for unit_us, unit in ((24 * HOUR, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        count = passed_us // unit_us
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"
