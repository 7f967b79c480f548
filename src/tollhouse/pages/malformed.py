"""Requests that can be read in two ways: servers let pass what a proxy before them reads otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from starlette.types import Scope

# Headers that mean something else to whoever reads the first of two and whoever reads the last.
GIVEN_ONCE: Final = frozenset(
    {b"host", b"content-length", b"content-type", b"transfer-encoding", b"authorization", b"origin", b"sec-fetch-site"}
)
HEADER_NAMES: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z:]*")  # RFC 9110 5.6.2, with the colons between them
HOST: Final = re.compile(rb"[A-Za-z0-9._:\[\]-]+")
HOST_OPTIONAL: Final = ("1.0", "2")  # RFC 9112 3.2; in HTTP/2 `:authority` stands for it
CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
# PostgreSQL stores no NUL, and nothing encodes half a character.
PATH: Final = re.compile("/[^\x00-\x08\x0e-\x1f\x7f\ud800-\udfff]*")
LENGTH: Final = re.compile(rb"[0-9]{1,18}")


def is_malformed(scope: Scope, headers: Mapping[bytes, bytes]) -> bool:
    """Whether headers, path or lengths of the request can be read in two ways."""
    names = [name.lower() for name, _ in scope["headers"]]
    return (
        (len(names) != len(headers) and any(names.count(name) > 1 for name in GIVEN_ONCE))
        or (b"transfer-encoding" in headers and b"content-length" in headers)
        or headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked"
        or not LENGTH.fullmatch(headers.get(b"content-length", b"0"))
        or not PATH.fullmatch(scope["path"])
        or not HOST.fullmatch(headers.get(b"host", b"none" if scope["http_version"] in HOST_OPTIONAL else b""))
        or not HEADER_NAMES.fullmatch(b":".join(names))
        or CONTROL.search(b"".join([value for _, value in scope["headers"]])) is not None
    )
