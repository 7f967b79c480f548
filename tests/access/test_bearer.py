"""The `Authorization` header is read in one way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.access.bearer import read_token
from tollhouse.access.errors import NotAuthenticated, TokenInvalid

HOST = (b"host", b"api.example.com")


@pytest.mark.parametrize(
    "value", [b"Bearer a.b.c", b"bearer a.b.c", b"BEARER a.b.c", b"Bearer   a.b.c", b" Bearer a.b.c\t"]
)
def test_the_scheme_has_any_case_and_one_or_more_spaces(value: bytes) -> None:
    assert read_token([HOST, (b"authorization", value)]) == "a.b.c"
    assert read_token([(b"Authorization", value), HOST]) == "a.b.c"


def test_a_token_has_the_characters_of_the_rfc() -> None:
    token = "azAZ09-._~+/=="
    assert read_token([(b"authorization", b"Bearer " + token.encode())]) == token


@pytest.mark.parametrize(
    "headers",
    [[], [HOST], [HOST, (b"cookie", b"authorization=Bearer a.b.c")], [(b"proxy-authorization", b"Bearer a.b.c")]],
)
def test_no_header_is_no_token(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(NotAuthenticated):
        read_token(headers)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"Basic YWxpY2U6c2VjcmV0",
        b"DPoP a.b.c",
        b"Bearerx a.b.c",
        b"Bearer-x a",
        b"BearerToken",
        b"a.b.c",
        b"\xff\xfe",
        b"Digest bearer a",
    ],
)
def test_another_scheme_is_no_token(value: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        read_token([(b"authorization", value)])


GARBLED = [
    *(
        b"Bearer",
        b"Bearer ",
        b"Bearer\ta.b.c",
        b"Bearer: a.b.c",
        b"Bearer=a.b.c",
        b"Bearer,a",
        b"Bearer a b",
        b"Bearer a,b",
    ),
    *(
        b'Bearer "a.b.c"',
        b"Bearer a.b.c, Bearer d.e.f",
        b"Bearer a\x00b",
        b"Bearer a\r\nb",
        b"Bearer \xc3\xa9",
        b"Bearer =",
        b"Bearer a=b",
    ),
    *(b"Bearer a.b.c;", b"Bearer {a}", b"Bearer\x0ba.b.c", b"Bearer\xa0a.b.c", b"Bearer Bearer a.b.c"),
]


@pytest.mark.parametrize("value", GARBLED)
def test_a_garbled_one_is_refused(value: bytes) -> None:
    with pytest.raises(TokenInvalid) as caught:
        read_token([(b"authorization", value)])
    assert caught.value.reason == "header_garbled"


@pytest.mark.parametrize("second", [b"Bearer a.b.c", b"Bearer d.e.f", b"Basic YWxpY2U6c2VjcmV0", b""])
def test_two_headers_are_refused_even_when_equal(second: bytes) -> None:
    for headers in (
        [(b"authorization", b"Bearer a.b.c"), (b"authorization", second)],
        [(b"Authorization", second), HOST, (b"authorization", b"Bearer a.b.c")],
    ):
        with pytest.raises(TokenInvalid) as caught:
            read_token(headers)
        assert caught.value.reason == "two_headers"


@given(st.one_of(st.binary(max_size=40), st.binary(max_size=20).map(lambda rest: b"Bearer " + rest)))
def test_any_bytes_are_a_token_of_allowed_characters_or_refused(value: bytes) -> None:
    try:
        token = read_token([(b"authorization", value)])
    except (NotAuthenticated, TokenInvalid):
        return
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/=")
