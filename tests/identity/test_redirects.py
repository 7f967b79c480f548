"""Where a sign-in may lead, in one spelling: for whether an app began it is told from the address."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.identity import redirects
from tollhouse.identity.errors import NextInvalid
from tollhouse.testing import Browser, TestKit, make_settings, token_of

URL = "https://toll.example.com"
APP = "https://app.example.com"
SETTINGS = make_settings(app_origins=APP)
BEGUN_BY_AN_APP = ["/oauth/authorize?x", "/oauth/authorize/?x", "/oauth/authorize//?x", "/oauth%2Fauthorize?x"]
BEGUN_BY_AN_APP += ["/oauth%2fauthorize%2F?x", "/oauth/authorize", "/oauth/authorize#x", "/oauth/authorize?x=%61#y"]


async def seen_elsewhere(kit: TestKit, following: str) -> bool:
    """Whether the link's page, opened in another browser, sends its reader back to the first one."""
    (await kit.new_browser().ask_for_link("alice@example.com", next=following)).raise_for_status()
    token = token_of(await kit.mail_to("alice@example.com"))
    kit.clock.advance(60)
    return (await kit.new_browser().post("/auth/callback/preview", json={"token": token})).json()["next_is_elsewhere"]


async def test_no_spelling_hides_that_an_app_began_the_sign_in(migrated_database_url: str) -> None:
    async with TestKit(database_url=migrated_database_url) as kit:
        for following in BEGUN_BY_AN_APP:
            assert await seen_elsewhere(kit, following), following
            assert await seen_elsewhere(kit, URL + following), following
        for following in ("/account", "/oauth/authorized?x", "/oauth/authorize/x", "/account?/oauth/authorize?x"):
            assert not await seen_elsewhere(kit, following), following


@pytest.mark.parametrize(
    "following",
    ["/oauth/%61uthorize?x", "/%6Fauth/authorize?x", "/oauth/authorize%2d?x", "/a%7Eb", "/%5f", "/%30", "/a%2Eb"],
)
async def test_a_letter_is_written_as_one(migrated_database_url: str, following: str) -> None:
    async with TestKit(database_url=migrated_database_url, app_origins=APP) as kit:
        browser: Browser = kit.new_browser()
        for wanted in (following, URL + following, APP + following):
            refused = await browser.ask_for_link("alice@example.com", next=wanted)
            assert (refused.status_code, refused.json()["code"]) == (422, "next_invalid"), wanted


@pytest.mark.parametrize("wanted", ["/a/../oauth/authorize?u=https://x", "/a/../b://c", "/%2e/b?://", "/%61?a://b"])
def test_what_follows_hides_nothing_before_it(wanted: str) -> None:
    for each in (wanted, URL + wanted, APP + wanted):
        with pytest.raises(NextInvalid):
            redirects.parse(SETTINGS, each)


@pytest.mark.parametrize("wanted", ["/a%20b", "/a%2Fb", "/%C3%A9", "/a?b=%61", "/a#%61", "/100%", "/%zz", "/%2561"])
def test_all_else_may_be_encoded(wanted: str) -> None:
    assert redirects.parse(SETTINGS, wanted) == URL + wanted


@given(st.text("abo%61/?#2fF.e", max_size=30).map(lambda text: "/oauth/authorize" + text))
def test_whatever_the_server_takes_for_the_endpoint_is_known_as_it(wanted: str) -> None:
    from urllib.parse import unquote, urlsplit

    try:
        url = redirects.parse(SETTINGS, wanted)
    except NextInvalid:
        return
    served = unquote(urlsplit(url).path).rstrip("/") == "/oauth/authorize"
    assert redirects.begins_elsewhere(SETTINGS, url) is served
