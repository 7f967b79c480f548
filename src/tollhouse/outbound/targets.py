"""A URL taken apart once, strictly, so that what was checked and what is called cannot be two things."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from tollhouse.outbound.addresses import Reach, is_allowed
from tollhouse.outbound.errors import OutboundRefused

URL_CHARACTERS_MAX: Final = 2048
PORT_MAX: Final = 65535
DEFAULT_PORTS: Final = {"https": 443, "http": 80}
# Not looked up: whatever a resolver says, these names are this machine (RFC 6761, 6.3).
LOOPBACK: Final = {"localhost": ("127.0.0.1", "::1"), "127.0.0.1": ("127.0.0.1",), "::1": ("::1",)}
# No user and password, no fragment, no backslash, blank or control character: where parsers disagree, none is asked.
URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:\[(?P<ipv6>[0-9a-f:.]{2,45})\]|(?P<name>[a-z0-9._-]{1,253}))"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:/[!$-;=?-\[\]_a-z~]*)?(?:\?[!$-;=?-\[\]_a-z~]*)?)",
    re.ASCII | re.IGNORECASE,
)
LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")  # a name that ends so is an address to some (WHATWG URL, 3.5)


@dataclass(frozen=True, slots=True)
class Target:
    """What is called: scheme, host in lower case without brackets, port, path and query."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]  # where the URL itself says them; else the name is to be looked up

    @classmethod
    def parse(cls, url: str, reach: Reach) -> Target:
        """Return what a URL names; raise `OutboundRefused` for what is not called whoever resolves it.

        https only; http, and this machine at all, only where the operator's own URL says literally `localhost`,
        `127.0.0.1` or `[::1]`.
        """
        found = URL.fullmatch(url) if len(url) <= URL_CHARACTERS_MAX else None
        if found is None:
            raise OutboundRefused("url", "A URL to call is https, with a host in ASCII and without user or fragment.")
        scheme = found["scheme"].lower()
        host = _read_ipv6(found["ipv6"]) if found["ipv6"] else found["name"].lower()
        port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
        if not 0 < port <= PORT_MAX:
            raise OutboundRefused("url", "The port of a URL to call is from 1 to 65535.")
        path = found["target"] if found["target"].startswith("/") else f"/{found['target']}"
        return cls(scheme, host, port, path, _find_addresses(scheme, host, reach))

    @property
    def authority(self) -> str:
        """What `Host` says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


def _read_ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise OutboundRefused("url", "The host of a URL to call is no IPv6 address.") from None


def _find_addresses(scheme: str, host: str, reach: Reach) -> tuple[str, ...]:
    if reach is not Reach.PUBLIC and host in LOOPBACK:
        return LOOPBACK[host]
    if scheme != "https":
        raise OutboundRefused("url", "Only https is called.")
    if _is_literal(host):
        if not is_allowed(host, reach):
            raise OutboundRefused("address", "The URL names an address that is not called from here.")
        return (host,)
    if host == "localhost":
        raise OutboundRefused("address", "The URL names this machine.")
    return ()


def _is_literal(host: str) -> bool:
    if ":" in host:
        return True
    labels = host.split(".")
    if not all(LABEL.fullmatch(label) for label in labels):
        raise OutboundRefused("url", "The host of a URL to call is no name.")
    if not NUMBER.fullmatch(labels[-1]):
        return False
    try:
        ipaddress.IPv4Address(host)
    except ValueError:  # 127.1, 0x7f000001, 0177.0.0.1: an address to `inet_aton`, and so to many resolvers
        raise OutboundRefused("url", "The host of a URL to call is no address in four decimal parts.") from None
    return True
