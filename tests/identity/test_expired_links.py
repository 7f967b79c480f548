"""An expired link: one click in the asking browser sends a new one, for a day; then nothing of it is left."""

from __future__ import annotations

import pytest

from tests.identity.rows import only_link, rows_of
from tollhouse.identity.sweep import sweep
from tollhouse.identity.tables import browsers, magic_links, sessions
from tollhouse.limits.tables import limits
from tollhouse.testing import TestKit, token_of

HTML = {"accept": "text/html"}


@pytest.fixture
async def expired(kit: TestKit):
    """A browser whose link to Alice's account has just expired, and its token."""
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com", next="/pricing")
    token = token_of(await kit.mail_to("alice@example.com"))
    kit.clock.advance(601)
    return browser, token


async def test_one_click_in_the_asking_browser_sends_a_new_mail(kit: TestKit, expired):
    browser, token = expired
    page = await browser.post("/auth/callback", data={"token": token}, headers=HTML)
    assert page.status_code == 410
    assert 'action="/auth/magic-links/again"' in page.text
    assert f'value="{token}"' in page.text
    reply = await browser.post("/auth/magic-links/again", data={"token": token}, headers=HTML)
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/auth/check-your-email")
    fresh = token_of(await kit.mail_to("alice@example.com"))
    reply = await browser.post("/auth/callback", data={"token": fresh})
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/pricing")


async def test_elsewhere_an_expired_link_offers_and_sends_nothing(kit: TestKit, expired):
    stranger = kit.new_browser()
    page = await stranger.post("/auth/callback", data={"token": expired[1]}, headers=HTML)
    assert page.status_code == 410
    assert "/auth/magic-links/again" not in page.text
    assert "/auth/sign-in" in page.text
    reply = await stranger.post("/auth/magic-links/again", data={"token": expired[1]})
    assert (reply.status_code, reply.json()["code"]) == (400, "magic_link_invalid")
    await kit.settle()
    assert len(kit.mails) == 1


async def test_asking_again_is_limited_as_asking_is(kit: TestKit, expired):
    browser, token = expired
    await browser.post("/auth/magic-links/again", data={"token": token})
    reply = await browser.post("/auth/magic-links/again", data={"token": token})
    assert reply.status_code in (400, 429)
    await kit.settle()
    assert len(kit.mails) == 2


@pytest.mark.parametrize("use", ["link", "code"])
async def test_a_used_link_is_not_renewed(kit: TestKit, use):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    mail = await kit.mail_to("alice@example.com")
    assert (await (browser.open_link(mail) if use == "link" else browser.type_code(mail.code))).status_code == 200
    kit.clock.advance(601)
    reply = await browser.post("/auth/magic-links/again", data={"token": token_of(mail)})
    assert reply.status_code == 400


async def test_a_living_link_is_not_renewed(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    mail = await kit.mail_to("alice@example.com")
    kit.clock.advance(60)
    reply = await browser.post("/auth/magic-links/again", data={"token": token_of(mail)})
    await kit.settle()
    assert len(kit.mails) == 1, reply.text
    assert reply.status_code == 400
    assert (await browser.open_link(mail)).status_code == 200


async def test_within_a_day_only_the_tokens_copy_of_the_address_is_kept(kit: TestKit, expired):
    browser, token = expired
    await sweep(kit.toll.run)
    link = await only_link(kit)
    assert link["email"] is not None
    assert link["email_for_browser"] is None
    kit.clock.advance(86_400 - 602)
    await sweep(kit.toll.run)
    reply = await browser.post("/auth/magic-links/again", data={"token": token})
    assert reply.status_code == 303


async def test_after_a_day_nothing_of_it_is_left(kit: TestKit, expired):
    browser, token = expired
    kit.clock.advance(86_400)
    reply = await browser.post("/auth/magic-links/again", data={"token": token})
    assert reply.status_code == 400, "the bound is the link's age, not when the sweep came by"
    await sweep(kit.toll.run)
    assert await rows_of(kit, magic_links) == []
    reply = await browser.post("/auth/callback", json={"token": token})
    assert (reply.status_code, reply.json()["code"]) == (400, "magic_link_invalid")


async def test_the_sweep_leaves_what_is_in_use(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    browser = kit.new_browser()
    await browser.ask_for_link("bob@example.com")
    mail = await kit.mail_to("bob@example.com")
    await sweep(kit.toll.run)
    assert (await browser.open_link(mail)).status_code == 200
    assert (await alice.get("/auth/session")).status_code == 200
    assert len(await rows_of(kit, browsers)) == 2


async def test_the_sweep_takes_ended_sessions_empty_buckets_and_forgotten_browsers(kit: TestKit):
    await kit.sign_in("alice@example.com")
    for table in (sessions, limits, browsers):
        assert await rows_of(kit, table)
    kit.clock.advance(401 * 86_400)
    await sweep(kit.toll.run)
    for table in (sessions, limits, browsers, magic_links):
        assert await rows_of(kit, table) == []
