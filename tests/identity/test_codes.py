"""The code: for the browser that asked, five tries, and stronger than a link that a robot pressed."""

from __future__ import annotations

import asyncio

import pytest

from tests.identity.rows import only_link, rows_of
from tollhouse.identity.tables import sessions
from tollhouse.mail.transport import Caught
from tollhouse.testing import Browser, TestKit


async def ask(kit: TestKit, browser: Browser | None = None) -> tuple[Browser, Caught]:
    """A browser in which Alice asked, and her mail."""
    browser = browser or kit.new_browser()
    (await browser.ask_for_link("alice@example.com")).raise_for_status()
    return browser, await kit.mail_to("alice@example.com")


def wrong(code: str | None) -> str:
    """Another code."""
    return f"{(int(code or 0) + 1) % 1_000_000:06}"


@pytest.mark.parametrize("spelling", ["{0}{1}", "{0} {1}", " {0} {1} "])
async def test_the_code_signs_the_asking_browser_in(kit: TestKit, spelling):
    browser, mail = await ask(kit)
    code = mail.code or ""
    reply = await browser.type_code(spelling.format(code[:3], code[3:]))
    assert reply.status_code == 200
    assert reply.json()["email"] == "alice@example.com"
    assert (await browser.get("/auth/session")).json() == reply.json()
    link = await only_link(kit)
    assert (link["email"], link["email_for_browser"]) == (None, None)


async def test_a_typed_form_leads_on(kit: TestKit):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com", next="/pricing")
    code = (await kit.mail_to("alice@example.com")).code
    reply = await browser.post("/auth/code", data={"code": code})
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/pricing")


async def test_five_wrong_codes_lock_even_the_right_one(kit: TestKit):
    browser, mail = await ask(kit)
    for left in (4, 3, 2, 1, 0):
        reply = await browser.type_code(wrong(mail.code))
        assert (reply.status_code, reply.json()["code"], reply.json()["tries_left"]) == (400, "code_invalid", left)
    for code in (wrong(mail.code), mail.code):
        reply = await browser.type_code(code)
        assert (reply.status_code, reply.json()["code"]) == (429, "code_locked")
    assert (await only_link(kit))["code_tries"] == 5
    assert await rows_of(kit, sessions) == []
    assert (await browser.open_link(mail)).status_code == 200  # who holds the mail itself still gets in


async def test_tries_at_once_are_counted_each(kit: TestKit):
    browser, mail = await ask(kit)
    replies = await asyncio.gather(*(browser.type_code(wrong(mail.code)) for _ in range(12)))
    assert sorted(reply.status_code for reply in replies) == 5 * [400] + 7 * [429]


async def test_of_the_right_code_ten_times_at_once_one_gets_a_session(kit: TestKit):
    browser, mail = await ask(kit)
    replies = await asyncio.gather(*(browser.type_code(mail.code) for _ in range(10)))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert len(await rows_of(kit, sessions)) == 1


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "12345x", "0x1234"])
async def test_what_is_no_code_is_not_let_in(kit: TestKit, code):
    browser, _ = await ask(kit)
    reply = await browser.type_code(code)
    assert (reply.status_code, reply.json()["code"]) == (400, "code_invalid")
    assert await rows_of(kit, sessions) == []


async def test_the_code_works_in_no_other_browser(kit: TestKit):
    _, mail = await ask(kit)
    stranger = kit.new_browser()
    await stranger.ask_for_link("mallory@example.net")
    for browser in (kit.new_browser(), stranger):
        reply = await browser.type_code(mail.code)
        assert (reply.status_code, reply.json()["code"]) == (400, "code_invalid")
    assert (await only_link_of(kit, "alice@example.com"))["code_tries"] == 0


async def only_link_of(kit: TestKit, address: str):
    from tollhouse.identity.tables import magic_links

    digest = kit.toll.run.keys.digest_address(address)
    return next(row for row in await rows_of(kit, magic_links) if row["address_digest"] == digest)


