"""Who asks: the client's IP, believed only from trusted proxies, and the network that limits count."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

IPV6_PREFIX: Final = 64  # one customer commonly has a whole /64
UNKNOWN: Final = "0.0.0.0"  # noqa: S104 (no address to bind: a client that the server does not name, on a socket file)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class TrustedProxies:
    """The proxies before us: so many hops, or these networks; `X-Forwarded-For` counts only through them."""

    def __init__(self, configured: Sequence[str]) -> None:
        """Take TRUSTED_PROXIES: one number, or networks."""
        counted = len(configured) == 1 and configured[0].isascii() and configured[0].isdigit()
        self._hops = int(configured[0]) if counted else 0
        self._networks = () if counted else tuple(ipaddress.ip_network(each) for each in configured)

    def client_ip(self, peer: str | None, forwarded_for: Sequence[str]) -> str:
        """Return the client's IP; `forwarded_for` is every X-Forwarded-For header in order.

        Read from the right: each trusted hop vouches for the entry before it, and the first one that nobody vouches
        for is the client. What a client itself wrote further left is never reached.
        """
        current = parse(peer)
        if not self._hops and (current is None or not self._networks):
            return str(current or UNKNOWN)
        entries = [part.strip() for header in forwarded_for for part in header.split(",")]
        hops = self._hops
        while entries and (hops > 0 or self._is_trusted(current)):
            hops -= 1
            entry = parse(entries.pop())
            if entry is None:
                break
            current = entry
        return str(current or UNKNOWN)

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def parse(text: str | None) -> Address | None:
    """Return an IP address without port, brackets or zone, or None; IPv4 inside IPv6 is IPv4."""
    if not text:
        return None
    text = text.split("]")[0].removeprefix("[").split("%")[0]
    if text.count(":") == 1:
        text = text.split(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def network_of(ip: str) -> str:
    """Return what limits count for an IP: itself, or its /64 for IPv6."""
    address = parse(ip)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))
    return ip
