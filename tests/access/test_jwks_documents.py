"""How long a key document is fresh, and which replies bring none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_issuer import document
from tollhouse.access.jwks_documents import KeyDocument, read_freshness
from tollhouse.access.keysets import KeySetInvalid
from tollhouse.outbound import Reply, ReplyRefused

CASES = [
    ("", 600),
    ("public", 600),
    ("max-age=120", 120),
    ("public, Max-Age = 120 , must-revalidate", 120),
    ('max-age="300"', 300),
    ("max-age=0", 60),
    ("max-age=59", 60),
    ("max-age=3601", 3600),
    ("max-age=9999999999", 3600),
    ("max-age=99999999999", 600),
    ("max-age=-1", 600),
    ("max-age=1e3", 600),
    ("max-age=٣٠٠", 600),
    ("s-maxage=120", 600),
    ("x-max-age=120", 600),
    ("no-store", 60),
    ("no-cache, max-age=3000", 60),
    ("max-age=3000, NO-STORE", 60),
]


@pytest.mark.parametrize(("cache_control", "seconds"), CASES)
def test_freshness_is_what_the_issuer_says_within_bounds(cache_control: str, seconds: float) -> None:
    assert read_freshness(cache_control) == seconds


def test_what_lay_in_a_cache_on_the_way_is_so_much_less_fresh() -> None:
    assert read_freshness("max-age=3600", age="3000") == 600
    assert read_freshness("max-age=3600", age="9999") == 60
    assert read_freshness("max-age=3600", age="soon") == 3600
    assert read_freshness("", age="500") == 600


@given(st.text(), st.text())
def test_no_header_leads_out_of_the_bounds(cache_control: str, age: str) -> None:
    assert 60 <= read_freshness(cache_control, age=age) <= 3600


def test_not_modified_keeps_the_document_for_longer_and_means_nothing_without_one() -> None:
    held = KeyDocument.read(Reply(200, {"etag": '"v1"'}, document("one")), None)
    longer = KeyDocument.read(Reply(304, {"cache-control": "max-age=1000"}, b""), held)
    assert (longer.keys, longer.etag, longer.fresh_seconds) == (held.keys, '"v1"', 1000)
    with pytest.raises(ReplyRefused):
        KeyDocument.read(Reply(304, {}, b""), None)


@pytest.mark.parametrize("status", [201, 204, 206, 400, 401, 404, 410, 429, 500, 503])
def test_no_other_status_brings_keys(status: int) -> None:
    with pytest.raises(ReplyRefused) as refused:
        KeyDocument.read(Reply(status, {}, document("one")), None)
    assert refused.value.reason == f"status_{status}"


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"keys":[]}', b"<html>", b'{"keys":', b"\xff\xfe", b"null"])
def test_what_is_no_key_set_brings_none(body: bytes) -> None:
    with pytest.raises(KeySetInvalid):
        KeyDocument.read(Reply(200, {}, body), None)


@pytest.mark.parametrize("etag", ["", "v1", '"v1', '"a" "b"', '"é"', f'"{"x" * 300}"', '"a\r\nb"', "*"])
def test_an_etag_that_is_none_is_not_sent_back(etag: str) -> None:
    assert KeyDocument.read(Reply(200, {"etag": etag}, document("one")), None).etag is None


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"', '""'])
def test_an_etag_is_kept(etag: str) -> None:
    assert KeyDocument.read(Reply(200, {"etag": etag}, document("one")), None).etag == etag
