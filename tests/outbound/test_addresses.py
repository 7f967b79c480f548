"""Which addresses are called: each kind with its yes and its no."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.outbound.addresses import Reach, is_allowed

PUBLIC = [
    "93.184.215.14",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "2606:4700::1111",
]
PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "127.0.0.1", "127.255.255.254", "::1"),
    *("100.64.0.1", "100.127.255.255", "198.18.0.1", "fc00::1", "fd12:3456::1"),
    *("::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::1"),  # 10.0.0.1 mapped, by NAT64, by 6to4
    *("::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"),  # IPv4 in disguise, whatever it hides
]
NEVER = [
    *(
        "169.254.169.254",
        "fe80::1",
        "fe80::1%eth0",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "fd20:ce::254",
    ),
    *("192.0.0.192", "0.0.0.0", "0.1.2.3", "::", "224.0.0.1", "239.1.1.1", "ff02::1", "240.0.0.1", "255.255.255.255"),
    *(
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "2001:db8::1",
        "3fff::1",
        "2001::1",
        "2001:0:7f00:1::",
        "192.88.99.1",
    ),
    *("::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b:1::a00:1", "fec0::1", "100::1", "5f00::1", "4000::1"),
    *("", "localhost", "127.1", "0x7f000001", "2130706433", "1.1.1.1:80", "[::1]", "1.1.1.1 ", "１.1.1.1"),
]


@pytest.mark.parametrize("address", PUBLIC)
@pytest.mark.parametrize("reach", Reach)
def test_a_public_address_is_called_by_all(address: str, reach: Reach) -> None:
    assert is_allowed(address, reach)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_called_only_where_the_operator_vouches_for_the_network(address: str) -> None:
    assert is_allowed(address, Reach.PRIVATE)
    assert not is_allowed(address, Reach.PUBLIC)
    assert not is_allowed(address, Reach.CONFIGURED)


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("reach", Reach)
def test_what_hands_out_a_machines_keys_or_is_no_place_is_called_by_nobody(address: str, reach: Reach) -> None:
    assert not is_allowed(address, reach)


@given(st.ip_addresses())
def test_what_python_calls_private_is_not_called_for_strangers(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    doubtful = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    if doubtful or address.is_reserved or address.is_unspecified or not address.is_global:
        assert not is_allowed(str(address), Reach.PUBLIC)


@given(st.text())
def test_no_text_breaks_the_judgement(text: str) -> None:
    assert is_allowed(text, Reach.PUBLIC) in (True, False)
