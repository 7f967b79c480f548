"""Redeeming a link: once, in time, and for the newest mail of its browser."""

from __future__ import annotations

import asyncio

import pytest

from tests.identity.rows import only_link, rows_of
from tollhouse.identity.tables import magic_links, sessions, users
from tollhouse.signing.tokens import create_token
from tollhouse.testing import TestKit, token_of


async def test_the_link_becomes_a_session(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("Alice@example.com")
    reply = await browser.open_link(await kit.mail_to("alice@example.com"))
    assert reply.status_code == 200
    session = reply.json()
    assert set(session) == {"user_id", "email", "session_id", "created_at", "expires_at"}
    assert session["email"] == "alice@example.com"
    assert (await browser.get("/auth/session")).json() == session
    (user,) = await rows_of(kit, users)
    (row,) = await rows_of(kit, sessions)
    assert (user["id"], row["id"], row["user_id"]) == (session["user_id"], session["session_id"], session["user_id"])


async def test_the_session_cookie_is_kept_from_scripts_and_other_sites(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    reply = await browser.open_link(await kit.mail_to("alice@example.com"))
    parts = reply.headers["set-cookie"].split("; ")
    assert parts[0].startswith("__Host-tollhouse=")
    assert set(parts[1:]) == {"Max-Age=15552000", "Path=/", "HttpOnly", "SameSite=Lax", "Secure"}


async def test_on_plain_loopback_the_session_cookie_has_a_plain_name(make_kit):
    async with make_kit(url="http://localhost:8000") as kit:
        alice = await kit.sign_in("alice@example.com")
        assert sorted(cookie.name for cookie in alice.cookies.jar) == ["tollhouse", "tollhouse-browser"]


@pytest.mark.parametrize(
    ("wanted", "target"),
    [
        (None, "https://toll.example.com/account"),
        ("/hello?a=1", "https://toll.example.com/hello?a=1"),
        ("https://app.example.com/pricing", "https://app.example.com/pricing"),
    ],
)
async def test_a_form_leads_on_to_the_page_that_was_wanted(kit: TestKit, wanted, target):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com", next=wanted)
    token = token_of(await kit.mail_to("alice@example.com"))
    reply = await browser.post("/auth/callback", data={"token": token})
    assert (reply.status_code, reply.headers["location"]) == (303, target)
    assert (await browser.get("/auth/session")).status_code == 200


async def test_a_used_link_is_refused(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    mail = await kit.mail_to("alice@example.com")
    await browser.open_link(mail)
    for again in (browser, kit.new_browser()):
        reply = await again.open_link(mail)
        assert (reply.status_code, reply.json()["code"]) == (410, "magic_link_used")
        assert "set-cookie" not in reply.headers
    assert len(await rows_of(kit, sessions)) == 1


async def test_of_twenty_at_once_one_gets_a_session(kit: TestKit):
    await kit.new_browser().ask_for_link("alice@example.com")
    mail = await kit.mail_to("alice@example.com")
    replies = await asyncio.gather(*(kit.new_browser().open_link(mail) for _ in range(20)))
    assert sorted(reply.status_code for reply in replies) == [200] + 19 * [410]
    assert len(await rows_of(kit, sessions)) == 1


@pytest.mark.parametrize(("seconds", "status"), [(580, 200), (601, 410)])
async def test_a_link_lives_ten_minutes(kit: TestKit, seconds, status):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    mail = await kit.mail_to("alice@example.com")
    kit.clock.advance(seconds)
    reply = await browser.open_link(mail)
    assert reply.status_code == status
    if status == 410:
        assert reply.json()["code"] == "magic_link_expired"


async def test_a_newer_mail_of_the_same_browser_replaces_the_older(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    older = await kit.mail_to("alice@example.com")
    kit.clock.advance(31)
    await browser.ask_for_link("alice@example.com")
    newer = await kit.mail_to("alice@example.com")
    reply = await browser.open_link(older)
    assert (reply.status_code, reply.json()["code"]) == (410, "magic_link_expired")
    assert "newer" in reply.json()["detail"]
    replaced = next(row for row in await rows_of(kit, magic_links) if row["ended_at"])
    assert (replaced["email"], replaced["email_for_browser"]) == (None, None)
    assert (await browser.open_link(newer)).status_code == 200


async def test_another_browsers_request_ends_nothing(kit: TestKit):
    alice, mallory = kit.new_browser(), kit.new_browser()
    await alice.ask_for_link("alice@example.com")
    mail = await kit.mail_to("alice@example.com")
    assert (await mallory.ask_for_link("alice@example.com")).status_code == 202
    assert (await alice.open_link(mail)).status_code == 200


@pytest.mark.parametrize("token", ["", "x", "A" * 42, "A" * 44, "é" * 43, None, 7, ["A" * 43], "q" * 42 + "A"])
async def test_what_is_no_token_of_ours_is_refused(kit: TestKit, token):
    for path in ("/auth/callback", "/auth/callback/preview"):
        reply = await kit.new_browser().post(path, json={"token": token})
        assert reply.status_code in (400, 422)
        assert reply.json()["code"] in ("magic_link_invalid", "body_invalid")
        assert "set-cookie" not in reply.headers


async def test_another_spelling_of_the_token_is_refused(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    token = token_of(await kit.mail_to("alice@example.com"))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    sibling = token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]  # the same 256 bits to a lenient decoder
    for spelling in (sibling, token + "=", token.swapcase(), f" {token}"):
        assert (await browser.post("/auth/callback", json={"token": spelling})).status_code == 400
    assert (await browser.post("/auth/callback", json={"token": token})).status_code == 200


async def test_a_used_link_has_given_up_its_address(kit: TestKit):
    await kit.sign_in("alice@example.com")
    link = await only_link(kit)
    assert (link["email"], link["email_for_browser"]) == (None, None)


async def test_every_sign_in_has_a_new_session_and_ends_the_browsers_old_one(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    old = alice.cookies["__Host-tollhouse"]
    kit.clock.advance(31)
    again = await kit.sign_in("alice@example.com", browser=alice.browser)
    assert again.session_id != alice.session_id
    assert again.user_id == alice.user_id
    assert again.cookies["__Host-tollhouse"] != old
    thief = kit.new_browser()
    reply = await thief.get("/auth/session", headers={"cookie": f"__Host-tollhouse={old}"})
    assert reply.status_code == 401
    assert [row["id"] for row in await rows_of(kit, sessions)] == [again.session_id]


async def test_a_planted_session_cookie_is_not_kept(kit: TestKit):
    planted = create_token()
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    browser.cookies.set("__Host-tollhouse", planted, domain="toll.example.com")
    token = token_of(await kit.mail_to("alice@example.com"))
    assert (await browser.post("/auth/callback", json={"token": token})).status_code == 200
    stolen = await kit.new_browser().get("/auth/session", headers={"cookie": f"__Host-tollhouse={planted}"})
    assert stolen.status_code == 401


async def test_the_link_works_in_a_browser_that_never_asked(kit: TestKit):
    await kit.new_browser().ask_for_link("alice@example.com")
    phone = kit.new_browser()
    reply = await phone.open_link(await kit.mail_to("alice@example.com"))
    assert reply.status_code == 200
    assert {cookie.name for cookie in phone.cookies.jar} == {"__Host-tollhouse", "__Host-tollhouse-browser"}


async def test_a_sign_in_begun_by_a_client_is_not_finished_in_another_browser(kit: TestKit):
    asking = kit.new_browser()
    await asking.ask_for_link("alice@example.com", next="/oauth/authorize?client_id=app&state=1")
    mail = await kit.mail_to("alice@example.com")
    refused = await kit.new_browser().open_link(mail)
    assert (refused.status_code, refused.json()["code"]) == (400, "magic_link_invalid")
    assert "type the code" in refused.json()["detail"]
    assert (await asking.type_code(mail.code)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/x/../oauth/authorize?a=1", "/./oauth/authorize", "/x/%2e%2E/oauth/authorize?a", "/.."]
)
async def test_no_path_that_a_browser_tidies_up_is_taken(kit: TestKit, path: str):
    reply = await kit.new_browser().ask_for_link("alice@example.com", next=path)
    assert (reply.status_code, reply.json()["code"]) == (422, "next_invalid")
