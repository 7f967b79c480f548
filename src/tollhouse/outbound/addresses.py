"""Which addresses may be called: public ones, and others only where the operator said so."""

from __future__ import annotations

import enum
import ipaddress
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Reach(enum.Enum):
    """How far a call may go; it depends on who wrote the URL."""

    PUBLIC = "public"  # a stranger or a customer did: https, to public addresses
    CONFIGURED = "configured"  # the operator did: also to this machine, where the URL names it literally
    PRIVATE = "private"  # the operator did, and vouches for the network: https to private addresses too


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Ours, not `is_private` and its kind: what those say has changed between patch releases of Python.
PUBLIC_IPV6: Final = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out; nothing else is routed
PRIVATE: Final = _networks(
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),  # RFC 1918
    *("127.0.0.0/8", "::1/128"),
    "100.64.0.0/10",  # RFC 6598: carrier-grade NAT, and some clouds' inside
    "198.18.0.0/15",  # RFC 2544: benchmarks, in use as private
    "fc00::/7",  # RFC 4193
)
NEVER: Final = _networks(
    *("169.254.0.0/16", "fe80::/10"),  # link-local: where the keys of a cloud's machine are handed out
    # The same elsewhere: Alibaba, Azure, Amazon, Google. (Oracle's 192.0.0.192 is in a network below.)
    *("100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::/32"),
    *("0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "ff00::/8"),  # this host, multicast, reserved and broadcast
    *("192.0.0.0/24", "192.88.99.0/24", "2001::/23"),  # protocol assignments (Teredo among them), 6to4 relays
    *("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"),  # documentation
)
MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")  # RFC 4291
NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
SIX_TO_FOUR: Final = ipaddress.IPv6Network("2002::/16")  # RFC 3056
LOW_32_BITS: Final = 0xFFFFFFFF


def is_allowed(text: str, reach: Reach) -> bool:
    """Whether a call may connect to this address; what is no plain address is not allowed."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    inner = _embedded(address)
    if inner is not None:  # IPv4 in disguise: a translator on the way would carry it to wherever that is
        return reach is Reach.PRIVATE and _is_allowed(inner, reach)
    return _is_allowed(address, reach)


def _is_allowed(address: Address, reach: Reach) -> bool:
    if any(address in network for network in NEVER):
        return False
    if any(address in network for network in PRIVATE):
        return reach is Reach.PRIVATE
    return address.version == 4 or address in PUBLIC_IPV6


def _embedded(address: Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in MAPPED or address in NAT64:
        return ipaddress.IPv4Address(int(address) & LOW_32_BITS)
    if address in SIX_TO_FOUR:
        return ipaddress.IPv4Address(int(address) >> 80 & LOW_32_BITS)
    return None
