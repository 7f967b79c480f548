"""How somebody who must sign in gets there: by the form, or, where the app gave the address, by a mail at once."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.access.oidc.authorization_requests import AuthorizationRequest
from tollhouse.access.oidc.errors import OAuthError
from tollhouse.identity import addresses, redirects
from tollhouse.identity.errors import EmailInvalid
from tollhouse.identity.routes import limit_tries, send_link
from tollhouse.identity.sessions import Session
from tollhouse.identity.web import Web, run_of, web_of
from tollhouse.pages.replies import redirect

SIGN_IN_PATH: Final = "/auth/sign-in"
PREFETCHING: Final = ("sec-purpose", "purpose", "x-moz")

# "asking": the link in the mail asks before it signs in.
Mailing = Literal["at_once", "asking", "by_hand"]


async def lead_to_sign_in(
    request: Request, asked: AuthorizationRequest, session: Session | None, *, expected_user: str | None
) -> Response:
    """Return the way to a sign-in that comes back to this request; raise `OAuthError` when that is too long to keep."""
    web, run = web_of(request), run_of(request)
    url = web.settings.url
    following = asked.url_after_sign_in(url, now_us=run.now_us, expected_user=expected_user)
    if len(following) > redirects.LENGTH_MAX:
        raise OAuthError("The request is too long to come back to after signing in. Make `state` or `scope` shorter.")
    email = hinted_address(asked)
    mailing = mailing_of(request, web)
    # Somebody who is signed in is told so by the page, and chooses; nothing is sent behind their back.
    if email is None or session is not None or mailing == "by_hand":
        return redirect(f"{url}{SIGN_IN_PATH}?{urlencode({'next': following.removeprefix(url)})}")
    await limit_tries(request)
    return await send_link(request, email, redirects.parse(run.settings, following), asks=mailing == "asking")


def hinted_address(asked: AuthorizationRequest) -> str | None:
    """Return the address that the app expects, if its `login_hint` is one."""
    try:
        return addresses.parse(asked.login_hint)
    except EmailInvalid:
        return None


def mailing_of(request: Request, web: Web) -> Mailing:
    """Return whether a `login_hint` sends its mail without another click.

    A link on a stranger's page could name the stranger's own address (so that a later click signs its reader in as him)
    or anybody's (to flood a mailbox): then it takes a person at our form. A navigation that no page began may have come
    out of a mail or a chat, and of one that an old browser says nothing about nobody knows: the mail goes out, but its
    link asks before it signs in.
    """
    headers = request.headers
    if "tollhouse.head" in request.scope:  # a robot that wants to know what a link is
        return "by_hand"
    if any("prefetch" in headers.get(name, "") or "prerender" in headers.get(name, "") for name in PREFETCHING):
        return "by_hand"
    if headers.get("sec-fetch-dest", "document") != "document":
        return "by_hand"
    site, referer = headers.get("sec-fetch-site"), headers.get("referer")
    if site == "none" or (site is None and referer is None):
        return "asking"
    is_known = referer is not None and is_of_known_origin(referer, web)
    is_ours = {
        "same-origin": True,
        "same-site": True,
        "cross-site": is_known,
        None: is_known,  # an older browser, which says where it came from unless the page there forbids it
    }
    return "at_once" if is_ours.get(site, False) else "by_hand"


def is_of_known_origin(referer: str, web: Web) -> bool:
    """Whether a Referer is a page of ours or of the app's; compared at the front, as text."""
    return any((referer + "/").startswith(origin.decode("ascii") + "/") for origin in web.origins)
