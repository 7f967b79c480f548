"""The headers of a page: strict, and nothing in a setting can loosen them."""

from __future__ import annotations

import pytest

from tollhouse.pages import mail_frame_headers, security_headers


def policy_of(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    directives = dict(headers)[b"content-security-policy"].decode().split("; ")
    return {name: value for name, _, value in (directive.partition(" ") for directive in directives)}


def test_the_policy_lets_only_our_own_files_in() -> None:
    assert policy_of(security_headers(form_targets=[], https=True)) == {
        "default-src": "'none'",
        "style-src": "'self'",
        "script-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "font-src": "'none'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }


def test_the_other_headers_keep_the_page_to_itself() -> None:
    headers = dict(security_headers(form_targets=[], https=True))
    assert headers[b"x-frame-options"] == b"DENY"
    assert headers[b"referrer-policy"] == b"same-origin"
    assert headers[b"cross-origin-opener-policy"] == b"same-origin"
    assert headers[b"cache-control"] == b"no-store"
    assert headers[b"strict-transport-security"] == b"max-age=63072000"
    assert len(headers) == len(security_headers(form_targets=[], https=True))


def test_plain_http_promises_no_https() -> None:
    assert b"strict-transport-security" not in dict(security_headers(form_targets=[], https=False))
    assert b"strict-transport-security" not in dict(mail_frame_headers(https=False))
    assert b"strict-transport-security" in dict(mail_frame_headers(https=True))


def test_forms_may_lead_to_the_named_origins_once_each() -> None:
    targets = ["https://app.example.com", "http://localhost:3000", "https://app.example.com"]
    policy = policy_of(security_headers(form_targets=targets, https=True))
    assert policy["form-action"] == "'self' https://app.example.com http://localhost:3000"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "'unsafe-inline'",
        "https:",
        "https://",
        "https://*",
        "https://*.example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://example.com?",
        "https://example.com; script-src *",
        "https://example.com;script-src",
        "https://example.com,default-src",
        "https://example.com https://evil.example",
        "https://example.com\n",
        "https://example.com\r\nset-cookie: a=b",
        "https://user@example.com",
        "https://EXAMPLE.com",
        "https://exämple.com",
        "https://example.com:",
        "https://example.com:٣",
        "https://-example.com",
        "https://example..com",
        "http://[::1]:3000",
        "javascript://example.com",
        "data:text/html",
        "null",
    ],
)
def test_anything_but_an_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="is not an origin"):
        security_headers(form_targets=["https://app.example.com", origin], https=True)


def test_a_caller_cannot_change_what_the_next_one_gets() -> None:
    security_headers(form_targets=[], https=True).clear()
    assert security_headers(form_targets=[], https=True)


def test_only_the_mail_catcher_may_frame_and_be_framed() -> None:
    assert policy_of(security_headers(form_targets=[], https=False, frames=True))["frame-src"] == "'self'"
    framed = mail_frame_headers(https=False)
    policy = policy_of(framed)
    assert policy["frame-ancestors"] == "'self'"
    assert dict(framed)[b"x-frame-options"] == b"SAMEORIGIN"
    assert "sandbox" in policy
    assert "script-src" not in policy
