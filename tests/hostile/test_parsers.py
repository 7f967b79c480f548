"""Everything that reads what a stranger sent, fed with anything at all."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.requests import Request

from tollhouse.errors import BodyInvalid
from tollhouse.identity.cookies import Cookie
from tollhouse.identity.errors import CookieAmbiguous
from tollhouse.limits.networks import TrustedProxies, network_of
from tollhouse.pages.bodies import FIELDS_MAX, read_fields
from tollhouse.telemetry.logs import redact

COOKIE = Cookie(b"__Host-tollhouse", secure=True)
TYPES = ("application/json", "application/x-www-form-urlencoded", "text/plain", "", "application/json; charset=utf-16")


def read_cookie(*lines: bytes) -> str | None:
    return COOKIE.read([(b"cookie", line) for line in lines])


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_any_cookie_header_is_read_or_refused(lines: list[bytes]) -> None:
    with suppress(CookieAmbiguous):
        assert isinstance(read_cookie(*lines), str | None)


@given(st.binary(max_size=4), st.binary(max_size=4), st.text("abcdefXYZ019-_", max_size=43))
def test_only_the_exact_name_once_is_believed(before: bytes, after: bytes, value: str) -> None:
    line = before + b"__Host-tollhouse" + after + b"=" + value.encode()
    try:
        found = read_cookie(line)
    except CookieAmbiguous:
        return
    if found == value and value:
        assert line.split(b";")[-1].removeprefix(b" ") == b"__Host-tollhouse=" + value.encode()


@pytest.mark.parametrize(
    "lines",
    [
        (b"__Host-tollhouse=a; __Host-tollhouse=b",),
        (b"__Host-tollhouse=a", b"__Host-tollhouse=a"),
        (b"\xa0__Host-tollhouse=a",),
        (b"__Host-tollhouse\t=a",),
        (b"__host-tollhouse=a",),
        (b"__HOST-TOLLHOUSE=a",),
        (b"__Host-tollhouse=a; \x00__Host-tollhouse=b",),
        (b"__Host-tollhouse=\xff",),
        (b'"__Host-tollhouse"=a',),
        (b"\xe2\x80\x80__Host-tollhouse=a; __Host-tollhouse=b",),
        (b"__Host-tollhouse=a;__Host-tollhouse=b",),
    ],
)
def test_a_second_or_a_look_alike_cookie_is_refused_or_ignored(lines: tuple[bytes, ...]) -> None:
    try:
        found = read_cookie(*lines)
    except CookieAmbiguous:
        return
    assert found == ("b" if lines[0].startswith(b"\xe2") else None), "another name, for every reader"


def test_its_own_cookie_is_read_among_others() -> None:
    assert read_cookie(b"a=b; __Host-tollhouse=secret; __Host-tollhouse-browser=other") == "secret"
    assert read_cookie(b"__Host-tollhouse-browser=other; a=__Host-tollhouse") is None


ips = st.one_of(
    st.ip_addresses().map(str),
    st.text(max_size=20),
    st.sampled_from(["unknown", "", "_hidden", "[::1]:80", "1.2.3.4:80", "::ffff:1.2.3.4", "1.2.3.4, 5.6.7.8"]),
)
proxies = st.one_of(
    st.just(()),
    st.integers(0, 4).map(lambda count: (str(count),)),
    st.lists(st.ip_addresses().map(str), max_size=3).map(tuple),
)


@given(proxies, st.one_of(st.none(), ips), st.lists(ips, max_size=4))
@example(("²",), "10.0.0.1", ["1.2.3.4"]).xfail(raises=ValueError, reason="refused by the settings before")
def test_a_client_always_has_an_ip_and_a_network(
    configured: tuple[str, ...], peer: str | None, forwarded: list[str]
) -> None:
    ip = TrustedProxies(configured).client_ip(peer, forwarded)
    ipaddress.ip_address(ip)
    ipaddress.ip_network(network_of(ip))


@given(st.lists(ips, max_size=5), st.integers(1, 3))
def test_what_a_client_forges_on_the_left_changes_nothing(forged: list[str], hops: int) -> None:
    vouched = [f"192.0.2.{number}" for number in range(1, hops + 1)]
    honest = TrustedProxies((str(hops),)).client_ip("10.0.0.1", [",".join(vouched)])
    assert TrustedProxies((str(hops),)).client_ip("10.0.0.1", [*forged, ",".join(vouched)]) == honest == "192.0.2.1"


@given(st.lists(ips, max_size=5))
def test_without_a_trusted_proxy_nobody_is_believed(forged: list[str]) -> None:
    assert TrustedProxies(()).client_ip("203.0.113.9", forged) == "203.0.113.9"
    assert TrustedProxies(("10.0.0.0/8",)).client_ip("203.0.113.9", forged) == "203.0.113.9"


def test_proxies_by_network_are_walked_from_the_right() -> None:
    trusted = TrustedProxies(("10.0.0.0/8", "fd00::/8"))
    assert trusted.client_ip("10.0.0.1", ["9.9.9.9, 203.0.113.9, 10.0.0.2", "fd00::1"]) == "203.0.113.9"
    assert trusted.client_ip("10.0.0.1", []) == "10.0.0.1"
    assert TrustedProxies(("1",)).client_ip(None, ["203.0.113.9"]) == "203.0.113.9", (
        "a proxy on a socket file has no IP"
    )


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
    ],
)
def test_limits_count_a_whole_customer(ip: str, network: str) -> None:
    assert network_of(TrustedProxies(()).client_ip(ip, [])) == network


async def fields_of(body: bytes, kind: str) -> Mapping[str, Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await read_fields(Request({"type": "http", "headers": [(b"content-type", kind.encode())]}, receive))


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
bodies = st.one_of(
    st.binary(max_size=80),
    json_like.map(lambda value: json.dumps(value).encode()),
    st.text("abc=&%+;0fF", max_size=40).map(str.encode),
)


@given(bodies, st.sampled_from(TYPES))
async def test_any_body_is_fields_once_each_or_refused(body: bytes, kind: str) -> None:
    try:
        fields = await fields_of(body, kind)
    except BodyInvalid:
        return
    assert isinstance(fields, dict)
    for name, value in fields.items():
        assert isinstance(name, str)
        json.dumps({name: value}, ensure_ascii=False).encode()  # whole characters only


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"a":1,"a":2}', TYPES[0]),
        (b'{"a":{"b":1,"b":2}}', TYPES[0]),
        (b'{"a":"\\ud800"}', TYPES[0]),
        (b"[]", TYPES[0]),
        (b"[" * 30_000, TYPES[0]),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, TYPES[0]),
        (b'{"a":' + b"9" * 30_000 + b"}", TYPES[0]),
        ('{"a":1}'.encode("utf-16"), TYPES[0]),
        (b"\xef\xbb\xbf{}", TYPES[0]),
        (b"", TYPES[0]),
        (b"\x1f\x8b\x08\x00", TYPES[0]),
        (b"a=1&a=2", TYPES[1]),
        (b"a=%ff", TYPES[1]),
        (b"a=\xff", TYPES[1]),
        (b"a=1", "text/plain"),
        (b"&".join(b"f%d=1" % number for number in range(FIELDS_MAX + 1)), TYPES[1]),
    ],
    ids=lambda value: ascii(value)[:30],
)
async def test_what_could_be_read_two_ways_is_refused(body: bytes, kind: str) -> None:
    with pytest.raises(BodyInvalid):
        await fields_of(body, kind)


async def test_plain_bodies_are_read() -> None:
    assert await fields_of(b'{"a":"\\ud83d\\ude00","b":[1]}', TYPES[0]) == {"a": "😀", "b": [1]}
    assert await fields_of(b"a=b%20c+d&e=", TYPES[1]) == {"a": "b c d", "e": ""}


@given(st.text(), st.text())
def test_a_log_line_is_one_line_without_addresses(before: str, after: str) -> None:
    line = redact(f"{before} alice@example.com {after}\r\n\x1b[0m")
    assert "alice@example.com" not in line
    assert len(line.splitlines()) <= 1
