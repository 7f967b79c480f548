"""Bodies: small, flat, every field once; cookies that cannot be read in two ways."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from tollhouse.pages.bodies import BODY_BYTES_MAX
from tollhouse.testing import TestKit

FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


async def ask(kit: TestKit, content, headers):
    return await kit.new_browser().post("/auth/magic-links", content=content, headers=headers)


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"email=alice%40example.com&email=mallory%40example.net", FORM),
        (b'{"email":"alice@example.com","email":"mallory@example.net"}', JSON),
        (b'{"email":"alice@example.com","next":"/a","next":"/b"}', JSON),
        (b'{"email":"alice@example.com","x":{"y":1,"y":2}}', JSON),
        (b'["alice@example.com"]', JSON),
        (b'"alice@example.com"', JSON),
        (b"null", JSON),
        (b"{", JSON),
        (b"", JSON),
        (b"\xff\xfe", JSON),
        (b"[" * 50_000, JSON),
        (b"email=alice\xff@example.com", FORM),
        (b"email=%ff%fe", FORM),
        ("&".join(f"f{n}=1" for n in range(31)).encode(), FORM),
        (b"email=alice@example.com", {"content-type": "text/plain"}),
        (b"<email/>", {"content-type": "application/xml"}),
        (b"email=alice@example.com", {}),
        (b"--x\r\n", {"content-type": "multipart/form-data; boundary=x"}),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_what_is_no_flat_body_is_refused(kit: TestKit, content, headers):
    reply = await ask(kit, content, headers)
    assert (reply.status_code, reply.json()["code"]) == (422, "body_invalid")
    assert kit.mails == []


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"email=alice%40example.com", FORM | {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}),
        (b'{"email":"alice@example.com"}', {"content-type": "Application/JSON; charset=utf-8"}),
        (b'{"email":"alice@example.com","unknown":1}', JSON),
    ],
)
async def test_what_is_one_is_taken(kit: TestKit, content, headers):
    assert (await ask(kit, content, headers)).status_code in (202, 303)


async def test_a_body_is_bounded(kit: TestKit):
    fits = json.dumps({"email": "alice@example.com", "pad": ""}).encode()
    padded = fits.replace(b'""', b'"' + b"x" * (BODY_BYTES_MAX - len(fits)) + b'"')
    assert len(padded) == BODY_BYTES_MAX
    assert (await ask(kit, padded, JSON)).status_code == 202
    reply = await ask(kit, padded + b" ", JSON)
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")


async def test_a_body_without_a_length_is_bounded_as_it_comes(kit: TestKit):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 100 * BODY_BYTES_MAX:
            sent += 8_192
            yield b"x" * 8_192

    reply = await ask(kit, endless(), JSON)
    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    assert sent <= 2 * BODY_BYTES_MAX, "and not read on"


@pytest.mark.parametrize("length", ["-1", "1e3", "٣", "99999999999999999999"])
async def test_an_odd_length_is_refused(kit: TestKit, length):
    reply = await ask(kit, b"{}", [(b"content-type", b"application/json"), (b"content-length", length.encode())])
    assert reply.status_code in (400, 413)


@pytest.mark.parametrize(
    "lines",
    [
        ["__Host-tollhouse={0}; __Host-tollhouse={1}"],
        ["__Host-tollhouse={1}; __Host-tollhouse={0}"],
        ["__Host-tollhouse={0}", "__Host-tollhouse={1}"],
        ["\xa0__Host-tollhouse={1}; __Host-tollhouse={0}"],
        ["__Host-tollhouse={0}; \x85__Host-tollhouse={1}"],
        ["__Host-tollhouse={0}; __HOST-tollhouse={1}"],
        ["__Host-tollhouse={0}; __Host-tollhouse ={1}"],
        ["__Host-tollhouse=\xe9{0}"],
    ],
    ids=repr,
)
async def test_a_planted_cookie_is_refused_and_its_value_not_believed(kit: TestKit, lines):
    alice = await kit.sign_in("alice@example.com")
    mallory = await kit.sign_in("mallory@example.net")
    secrets = [client.cookies["__Host-tollhouse"] for client in (alice, mallory)]
    cookies = [(b"cookie", line.format(*secrets).encode("latin-1")) for line in lines]
    reply = await kit.new_browser().get("/auth/session", headers=cookies)
    assert (reply.status_code, reply.json()["code"]) == (400, "cookie_ambiguous")
    page = await kit.new_browser().get("/account", headers=[*cookies, (b"accept", b"text/html")])
    assert page.status_code == 400
    assert "mixed up" in page.text


@pytest.mark.parametrize(
    "beside", ["a=b; {0}", "{0}; x__Host-tollhouse=1", "{0};tollhouse=1", "\xe9=\xe9; {0}", "; ;{0}"]
)
async def test_other_cookies_beside_it_are_none_of_our_business(kit: TestKit, beside):
    alice = await kit.sign_in("alice@example.com")
    line = beside.format("__Host-tollhouse=" + alice.cookies["__Host-tollhouse"])
    reply = await kit.new_browser().get("/auth/session", headers=[(b"cookie", line.encode("latin-1"))])
    assert reply.status_code == 200
