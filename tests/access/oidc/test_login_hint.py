"""`login_hint` sends the mail at once, but only where the person's own app led them here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.access.oidc.relying_party import NAVIGATION, URL, App, answer_of, next_of
from tests.identity.rows import rows_of
from tollhouse.identity.tables import magic_links
from tollhouse.testing import TestKit, token_of

APP = "https://app.example.com"
EVIL = "https://evil.example/"
CHECK = URL + "/auth/check-your-email"

AT_ONCE: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "referer": APP + "/"},
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "referer": APP},
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "referer": APP + "/sign-in?x"},
    {"sec-fetch-site": "same-site", "sec-fetch-dest": "document", "referer": "https://www.example.com/"},
    {"sec-fetch-site": "same-site", "sec-fetch-dest": "document"},
    {"sec-fetch-site": "same-origin", "sec-fetch-dest": "document"},
    {"referer": APP + "/"},
    {"referer": URL + "/auth/sign-in"},
]
ASKING: list[dict[str, str]] = [
    {"sec-fetch-site": "none", "sec-fetch-dest": "document"},
    {"sec-fetch-site": "none", "sec-fetch-dest": "document", "referer": APP + "/"},
    {},  # an old browser may have been told by a stranger's page not to say where it comes from
]
BY_HAND: list[dict[str, str]] = [
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"},
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "referer": EVIL},
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "referer": APP + ".evil.example/"},
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "referer": APP + "@evil.example/"},
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document", "referer": "http://app.example.com/"},
    {"sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe", "referer": APP + "/"},
    {"sec-fetch-site": "same-site", "sec-fetch-dest": "iframe"},
    {"sec-fetch-site": "same-origin", "sec-fetch-dest": "empty"},
    {"sec-fetch-site": "same-site", "sec-fetch-dest": "image"},
    {"sec-fetch-site": "none", "sec-fetch-dest": "empty"},
    {"sec-fetch-site": "same-site", "sec-fetch-dest": "document", "sec-purpose": "prefetch"},
    {"sec-fetch-site": "none", "sec-fetch-dest": "document", "sec-purpose": "prefetch;prerender"},
    {"sec-fetch-site": "none", "purpose": "prefetch"},
    {"sec-fetch-site": "unheard-of"},
    {"referer": EVIL},
]


async def ask(app: App, browser: Any, headers: dict[str, str], **other: Any) -> Any:
    return await app.authorize(
        browser, headers={"accept": "text/html", **headers}, **{"login_hint": "Alice@Example.com", **other}
    )


@pytest.mark.parametrize("headers", AT_ONCE, ids=str)
async def test_the_app_s_own_field_is_enough(kit: TestKit, app: App, headers: dict[str, str]) -> None:
    browser = kit.new_browser()
    sent = await ask(app, browser, headers)
    assert (sent.status_code, sent.headers["location"]) == (303, CHECK)
    assert sent.headers["cache-control"] == "no-store"
    mail = await kit.mail_to("alice@example.com")
    assert "alice@example.com" in (await browser.get(CHECK, headers={"accept": "text/html"})).text
    seen = (await browser.post("/auth/callback/preview", json={"token": token_of(mail)})).json()
    assert (seen["same_browser"], seen["next_is_elsewhere"], seen["asks"]) == (True, False, False)
    entered = await browser.post("/auth/callback", data={"token": token_of(mail)}, headers={"accept": "text/html"})
    assert "code" in answer_of(await browser.get(entered.headers["location"], headers=NAVIGATION))


@pytest.mark.parametrize("headers", ASKING, ids=str)
async def test_where_nobody_says_who_led_there_the_link_asks_first(
    kit: TestKit, app: App, headers: dict[str, str]
) -> None:
    """Somebody may have mailed the address with a login_hint of his own, and the link after it."""
    browser = kit.new_browser()
    sent = await ask(app, browser, headers)
    assert sent.headers["location"] == CHECK
    mail = await kit.mail_to("alice@example.com")
    seen = (await browser.post("/auth/callback/preview", json={"token": token_of(mail)})).json()
    assert (seen["same_browser"], seen["asks"]) == (True, True)
    assert (await browser.open_link(mail)).status_code == 200, "once the person has said yes"


async def test_the_mail_that_follows_an_expired_one_asks_as_well(kit: TestKit, app: App) -> None:
    browser = kit.new_browser()
    await ask(app, browser, {"sec-fetch-site": "none", "sec-fetch-dest": "document"})
    first = await kit.mail_to("alice@example.com")
    kit.clock.advance(kit.toll.settings.magic_link_lifetime_seconds)
    again = await browser.post(
        "/auth/magic-links/again", data={"token": token_of(first)}, headers={"accept": "text/html"}
    )
    assert again.headers["location"] == CHECK
    token = token_of(await kit.mail_to("alice@example.com"))
    seen = (await browser.post("/auth/callback/preview", json={"token": token})).json()
    assert (seen["same_browser"], seen["asks"]) == (True, True)


@pytest.mark.parametrize("headers", BY_HAND, ids=str)
async def test_anywhere_else_it_takes_the_person(kit: TestKit, app: App, headers: dict[str, str]) -> None:
    browser = kit.new_browser()
    sent = await ask(app, browser, headers)
    assert sent.status_code == 303
    assert "login_hint" in next_of(sent)
    assert await rows_of(kit, magic_links) == []
    assert not browser.cookies
    page = await browser.get(sent.headers["location"], headers={"accept": "text/html"})
    assert 'value="Alice@Example.com"' in page.text


async def test_a_robot_that_looks_at_a_link_sends_nothing(kit: TestKit, app: App) -> None:
    for headers in (*AT_ONCE, *ASKING):
        asked = app.parameters(login_hint="alice@example.com")
        reply = await kit.new_browser().head("/oauth/authorize", params=asked, headers=headers)
        assert "login_hint" in next_of(reply)
    assert await rows_of(kit, magic_links) == []


@pytest.mark.parametrize("hint", ["not an address", "alice@example.com,bob@example.com", "<script>alert(1)</script>"])
async def test_a_hint_that_is_no_address_is_only_filled_in(kit: TestKit, app: App, hint: str) -> None:
    browser = kit.new_browser()
    sent = await app.authorize(browser, login_hint=hint)
    page = await browser.get(sent.headers["location"], headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert await rows_of(kit, magic_links) == []


async def test_a_hint_is_found_in_either_spelling_of_where_to_go(kit: TestKit) -> None:
    for following in ("/oauth/authorize?login_hint=a%40b.example", URL + "/oauth/authorize?login_hint=a%40b.example"):
        page = await kit.new_browser().get("/auth/sign-in", params={"next": following})
        assert 'value="a@b.example"' in page.text


async def test_a_hint_fills_in_nothing_for_other_pages(kit: TestKit) -> None:
    page = await kit.new_browser().get("/auth/sign-in?next=/account?login_hint=mallory@evil.example")
    assert 'value=""' in page.text


async def test_whoever_is_signed_in_already_goes_on(kit: TestKit, app: App) -> None:
    alice = await kit.sign_in("alice@example.com")
    assert "code" in answer_of(await ask(app, alice, AT_ONCE[0]))


async def test_somebody_else_signed_in_is_told_and_chooses(kit: TestKit, app: App) -> None:
    bob = await kit.sign_in("bob@example.com")
    before = len(await rows_of(kit, magic_links))
    sent = await ask(app, bob, AT_ONCE[0])
    page = await bob.get(sent.headers["location"], headers={"accept": "text/html"})
    assert "b•••@example.com" in page.text
    assert 'value="Alice@Example.com"' in page.text
    assert len(await rows_of(kit, magic_links)) == before
    assert answer_of(await ask(app, bob, AT_ONCE[0], prompt="none"))["error"] == "login_required"


async def test_who_signs_in_after_all_is_who_goes_on(kit: TestKit, app: App) -> None:
    """A hint is one: whoever signs in as somebody else on our page is not sent round again."""
    bob = await kit.sign_in("bob@example.com")
    following = next_of(await ask(app, bob, AT_ONCE[0]))
    await bob.browser.ask_for_link("charlie@example.com", next=following)
    await bob.browser.open_link(await kit.mail_to("charlie@example.com"))
    assert "code" in answer_of(await bob.get(following, headers=NAVIGATION))


async def test_silently_nothing_is_sent(kit: TestKit, app: App) -> None:
    told = answer_of(await ask(app, kit.new_browser(), AT_ONCE[0], prompt="none"))
    assert told["error"] == "login_required"
    assert await rows_of(kit, magic_links) == []


async def test_the_limits_are_the_same(kit: TestKit, app: App) -> None:
    browser = kit.new_browser()
    assert (await ask(app, browser, AT_ONCE[0])).status_code == 303
    again = await ask(app, browser, AT_ONCE[0])
    assert again.status_code == 429
    assert "Type the code" in again.text
    assert len(await rows_of(kit, magic_links)) == 1


async def test_known_and_unknown_addresses_are_answered_alike(kit: TestKit, app: App) -> None:
    await kit.sign_in("alice@example.com")
    replies = [
        await ask(app, kit.new_browser(), AT_ONCE[0], login_hint=hint)
        for hint in ("alice@example.com", "x@example.com")
    ]
    seen = [(reply.status_code, reply.text, reply.headers["location"], sorted(reply.headers)) for reply in replies]
    assert seen[0] == seen[1]


async def test_the_link_in_another_browser_is_told_to_go_back(kit: TestKit, app: App) -> None:
    browser, other = kit.new_browser(), kit.new_browser()
    await ask(app, browser, AT_ONCE[0])
    mail = await kit.mail_to("alice@example.com")
    seen = (await other.post("/auth/callback/preview", json={"token": token_of(mail)})).json()
    assert seen["next_is_elsewhere"] is True
    refused = await other.open_link(mail)
    assert (refused.status_code, refused.json()["code"]) == (400, "magic_link_invalid")
    assert "type the code" in refused.json()["detail"]
    entered = await browser.post("/auth/code", data={"code": mail.code}, headers={"accept": "text/html"})
    assert "code" in answer_of(await browser.get(entered.headers["location"], headers=NAVIGATION))
