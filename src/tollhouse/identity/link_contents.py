"""What a magic link keeps sealed: whose it is, where it leads, and whether it asks first."""

from __future__ import annotations

import json
from typing import NamedTuple

from tollhouse.signing.sealing import derive_key, open_sealed, seal
from tollhouse.signing.tokens import secret_of


class Content(NamedTuple):
    """The sealed part; where a sign-in leads is sealed too, for an OIDC request names the address in it."""

    email: str
    next_url: str
    asks: bool = False  # the page asks before it signs in, even in the browser that the mail was asked for in


def seal_content(key: bytes, content: Content, *, link_id: str) -> bytes:
    """Seal it under one of the two keys below."""
    return seal(key, json.dumps(content).encode(), context=link_id)


def open_content(key: bytes, sealed: bytes, *, link_id: str) -> Content:
    """Return what was sealed; raise `SealBroken` for another key or another link."""
    return Content(*json.loads(open_sealed(key, sealed, context=link_id)))


def token_key(secret: bytes) -> bytes:
    """Return the key that the link's own token opens."""
    return derive_key(secret, "address under the link's token")


def browser_key(browser: str) -> bytes:
    """Return the key that the asking browser's secret opens."""
    return derive_key(secret_of(browser), "address under the browser's secret")
