"""Base64url and JSON are read in one way, or not at all."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.access.encodings import EncodingInvalid, decode_base64url, parse_object


def encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@given(st.binary(max_size=200))
def test_what_was_encoded_is_decoded(data: bytes) -> None:
    assert decode_base64url(encode(data)) == data


@given(st.one_of(st.binary(max_size=24), st.text("AQgwBC-_+/=. \n", max_size=12).map(str.encode)))
def test_nothing_has_two_spellings(text: bytes) -> None:
    try:
        data = decode_base64url(text)
    except EncodingInvalid:
        return
    assert encode(data) == text


@pytest.mark.parametrize(
    "text", [b"Zm9v=", b"Zg==", b"Zg=", b"Zm+v", b"Zm/v", b"Z", b"Zh", b"Zm9", b"Zm9v\n", b" Zm9v", b"Zm\xc39v"]
)
def test_padding_the_other_alphabet_and_spare_bits_are_refused(text: bytes) -> None:
    with pytest.raises(EncodingInvalid):
        decode_base64url(text)


plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False), plain
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(plain, inner, max_size=3)),
    max_leaves=8,
)


@given(st.dictionaries(plain, values, max_size=5), st.booleans())
def test_an_object_is_read_as_it_was_written(value: dict[str, Any], ascii_only: bool) -> None:
    assert parse_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


REFUSED = {
    "a name twice": b'{"sub":"alice","sub":"mallory"}',
    "a name twice, escaped": b'{"sub":"alice","s\\u0075b":"mallory"}',
    "a name twice, inside": b'{"a":{"b":[{"c":1,"c":2}]}}',
    "NaN": b'{"exp":NaN}',
    "Infinity": b'{"exp":Infinity}',
    "-Infinity": b'{"exp":-Infinity}',
    "an infinity in other clothes": b'{"exp":1e999}',
    "half a character": b'{"sub":"\\ud800"}',
    "half a character as a name": b'{"\\udfff":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "Latin-1": '{"a":"é"}'.encode("latin-1"),
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "two objects": b"{}{}",
    "a comment": b"{}//",
    "a trailing comma": b'{"a":1,}',
    "single quotes": b"{'a':1}",
    "an array": b"[]",
    "a text": b'"a"',
    "null": b"null",
    "nothing": b"",
    "a number of 5,000 digits": b'{"exp":' + b"9" * 5000 + b"}",
    "17 levels": b'{"a":' * 17 + b"1" + b"}" * 17,
    "17 lists": b'{"a":' + b"[" * 16 + b"]" * 16 + b"}",
    "100,000 levels": b"[" * 100_000,
    "100,000 levels of objects": b'{"a":' * 100_000,
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_json_that_two_parsers_read_otherwise_is_refused(data: bytes) -> None:
    with pytest.raises(EncodingInvalid):
        parse_object(data)


def test_many_brackets_that_are_not_deep_are_fine() -> None:
    assert parse_object(b'{"a":"' + b"[" * 100 + b'"}') == {"a": "[" * 100}
    assert parse_object(b'{"a":[' + b"[]," * 50 + b"{}]}")["a"][0] == []
    assert parse_object(b'{"a":' * 16 + b"1" + b"}" * 16)
    assert parse_object(b'{"b":[],"a":' + b'{"a":' * 15 + b"1" + b"}" * 16), "16 levels and more brackets than that"


@given(st.binary(max_size=60))
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    with suppress(EncodingInvalid):
        assert isinstance(parse_object(data), dict)