async def test_the_code_ends_the_session_of_a_robot_that_pressed_the_button(kit: TestKit):
    browser, mail = await ask(kit)
    robot = kit.new_browser(user_agent="SecureGateway/3")
    assert (await robot.open_link(mail)).status_code == 200
    assert (await robot.get("/auth/session")).status_code == 200
    reply = await browser.type_code(mail.code)
    assert reply.status_code == 200
    assert (await robot.get("/auth/session")).status_code == 401
    assert [row["id"] for row in await rows_of(kit, sessions)] == [reply.json()["session_id"]]
    assert (await browser.type_code(mail.code)).status_code == 400


async def test_the_code_is_spent_with_the_link_in_the_same_browser(kit: TestKit):
    browser, mail = await ask(kit)
    assert (await browser.open_link(mail)).status_code == 200
    assert (await browser.type_code(mail.code)).status_code == 400
    assert (await browser.get("/auth/session")).status_code == 200


async def test_the_link_is_spent_with_the_code(kit: TestKit):
    browser, mail = await ask(kit)
    assert (await browser.type_code(mail.code)).status_code == 200
    for other in (browser, kit.new_browser()):
        reply = await other.open_link(mail)
        assert (reply.status_code, reply.json()["code"]) == (410, "magic_link_used")


async def test_the_code_lives_as_long_as_the_link(kit: TestKit):
    browser, mail = await ask(kit)
    kit.clock.advance(601)
    assert (await browser.type_code(mail.code)).status_code == 400


async def test_only_the_newest_mails_code_works(kit: TestKit):
    browser, older = await ask(kit)
    kit.clock.advance(31)
    _, newer = await ask(kit, browser)
    assert older.code == newer.code or (await browser.type_code(older.code)).status_code == 400
    assert (await browser.type_code(newer.code)).status_code == 200


async def test_codes_of_one_address_are_bounded_over_all_its_mails(make_kit):
    async with make_kit(limit_code_tries_per_address_per_day=4) as kit:
        owner = await kit.sign_in("alice@example.com")
        kit.clock.advance(31)
        for _ in range(2):
            mallory, mail = await ask(kit)
            for _ in range(2):
                assert (await mallory.type_code(wrong(mail.code))).status_code == 400
        mallory, mail = await ask(kit)
        reply = await mallory.type_code(mail.code)
        assert (reply.status_code, reply.json()["code"]) == (429, "rate_limited")
        assert int(reply.headers["retry-after"]) > 3_600
        _, mail = await ask(kit, owner.browser)  # a browser known to Alice has tries of its own
        assert (await owner.type_code(mail.code)).status_code == 200


async def test_a_person_is_told_how_many_tries_are_left(kit: TestKit):
    browser, mail = await ask(kit)
    html = {"accept": "text/html"}
    page = await browser.post("/auth/code", data={"code": wrong(mail.code)}, headers=html)
    assert page.status_code == 400
    assert "4 tries left" in page.text
    for _ in range(4):
        page = await browser.post("/auth/code", data={"code": wrong(mail.code)}, headers=html)
    assert "/auth/sign-in" in page.text
    page = await browser.post("/auth/code", data={"code": mail.code}, headers=html)
    assert page.status_code == 429
    assert "Ask for a new link" in page.text


@pytest.mark.parametrize("slip", ["", "12345", "1234567", "abc", "12345x", "١٢٣٤٥٦"])
async def test_a_slip_of_the_finger_costs_no_try(kit: TestKit, slip: str):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    for _ in range(6):
        reply = await browser.type_code(slip)
        assert (reply.status_code, reply.json()["code"], reply.json()["tries_left"]) == (400, "code_invalid", 5)
    code = (await kit.mail_to("alice@example.com")).code or ""
    assert (await browser.type_code(f"{code[:3]}-{code[3:]}")).status_code == 200
