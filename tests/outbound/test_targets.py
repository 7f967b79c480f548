"""URLs are taken apart in one way, or refused."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.outbound import OutboundRefused, Reach, Target

GOOD = [
    ("https://auth.example.com", "auth.example.com", 443, "/", "auth.example.com"),
    ("HTTPS://Auth.Example.com/Keys?a=b%20c", "auth.example.com", 443, "/Keys?a=b%20c", "auth.example.com"),
    ("https://example.com:8443?a", "example.com", 8443, "/?a", "example.com:8443"),
    ("https://xn--bcher-kva.example/~u/[1];v=!$&'()*+,", "xn--bcher-kva.example", 443, "/~u/[1];v=!$&'()*+,", None),
    ("https://1.1.1.1/", "1.1.1.1", 443, "/", "1.1.1.1"),
    ("https://[2606:4700:0::1111]:444/", "2606:4700::1111", 444, "/", "[2606:4700::1111]:444"),
    ("https://service_a.internal/", "service_a.internal", 443, "/", None),
]
BAD = [
    *("", "example.com", "//example.com", "https:/example.com", "https:///x", "https://", "ftp://example.com/"),
    *("http://example.com/", "http://1.1.1.1/", "http://[2606:4700::1111]/"),
    *(
        "https://alice@example.com/",
        "https://alice:secret@example.com/",
        "https://example.com#x",
        "https://@example.com",
    ),
    *(
        "https://example.com\\@evil.example/",
        "https://example.com/\\",
        "https://exa mple.com/",
        "https://example.com/ ",
    ),
    *(
        "https://example.com/\n",
        "https://example.com/\r\nhost: evil",
        "\thttps://example.com/",
        "https://exam\tple.com/",
    ),
    *("https://example.com:0/", "https://example.com:65536/", "https://example.com:-1/", "https://example.com:٤٤٣/"),
    *(
        "https://example..com/",
        "https://.example.com/",
        "https://example.com./",
        "https://-a.example/",
        "https://a-.example/",
    ),
    *(
        "https://bücher.example/",
        "https://①②⑦.⓪.⓪.①/",
        "https://ⓔxample.com/",
        "https://ſ.example/",
        "httpſ://localhost/",
        "https://example.com/ſ",
        "https://%65xample.com/",
    ),
    *("https://127.1/", "https://0x7f000001/", "https://2130706433/", "https://0177.0.0.1/", "https://127.0.0.0x1/"),
    *(
        "https://1.1.1.256/",
        "https://1.1.1.1.1/",
        "https://a.1/",
        "https://a.0x/",
        "https://[1.1.1.1]/",
        "https://[::1%25lo]/",
    ),
    *("https://[fe80::1%eth0]/", "https://[::1/", "https://::1/", "https://[]/", f"https://{'a' * 64}.example/"),
    *("https://example.com/" + "a" * 2048, f"https://{'a.' * 130}example/"),
]


@pytest.mark.parametrize(("url", "host", "port", "path", "authority"), GOOD)
def test_a_good_url_is_taken_apart(url: str, host: str, port: int, path: str, authority: str | None) -> None:
    target = Target.parse(url, Reach.PUBLIC)
    assert (target.scheme, target.host, target.port, target.path) == ("https", host, port, path)
    assert target.authority == (authority or host)


@pytest.mark.parametrize("url", BAD)
@pytest.mark.parametrize("reach", Reach)
def test_a_url_that_two_parsers_could_read_differently_is_refused(url: str, reach: Reach) -> None:
    with pytest.raises(OutboundRefused) as refused:
        Target.parse(url, reach)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "[0:0:0:0:0:0:0:1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_called_only_where_the_operator_named_it(scheme: str, host: str) -> None:
    for reach in (Reach.CONFIGURED, Reach.PRIVATE):
        target = Target.parse(f"{scheme}://{host}:8000/jwks", reach)
        assert set(target.addresses) <= {"127.0.0.1", "::1"}
        assert target.addresses
    with pytest.raises(OutboundRefused):
        Target.parse(f"{scheme}://{host}:8000/jwks", Reach.PUBLIC)


@pytest.mark.parametrize(
    "host", ["127.0.0.2", "app.localhost", "localhost.example.com", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
def test_plain_http_to_anything_that_only_resembles_this_machine_is_refused(host: str) -> None:
    for reach in Reach:
        with pytest.raises(OutboundRefused):
            Target.parse(f"http://{host}/", reach)


def test_a_private_address_in_the_url_is_refused_at_once() -> None:
    assert Target.parse("https://10.0.0.1/", Reach.PRIVATE).addresses == ("10.0.0.1",)
    for reach in (Reach.PUBLIC, Reach.CONFIGURED):
        with pytest.raises(OutboundRefused):
            Target.parse("https://10.0.0.1/", reach)


URLS = st.one_of(
    st.text(),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["https://", "http://", "https:\\\\", "https:/"]),
        st.text("aA.-_:@[]%01\\é①x/?#\t", max_size=20),
        st.text("/?#a\\ \n", max_size=5),
    ),
)


@given(URLS, st.sampled_from(Reach))
def test_what_is_taken_is_what_the_standard_library_reads_too(url: str, reach: Reach) -> None:
    try:
        target = Target.parse(url, reach)
    except OutboundRefused:
        return
    parts = urlsplit(url)
    assert parts.scheme == target.scheme
    assert parts.username is None
    assert parts.port in (target.port, None)
    assert parts.hostname == target.host or ":" in target.host
