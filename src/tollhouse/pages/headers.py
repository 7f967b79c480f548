"""The headers that keep a page to itself: nothing foreign runs in it, frames it, or hears about it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

Headers = tuple[tuple[bytes, bytes], ...]

HSTS_SECONDS: Final = 63_072_000  # two years

# A host as CSP's host-source takes it: lower-case ASCII labels. IPv6 literals and wildcards are left out on purpose:
# browsers ignore the first, so the redirect would fail without a word; the second names more than was validated.
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN: Final = re.compile(rf"https?://{_LABEL}(?:\.{_LABEL})*(?::[0-9]{{1,5}})?", re.ASCII)

_FIXED: Final[Headers] = (
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: with it Chromium posts our forms with `Origin: null`, which the CSRF check must refuse.
    # The callback's token is safe under it, for a fragment is never part of a Referer.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cache-control", b"no-store"),
)


def security_headers(*, form_targets: Sequence[str], https: bool, frames: bool = False) -> list[tuple[bytes, bytes]]:
    """The headers of an HTML page, as ASGI wants them; computed once for each combination.

    `form_targets` are the origins (`https://app.example.com`) that a form's redirect may lead to beside our own:
    Chromium holds redirects to `form-action`. `frames` lets the page frame our own pages (the mail catcher does).
    Raises `ValueError` for anything that is not exactly an origin, so nothing can smuggle in a directive.
    """
    return list(_page_headers(tuple(form_targets), https=https, frames=frames))


def mail_frame_headers(*, https: bool) -> list[tuple[bytes, bytes]]:
    """The headers of a mail's HTML inside the mail catcher's frame: it shows, and does nothing else."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; "
    policy += "base-uri 'none'; frame-ancestors 'self'; sandbox"
    framed = [(name, b"SAMEORIGIN" if name == b"x-frame-options" else value) for name, value in _FIXED]
    return [(b"content-security-policy", policy.encode()), *framed, *_transport(https=https)]


@lru_cache(maxsize=256)
def _page_headers(form_targets: tuple[str, ...], *, https: bool, frames: bool) -> Headers:
    policy = _policy(form_targets, frames=frames)
    return ((b"content-security-policy", policy.encode("ascii")), *_FIXED, *_transport(https=https))


def _policy(form_targets: tuple[str, ...], *, frames: bool) -> str:
    for origin in form_targets:
        if not _ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is not an origin such as https://app.example.com")
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "script-src 'self'",
            "img-src 'self' data:",
            "connect-src 'self'",
            "font-src 'none'",
            *(("frame-src 'self'",) if frames else ()),
            " ".join(("form-action 'self'", *dict.fromkeys(form_targets))),
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _transport(*, https: bool) -> Headers:
    # Without includeSubDomains: mounted on example.com it would switch every subdomain to https for two years, and
    # that is for the domain's owner to decide.
    return ((b"strict-transport-security", f"max-age={HSTS_SECONDS}".encode()),) if https else ()
