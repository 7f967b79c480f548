"""Where a sign-in may lead: a path here, or an address on one of the app's exact origins."""

from __future__ import annotations

import re
from typing import Final

from tollhouse.identity.errors import NextInvalid
from tollhouse.settings import Settings

DEFAULT: Final = "/account"
LENGTH_MAX: Final = 2_000
# Printable ASCII without what URL parsers read differently: no space, backslash, quotes, angle brackets or control.
PLAIN: Final = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*")


def parse(settings: Settings, wanted: object) -> str:
    """Return an absolute URL on a known origin; raise `NextInvalid` for everything else.

    Origins are compared as text at the front, never through a URL parser, so that no browser can read another host.
    """
    if wanted is None or wanted == "":
        return settings.url + DEFAULT
    if not isinstance(wanted, str) or len(wanted) > LENGTH_MAX or not PLAIN.fullmatch(wanted):
        raise NextInvalid
    if wanted.startswith("/") and not wanted.startswith("//"):
        return settings.url + wanted
    for origin in (settings.url, *settings.app_origins):
        if wanted == origin or wanted.startswith((origin + "/", origin + "?", origin + "#")):
            return wanted
    raise NextInvalid


def begins_elsewhere(settings: Settings, url: str) -> bool:
    """Whether a sign-in was begun by an OIDC client, whose browser alone can finish it."""
    return url.startswith(f"{settings.url}/oauth/authorize?")
