"""Our two cookies, read so that nothing planted beside them is believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from tollhouse.identity.errors import CookieAmbiguous
from tollhouse.settings import Settings

BROWSER_LIFETIME_SECONDS: Final = 400 * 86_400  # the longest that browsers keep
ODD_BYTES: Final = b" \t\r\n\x0b\x0c\x00\x85\xa0\"'"


@dataclass(frozen=True, slots=True)
class Cookie:
    """A cookie of ours: `__Host-` and Secure on https, a plain name on loopback."""

    name: bytes
    secure: bool

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        r"""Return its value; raise `CookieAmbiguous` when it is there twice or under a name that only looks the same.

        A neighbour on a sibling domain can plant `\xa0__Host-…`, which browsers take for another name and servers strip
        to ours; and of two cookies nobody knows which one is genuine.
        """
        found: list[bytes] = []
        for header, line in headers:
            if header != b"cookie" or self.name not in line:
                continue
            for pair in line.split(b";"):
                name, _, value = pair.removeprefix(b" ").partition(b"=")
                if name == self.name:
                    found.append(value)
                elif name.strip(ODD_BYTES).lower() == self.name.lower():
                    raise CookieAmbiguous
        if not found:
            return None
        if len(found) > 1:
            raise CookieAmbiguous
        try:
            return found[0].decode("ascii")
        except UnicodeDecodeError:
            raise CookieAmbiguous from None

    def set(self, value: str, *, lifetime_seconds: int) -> tuple[bytes, bytes]:
        """Return the header that sets it."""
        secure = "; Secure" if self.secure else ""
        text = f"={value}; Max-Age={lifetime_seconds}; Path=/; HttpOnly; SameSite=Lax{secure}"
        return b"set-cookie", self.name + text.encode("ascii")

    def clear(self) -> tuple[bytes, bytes]:
        """Return the header that removes it."""
        return self.set("", lifetime_seconds=0)


def session_cookie(settings: Settings) -> Cookie:
    """Return the cookie that a session's secret travels in."""
    return Cookie(b"__Host-tollhouse" if settings.is_https else b"tollhouse", settings.is_https)


def browser_cookie(settings: Settings) -> Cookie:
    """Return the cookie that tells the asking browser from others."""
    return Cookie(b"__Host-tollhouse-browser" if settings.is_https else b"tollhouse-browser", settings.is_https)
