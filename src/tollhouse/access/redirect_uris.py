"""Addresses that a client sends people to: which ones may be registered, and how they are compared."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from tollhouse.identity.redirects import PLAIN, has_dot_segments
from tollhouse.settings_checks import origin_problem

LENGTH_MAX: Final = 500
NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
OWN_SCHEME: Final = re.compile(r"(?!https?:)[A-Za-z][A-Za-z0-9+.\-]*:")
# What the reply says there (RFC 6749, 4.1.2; RFC 9207, 2): said twice, each parser would believe another one.
RESERVED: Final = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})
LOOPBACK: Final = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[1-9][0-9]{0,4})?(?=[/?]|\Z)")


def redirect_uri_problem(uri: str) -> str | None:
    """Say why nobody may be sent to an address after a sign-in, or None if it is a safe one.

    Later it is compared as text and nothing else (RFC 9700 2.1), so it must be one that every parser reads alike.
    """
    if len(uri) > LENGTH_MAX or not PLAIN.fullmatch(uri):
        return f"A redirect URI is longer than {LENGTH_MAX} characters, or not plain ASCII."
    if "@" in uri.partition("?")[0]:  # not quoted, for what stands before it may be a password
        return "A redirect URI holds a user, a password or another `@` in its path."
    if OWN_SCHEME.match(uri):
        return (
            f"{uri!r} has a scheme of its own, which any app of the machine may claim. Use https, on a domain that "
            "lets the app claim it, or http://127.0.0.1 with whatever port is free."
        )
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{uri!r} is no URL. Write it like https://app.example.com/callback"
    return _host_problem(uri, parts) or _shape_problem(uri, parts)


def _host_problem(uri: str, parts: SplitResult) -> str | None:
    if _is_odd_number(parts.hostname or ""):
        return f"{uri!r} names a machine by a number in an odd way, which browsers read as another one or as none."
    return origin_problem("A redirect URI", f"{parts.scheme}://{parts.netloc}")


def _shape_problem(uri: str, parts: SplitResult) -> str | None:
    if "#" in uri or "*" in uri or has_dot_segments(uri) or not uri.startswith(f"{parts.scheme}://"):
        return f"{uri!r} holds a fragment, a wildcard or dot segments. Write one exact address for each page."
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if name in RESERVED:
            return f"{uri!r} says `{name}` in its query, which the reply says there itself. Take it out."
    return None


def _is_odd_number(host: str) -> bool:
    """Whether browsers take a host for an IPv4 address that is not written like one: `0x7f.1`, `2130706433`."""
    if not NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return True
    return False


def is_on_this_machine(uri: str) -> bool:
    """Whether a registered address is on the person's own machine, where any program could take the reply."""
    return uri.startswith("http://")  # plain http is registered for loopback alone


def without_port(uri: str) -> str | None:
    """Return a loopback address without its port, which an app is given anew each time (RFC 8252, 7.3); else None.

    Not for `localhost`, which may be another machine by its name (8.3).
    """
    match = LOOPBACK.match(uri)
    return None if match is None else match[1] + uri[match.end() :]
