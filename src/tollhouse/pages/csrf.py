"""Cross-site requests: refused unless the browser says they come from here or from an origin of the app."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def is_allowed(headers: Mapping[bytes, bytes], origins: Collection[bytes]) -> bool:
    """Whether an unsafe request may rely on a cookie; `origins` are our own and the app's, exact.

    `Sec-Fetch-Site` is the browser's own word and goes first; `Origin` serves older browsers and names the app's
    origins. A client that sends neither is no browser, so there is no user to be tricked.
    """
    site = headers.get(b"sec-fetch-site")
    if site in (b"same-origin", b"none"):
        return True
    origin = headers.get(b"origin")
    if origin is not None:
        return origin in origins
    return site is None
