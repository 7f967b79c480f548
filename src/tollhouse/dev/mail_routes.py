"""The mail catcher's pages."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tollhouse.errors import NotFound
from tollhouse.identity.web import web_of
from tollhouse.mail.transport import MemoryTransport
from tollhouse.pages.bodies import read_fields
from tollhouse.pages.headers import mail_frame_headers, security_headers
from tollhouse.pages.replies import redirect, reply_json, reply_page
from tollhouse.pages.routing import PlainRoute

router: Final = APIRouter(route_class=PlainRoute, include_in_schema=False)


def _caught(request: Request) -> list[SimpleNamespace]:
    """Return the caught mails, newest first, each with its number from the oldest as id."""
    transport: MemoryTransport = request.app.state.tollhouse_catcher
    return [
        SimpleNamespace(**mail | {"id": str(transport.count - place), "received_at": _say_time(mail["received_at"])})
        for place, mail in enumerate(transport.as_json())
    ]


def _say_time(iso: str | None) -> str:
    """Return a mail's time in words; in UTC, for the catcher does not know where its reader lives."""
    return datetime.fromisoformat(iso or "").strftime("%-d %B %Y, %H:%M:%S UTC")


def _find(request: Request) -> SimpleNamespace:
    wanted = request.path_params["id"]
    for mail in _caught(request):
        if mail.id == wanted:
            return mail
    raise NotFound("This mail is not here any more.")


@router.get("/")
async def show_start(request: Request) -> Response:
    """Lead whoever opens the bare address to the page that knows them, and from there to the sign-in page."""
    return redirect(web_of(request).settings.url + "/account")


@router.get("/dev/mail.json")
async def list_as_json(request: Request) -> Response:
    """The caught mails for programs."""
    transport: MemoryTransport = request.app.state.tollhouse_catcher
    return reply_json(transport.as_json())


@router.get("/dev/mail")
async def show_list(request: Request) -> Response:
    """The caught mails."""
    return web_of(request).page("dev_mail_list.html", mails=_caught(request))


@router.get("/dev/mail/{id}")
async def show_mail(request: Request) -> Response:
    """One mail as HTML at phone and desktop width, and as text."""
    web = web_of(request)
    html = web.pages.render("dev_mail.html", mail=_find(request))
    # Using the code from here may lead to the app, which Chromium holds to `form-action`; CSP knows no IPv6 literals.
    targets = [origin for origin in web.settings.app_origins if "[" not in origin]
    return reply_page(html, headers=security_headers(form_targets=targets, https=False, frames=True))


@router.get("/dev/mail/{id}/html")
async def show_mail_html(request: Request) -> Response:
    """One mail's HTML, for the frames around it."""
    return reply_page(_find(request).html, headers=mail_frame_headers(https=False))


@router.post("/dev/clock/advance")
async def advance_clock(request: Request) -> Response:
    """Turn the clock forward by `seconds`, to see what expires."""
    seconds = (await read_fields(request)).get("seconds")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= 10 * 365 * 86_400:
        raise NotFound("`seconds` must be a whole number above 0.")
    request.app.state.tollhouse_run.clock.advance(seconds)
    return reply_json({"advanced_seconds": seconds})
