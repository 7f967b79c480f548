"""Who may come in: not the page of another site, by whatever name it reaches this machine.

A page could let a name of its own point to the loopback (DNS rebinding), or send what needs no permission, a form or a
websocket's handshake, without the person who looks at it knowing. Programs send none of these headers but `Host`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
HOST: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?\Z", re.IGNORECASE)
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
OWN_SITE: Final = frozenset({"same-origin", "none"})


def find_fault(connection: HTTPConnection, own: str) -> str | None:
    """Return why a request or a websocket is refused, or None; `own` is the sandbox's address."""
    hosts = connection.headers.getlist("host")
    matched = HOST.match(hosts[0]) if len(hosts) == 1 else None
    if matched is None:
        return "The request names no host that could be this sandbox."
    if matched[1].lower() not in LOOPBACK | {_host_of(own)}:
        return f"This sandbox does not answer to the name {matched[1]}."
    if connection.scope.get("method") in SAFE:
        return None
    origin = connection.headers.get("origin")
    if origin is not None and origin.partition("://")[2].lower() != hosts[0].lower():
        return "This was sent from a page of another origin."
    if connection.headers.get("sec-fetch-site", "none") not in OWN_SITE:
        return "This was sent from a page of another site."
    return None


def _host_of(address: str) -> str:
    return urlsplit(address).netloc.rpartition("@")[2].partition(":")[0].lower()
