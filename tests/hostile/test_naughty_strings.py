"""Naughty strings, script and line ends through every field: never a 5xx, and never out again as they came."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.hostile.gate import PAGE, Gate, ask, redeem, running, type_code, who
from tests.support.testdata import require_testdata

DATA = require_testdata("security")
JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded", **PAGE}
MORE = [
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\U0010ffff",
    "\u2028",
    "\r\nSet-Cookie: a=b",
    "%00",
    "%0d%0aX: y",
    "9" * 5000,
]


def cases(name: str) -> list[str]:
    return json.loads((DATA / name).read_text())["cases"]


STRINGS = [*cases("naughty/blns.json"), *cases("crlf/crlf_injection.json"), *MORE]
SCRIPTS = cases("xss/xss_payloads.json")


def in_body(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each `(path, fields)` that takes text, with this text in it."""
    yield "/auth/magic-links", {"email": text}
    yield "/auth/magic-links", {"email": f"{text}@example.com"}
    yield "/auth/magic-links", {"email": "alice@example.com", "next": text}
    yield "/auth/magic-links/again", {"token": text}
    yield "/auth/callback", {"token": text}
    yield "/auth/callback/preview", {"token": text}
    yield "/auth/code", {"code": text}
    yield "/auth/sign-out", {text: text}
    yield "/account/delete", {"confirm": text}
    yield f"/account/sessions/{in_path(text)}/end", {"id": text}


def in_path(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def requests(text: str) -> Iterator[dict[str, Any]]:
    """Every request that carries this text somewhere."""
    encoded = text.encode("utf-8", "surrogatepass")
    for path, fields in in_body(text):
        yield {"method": "POST", "url": path, "content": json.dumps(fields), "headers": JSON}
        form = "&".join(f"{in_path(name)}={in_path(value)}" for name, value in fields.items())
        yield {"method": "POST", "url": path, "content": form, "headers": FORM}
    yield {"method": "POST", "url": "/auth/magic-links", "content": encoded, "headers": JSON}
    yield {"method": "POST", "url": "/auth/magic-links", "content": encoded, "headers": FORM}
    yield {"method": "GET", "url": f"/auth/sign-in?next={in_path(text)}", "headers": PAGE}
    yield {"method": "GET", "url": f"/auth/callback{in_path(text)}", "headers": PAGE}
    yield {"method": "DELETE", "url": f"/auth/sessions/{in_path(text)}"}
    header = encoded.replace(b"\x00", b"").replace(b"\r", b"").replace(b"\n", b"")
    names = ("user-agent", "x-forwarded-for", "referer", "accept", "accept-language", "x-request-id", "traceparent")
    yield {"method": "GET", "url": "/auth/session", "headers": dict.fromkeys(names, header)}
    yield {"method": "GET", "url": "/account", "headers": {"cookie": b"__Host-tollhouse=" + header, **PAGE}}
    yield {"method": "POST", "url": "/auth/sign-out", "headers": {"origin": header}}


async def signed_in(gate: Gate, address: str = "alice@example.com") -> httpx.AsyncClient:
    browser = gate.browser()
    assert (await ask(browser, address)).status_code == 202
    letter = (await gate.letters(address))[0]
    assert (await redeem(browser, letter.token)).status_code == 200
    return browser


@pytest.mark.slow
async def test_no_string_in_any_field_is_an_error_of_ours(migrated_database_url: str) -> None:
    given = {"limit_mails_per_address_per_hour": 100_000, "trusted_proxies": ("1",)}
    async with running(migrated_database_url, **given) as gate:
        browser = await signed_in(gate)
        cookies = dict(browser.cookies)
        for text in STRINGS:
            for request in requests(text):
                browser.cookies.update(cookies)  # some of these requests sign out
                reply = await browser.request(**request)
                assert reply.status_code < 500, f"{ascii(text)[:80]} in {request}"
                assert "crlf" not in str(reply.headers).lower()
        await ask(browser, "bob@example.com")
        for text in STRINGS:
            tried = await browser.post("/auth/code", content=json.dumps({"code": text}), headers=JSON)
            assert tried.status_code in {400, 422, 429}
        carol = await signed_in(gate, "carol@example.com")
        assert await who(carol) == "carol@example.com", "and the gate is well"


@pytest.mark.slow
async def test_no_script_comes_out_of_a_page_or_a_mail(migrated_database_url: str) -> None:
    async with running(migrated_database_url) as gate:
        browser = gate.browser()
        usual = (await browser.get("/auth/sign-in", headers=PAGE)).text + (await browser.get("/auth/callback")).text
        await ask(gate.browser(), "usual@example.com")
        [letter] = await gate.letters("usual@example.com")
        in_every_mail = letter.html + letter.text
        for number, text in enumerate(SCRIPTS):
            form = f"email={in_path(text)}&next={in_path('/' + text)}"
            agent = text.encode("utf-8", "surrogatepass").replace(b"\n", b"").replace(b"\r", b"")
            replies = [
                await browser.post("/auth/magic-links", content=form, headers=FORM),
                await browser.post("/auth/magic-links", content=f"email={in_path(text)}%40example.com", headers=FORM),
                await browser.get(f"/auth/sign-in?next={in_path(text)}", headers=PAGE),
                await browser.get(f"/auth/callback{in_path(text)}", headers=PAGE),
                await browser.post("/auth/callback", content=f"token={in_path(text)}", headers=FORM),
            ]
            for reply in replies:
                assert reply.status_code < 500
                check_page(reply, text, usual)
            mallory = gate.browser()
            await mallory.post(
                "/auth/magic-links", json={"email": f"victim{number}@example.com"}, headers={b"user-agent": agent}
            )
        for letter in await gate.letters():
            for text in SCRIPTS:
                if set("<>\"'") & set(text) and text not in in_every_mail:
                    assert text not in letter.html
                    assert text not in letter.text


def check_page(reply: httpx.Response, text: str, usual: str) -> None:
    """A payload with markup in it never stands in the page as it was sent; and no inline script would run."""
    if not reply.headers.get("content-type", "").startswith("text/html"):
        return
    if "<" in text and text not in usual:  # `</script>` alone, say, stands in every page
        assert text not in reply.text
    policy = reply.headers["content-security-policy"]
    script = next(part for part in (*policy.split(";"), policy) if "script-src" in part or "default-src" in part)
    assert "'unsafe-inline'" not in script
    assert "'unsafe-eval'" not in policy


async def test_an_address_with_line_ends_reaches_no_header_of_a_mail(migrated_database_url: str) -> None:
    async with running(migrated_database_url) as gate:
        browser = gate.browser()
        for text in (
            *cases("crlf/crlf_injection.json"),
            "\r\nBcc: mallory@example.com",
            "%0d%0aBcc: mallory@example.com",
        ):
            for email in (f"alice{text}@example.com", f"alice@example.com{text}", f"alice@{text}.example.com"):
                asked = await ask(browser, email)
                assert asked.status_code in {202, 422}
        for letter in await gate.letters():
            assert "\r" not in letter.to
            assert "\n" not in letter.to
        assert (await type_code(browser, "\r\n")).status_code == 400
