"""Back to the client: by redirect, or by a page where a redirect would be held back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request

from tollhouse.access.clients import Client
from tollhouse.access.oidc.errors import OAuthError
from tollhouse.identity.web import Web, web_of
from tollhouse.pages.replies import Reply, redirect

SAME_ORIGIN: Final = "same-origin"


@dataclass(frozen=True, slots=True)
class Return:
    """Where the reply to an authorization request goes."""

    client: Client
    redirect_uri: str
    state: str | None

    def with_code(self, request: Request, code: str) -> Reply:
        """Return the reply that brings the code."""
        return self._reply(request, {"code": code})

    def with_error(self, request: Request, error: OAuthError) -> Reply:
        """Return the reply that brings an error (RFC 6749, 4.1.2.1)."""
        return self._reply(request, {"error": error.code, "error_description": error.public_detail})

    def _reply(self, request: Request, says: dict[str, str]) -> Reply:
        """Name ourselves as well, so that a client of several issuers cannot be told a code is another's (RFC 9207)."""
        state = {} if self.state is None else {"state": self.state}
        says = {**says, **state, "iss": web_of(request).settings.url}
        return go_back(request, append(self.redirect_uri, says), name=self.client.name)


def append(uri: str, parameters: dict[str, str]) -> str:
    """Return the URI with further parameters, its own kept as they are."""
    if not parameters:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"


def go_back(request: Request, url: str, *, name: str) -> Reply:
    """Return what leads a browser to a client's address, which must be one that is registered.

    When one of our own forms is behind the request, browsers hold the whole chain of redirects to the form's page's
    `form-action`, which names no client: then a page goes on by itself instead, with a link for whoever waits.
    """
    web = web_of(request)
    if not came_from_our_page(request, web):
        return redirect(url)
    return web.page("continue.html", url=url, client_name=name)


def came_from_our_page(request: Request, web: Web) -> bool:
    """Whether a page of ours led here, by the browser's own word."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == SAME_ORIGIN
    return (request.headers.get("referer") or "").startswith(web.settings.url + "/")
