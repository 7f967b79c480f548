"""Where a sign-in may lead: a path here, or an address on one of the app's exact origins."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qs, unquote

from tollhouse.identity.errors import NextInvalid
from tollhouse.settings import Settings

DEFAULT: Final = "/account"
AUTHORIZE_PATH: Final = "/oauth/authorize"
LENGTH_MAX: Final = 2_000
ADDRESS_LENGTH_MAX: Final = 254
# Printable ASCII without what URL parsers read differently: no space, backslash, quotes, angle brackets or control.
PLAIN: Final = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]*")
ENCODED_LETTER: Final = re.compile("%(?:2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")


def parse(settings: Settings, wanted: object) -> str:
    """Return an absolute URL on a known origin; raise `NextInvalid` for everything else.

    Origins are compared as text at the front, never through a URL parser, so that no browser can read another host.
    """
    if wanted is None or wanted == "":
        return settings.url + DEFAULT
    if not isinstance(wanted, str) or len(wanted) > LENGTH_MAX or not PLAIN.fullmatch(wanted):
        raise NextInvalid
    if has_dot_segments(wanted) or has_encoded_letters(wanted):
        raise NextInvalid
    if wanted.startswith("/") and not wanted.startswith("//"):
        return settings.url + wanted
    for origin in (settings.url, *settings.app_origins):
        if wanted == origin or wanted.startswith((origin + "/", origin + "?", origin + "#")):
            return wanted
    raise NextInvalid


def has_dot_segments(url: str) -> bool:
    """Whether a browser would tidy the path up, and so ask for another one than is written here."""
    segments = _path_of(url).lower().replace("%2e", ".").split("/")[1:]
    return "." in segments or ".." in segments


def has_encoded_letters(url: str) -> bool:
    """Whether the path encodes what need not be (RFC 3986, 2.3), and so spells an address that it hides."""
    return ENCODED_LETTER.search(_path_of(url)) is not None


def _path_of(url: str) -> str:
    """Return the path, with what stands before it."""
    return re.split("[?#]", url, maxsplit=1)[0]


def hinted_address(settings: Settings, wanted: str | None) -> str:
    """Return the address that the request of an OIDC client expects, for its field to hold it already; else nothing."""
    if not wanted or not begins_elsewhere(settings, parse(settings, wanted)):
        return ""
    hints = parse_qs(wanted.partition("?")[2]).get("login_hint", [""])
    return hints[0] if len(hints[0]) <= ADDRESS_LENGTH_MAX and hints[0].isprintable() else ""


def begins_elsewhere(settings: Settings, url: str) -> bool:
    """Whether a sign-in was begun by an OIDC client, whose browser alone can finish it."""
    return unquote(_path_of(url)).rstrip("/") == settings.url + AUTHORIZE_PATH  # as our server would read it
