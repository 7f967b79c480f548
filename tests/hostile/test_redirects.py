"""Where a sign-in may lead: whatever a browser makes of what we accept, it stays on a known origin."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hostile.gate import APP, PAGE, URL, ask, redeem, running, settings_for
from tests.support.testdata import require_testdata
from tollhouse.identity import redirects
from tollhouse.identity.errors import NextInvalid

DATA = require_testdata("security", "redirect")
SETTINGS = settings_for("sqlite:///unused.sqlite", app_origins=(APP, "http://localhost:3000"))
KNOWN = (URL, *SETTINGS.app_origins)


def cases(name: str) -> list[Any]:
    return json.loads((DATA / f"{name}.json").read_text())["cases"]


def parse(wanted: object, settings: Any = SETTINGS) -> str | None:
    try:
        return redirects.parse(settings, wanted)
    except NextInvalid:
        return None


def origin_as_a_browser_reads(url: str) -> str:
    """The origin by the WHATWG rules that differ from RFC 3986: tab and line ends vanish, backslashes are slashes."""
    seen = url.strip("".join(map(chr, range(33)))).translate({9: None, 10: None, 13: None}).replace("\\", "/")
    parts = urlsplit(urljoin(URL + "/auth/callback", seen))
    return f"{parts.scheme}://{parts.netloc}"


@pytest.mark.parametrize("payload", cases("open_redirect_payloads"))
def test_no_known_trick_leads_to_another_host(payload: str) -> None:
    for wanted in (payload, URL + payload, APP + payload, payload.replace("example.com", "app.example.com")):
        accepted = parse(wanted)
        if accepted is not None:
            assert origin_as_a_browser_reads(accepted) in KNOWN, wanted


@pytest.mark.parametrize("case", cases("whatwg_urltestdata"), ids=lambda case: ascii(case["input"])[:60])
def test_what_is_accepted_has_for_a_browser_the_origin_it_has_for_us(case: dict[str, Any]) -> None:
    """The case's own origin put on the list, so that as many as can be are accepted; `base` plays no part in ours."""
    origin = str(case.get("origin") or "")
    listed = origin.startswith(("http://", "https://"))
    settings = settings_for("sqlite:///unused.sqlite", app_origins=(APP, origin) if listed else (APP,))
    accepted = parse(case["input"], settings)
    if accepted is None:
        return
    if accepted == URL + case["input"]:  # a path of ours: it can have no other host
        assert case["input"].startswith("/")
        assert not case["input"].startswith("//")
        return
    assert not case.get("failure"), "no URL at all"
    assert origin in (*KNOWN, APP) or listed
    assert accepted.startswith(origin)


HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:\\\\evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    f"{APP}.evil.example",
    f"{APP}@evil.example",
    f"{APP}:8443/",
    f"{APP}\\@evil.example",
    f"{APP}%2eevil.example/",
    "https://APP.example.com/",
    "http://app.example.com/",
    "https://app.example.com./",
    "https://app.example.com%00/",
    "https://user@app.example.com/",
    " https://app.example.com/",
    f"{URL}.evil.example/",
    f"{URL}:1/",
    "evil.example",
    "/\r\nSet-Cookie: a=b",
    "/a\x00b",
    "/\ud800",
    "/é",
    ["/account"],
    {"next": "/"},
    1,
    "/" + "a" * 2000,
    "?x",
    "#x",
    "./x",
]


@pytest.mark.parametrize("wanted", HOSTILE, ids=lambda wanted: ascii(wanted)[:50])
def test_everything_else_is_refused(wanted: object) -> None:
    assert parse(wanted) is None


GOOD = [
    "/",
    "/account",
    "/a?b=c#d",
    "/a//b",
    "/%2f%2fevil.example",
    APP,
    f"{APP}/",
    f"{APP}/a?next=//evil.example",
    f"{APP}?a",
    f"{APP}#a",
    URL,
]


@pytest.mark.parametrize("wanted", GOOD)
def test_paths_here_and_known_origins_are_taken_as_they_are(wanted: str) -> None:
    assert parse(wanted) == (wanted if wanted.startswith("https:") else URL + wanted)


pieces = st.sampled_from(
    [
        "/",
        "//",
        "\\",
        "@",
        ":",
        "?",
        "#",
        ".",
        "%2f",
        "%5c",
        "%09",
        "\t",
        "\n",
        "http:",
        "https:",
        "javascript:",
        "evil.example",
        URL,
        APP,
        "app.example.com",
        "a",
        "\u3002",
        "[::1]",
    ]
)


@given(
    st.one_of(
        st.lists(pieces, max_size=8).map("".join), st.text(max_size=40), st.none(), st.integers(), st.lists(st.text())
    )
)
def test_whatever_is_accepted_stays_on_a_known_origin(wanted: object) -> None:
    accepted = parse(wanted)
    if accepted is not None:
        assert origin_as_a_browser_reads(accepted) in KNOWN
        assert accepted.isascii()
        assert "\r" not in accepted
        assert "\n" not in accepted


@pytest.mark.slow
async def test_no_payload_gets_into_a_location_a_page_or_a_mail(migrated_database_url: str) -> None:
    payloads = cases("open_redirect_payloads")
    async with running(migrated_database_url) as gate:
        for number, payload in enumerate(payloads):
            browser = gate.browser(ip=f"198.51.100.{number}")
            page = await browser.get("/auth/sign-in", params={"next": payload}, headers=PAGE)
            assert page.status_code in {200, 422, 400}
            asked = await ask(browser, f"person{number}@example.com", next=payload)
            if asked.status_code != 202:
                assert asked.json()["code"] == "next_invalid"
                continue
            letter = (await gate.letters(f"person{number}@example.com"))[0]
            assert payload not in letter.text + letter.html
            form = {"token": letter.token}
            entered = await browser.post("/auth/callback", data=form, headers=PAGE)
            assert entered.status_code == 303
            assert origin_as_a_browser_reads(entered.headers["location"]) in KNOWN
    async with running(migrated_database_url) as gate:
        browser = gate.browser()
        await ask(browser, "alice@example.com", next=f"{APP}/welcome")
        [letter] = await gate.letters("alice@example.com")
        assert (await redeem(browser, letter.token)).status_code == 200
