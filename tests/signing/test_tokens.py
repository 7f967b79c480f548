"""Tokens have one spelling, ids sort by time, codes have six digits."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.signing.tokens import create_code, create_id, create_token, digest, parse_token

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
YEAR_US = 365 * 86_400 * 1_000_000


def spell(secret: bytes) -> str:
    return base64.urlsafe_b64encode(secret).decode().rstrip("=")


@given(st.binary(min_size=32, max_size=32))
def test_every_256_bits_have_one_spelling(secret: bytes):
    text = spell(secret)
    assert parse_token(text) == secret
    others = [text[:-1] + last for last in ALPHABET if last != text[-1]]
    same_bits = [other for other in others if base64.urlsafe_b64decode(other + "=") == secret]
    assert len(same_bits) == 3, "what a lenient decoder would take as well"
    assert [parse_token(other) for other in same_bits] == [None, None, None]


@given(st.one_of(st.text(max_size=60), st.text(alphabet=ALPHABET + "=+/", max_size=60), st.none(), st.integers()))
def test_only_the_canonical_spelling_is_taken(text: object):
    secret = parse_token(text)
    assert secret is None or spell(secret) == text


@pytest.mark.parametrize("change", ["{0}=", "{0}\n", " {0}", "{0}\0", "{0}A", "{0:.42}"])
def test_nothing_may_stand_beside_a_token(change: str):
    token = create_token()
    assert parse_token(token) is not None
    assert parse_token(change.format(token)) is None


@pytest.mark.parametrize("value", [b"A" * 43, ["A" * 43], {"token": "A" * 43}, 1.5, True])
def test_what_is_no_text_is_no_token(value: object):
    assert parse_token(value) is None


def test_tokens_and_their_digests_are_all_different():
    tokens = {create_token() for _ in range(1_000)}
    assert len(tokens) == 1_000
    digests = {digest(parse_token(token) or b"") for token in tokens}
    assert len(digests) == 1_000
    assert {len(each) for each in digests} == {32}


def test_codes_are_six_digits_from_the_whole_range():
    codes = [create_code() for _ in range(3_000)]
    assert all(re.fullmatch("[0-9]{6}", code) for code in codes)
    assert {code[0] for code in codes} == set("0123456789")
    assert len(set(codes)) > 2_900


@given(st.integers(min_value=0, max_value=1_000 * YEAR_US), st.integers(min_value=1_000, max_value=YEAR_US))
def test_ids_sort_by_time(now_us: int, later_us: int):
    earlier, later = create_id("usr", now_us), create_id("usr", now_us + later_us)
    assert earlier < later
    assert re.fullmatch("usr_[0-9a-f]{32}", earlier)


def test_ids_of_one_moment_are_different():
    ids = {create_id("ses", 1_700_000_000_000_000) for _ in range(1_000)}
    assert len(ids) == 1_000
    assert len({each[:16] for each in ids}) == 1, "twelve characters of time after the prefix"
