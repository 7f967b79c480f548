"""Asking for a link: the same for everybody, and nothing about anybody."""

from __future__ import annotations

import pytest
import structlog.testing

from tests.identity.rows import only_link, rows_of, run_sql
from tollhouse.events.tables import deliveries
from tollhouse.identity.tables import magic_links
from tollhouse.limits.tables import limits
from tollhouse.mail.errors import MailRefused
from tollhouse.mail.message import Mail
from tollhouse.mail.transport import MemoryTransport
from tollhouse.testing import TestKit


class Picky(MemoryTransport):
    """A mail server at which nobody is called Bob, until somebody is."""

    knows_bob = False

    async def send(self, mail: Mail) -> None:
        if mail.to.startswith("bob@") and not self.knows_bob:
            raise MailRefused("550 no such user", recipient_unknown=True, stage="rcpt", smtp_code=550)
        await super().send(mail)


async def test_a_program_is_told_an_id_and_when_the_link_ends(kit: TestKit):
    reply = await kit.new_browser().ask_for_link("alice@example.com")
    assert reply.status_code == 202
    assert set(reply.json()) == {"magic_link_id", "expires_at"}
    assert reply.headers["cache-control"] == "no-store"
    link = await only_link(kit)
    assert link["id"] == reply.json()["magic_link_id"]
    assert link["id"].startswith("mgl_")
    assert link["expires_at"] - link["created_at"] == 600_000_000


async def test_a_form_leads_to_the_page_for_the_code(kit: TestKit):
    browser = kit.new_browser()
    reply = await browser.post("/auth/magic-links", data={"email": "alice@example.com"})
    assert reply.status_code == 303
    assert reply.headers["location"] == "https://toll.example.com/auth/check-your-email"
    assert (await kit.mail_to("alice@example.com")).code is not None
    page = await browser.get("/auth/check-your-email")
    assert page.status_code == 200
    assert 'name="code"' in page.text


async def test_the_mail_holds_link_code_lifetime_and_where_it_was_asked(kit: TestKit):
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    await kit.new_browser(ip="192.0.2.7", user_agent=firefox).ask_for_link("Alice@EXAMPLE.com")
    mail = await kit.mail_to("alice@example.com")
    assert mail.link is not None
    assert mail.link.startswith("https://toll.example.com/auth/callback#")
    assert len(mail.link.partition("#")[2]) == 43
    for words in (mail.text, mail.html):
        assert "10 minutes" in words
        assert "192.0.2.7" in words
        assert "Firefox on Linux" in words
        assert mail.code is not None
        assert mail.code in words
    assert "Tollhouse" in mail.subject


@pytest.mark.parametrize(
    ("url", "name", "secure"),
    [
        ("https://toll.example.com", "__Host-tollhouse-browser", True),
        ("http://localhost:8000", "tollhouse-browser", False),
    ],
)
async def test_the_browser_gets_its_cookie_once(make_kit, url, name, secure):
    async with make_kit(url=url) as kit:
        browser = kit.new_browser()
        line = (await browser.ask_for_link("alice@example.com")).headers["set-cookie"]
        parts = line.split("; ")
        assert parts[0].startswith(name + "=")
        assert {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=34560000"} <= set(parts)
        assert ("Secure" in parts) is secure
        assert not any(part.startswith("Domain") for part in parts)
        again = await browser.ask_for_link("bob@example.com")
        assert again.status_code == 202
        assert "set-cookie" not in again.headers


async def test_known_unknown_and_suppressed_addresses_look_the_same(make_kit):
    kit = make_kit()
    kit.catcher = picky = Picky(clock=kit.clock)
    async with kit:
        await kit.sign_in("alice@example.com")
        await kit.new_browser().ask_for_link("bob@example.com")
        await kit.settle()
        picky.knows_bob = True
        kit.clock.advance(31)
        caught = len(kit.mails)
        replies = [await kit.new_browser().ask_for_link(f"{name}@example.com") for name in ("alice", "bob", "charlie")]
        await kit.settle()
        assert len(kit.mails) - caught == 2  # Bob's was held back by us
        shapes = {
            (reply.status_code, tuple(sorted(reply.headers)), tuple(reply.json()), len(reply.content))
            for reply in replies
        }
        assert len(shapes) == 1


async def test_asking_reads_no_user(kit: TestKit):
    await kit.sign_in("alice@example.com")
    with structlog.testing.capture_logs():  # the worker, which does read users, complains at length
        await run_sql(kit, "ALTER TABLE tollhouse_users RENAME TO out_of_reach")
        try:
            for name in ("alice", "bob"):
                assert (await kit.new_browser().ask_for_link(f"{name}@example.com")).status_code == 202
        finally:
            await run_sql(kit, "ALTER TABLE out_of_reach RENAME TO tollhouse_users")


async def test_nothing_stored_names_the_asker_while_the_mail_waits_or_after(make_kit):
    kit = make_kit()
    kit.catcher = Slow(clock=kit.clock)
    async with kit:
        browser = kit.new_browser()
        await browser.ask_for_link("alice@example.com")
        (waiting,) = await rows_of(kit, deliveries)
        assert waiting["status"] == "waiting"
        assert len(waiting["sealed"]) > 100
        link = await only_link(kit)
        stored = repr([waiting, link, await rows_of(kit, limits)]).lower()
        kit.catcher.let_go()
        mail = await kit.mail_to("alice@example.com")
        await kit.settle()
        (sent,) = await rows_of(kit, deliveries)
        assert (sent["status"], sent["sealed"]) == ("delivered", None)
        cookie = next(iter(browser.cookies.jar)).value
        for secret in (
            "alice",
            "example.com",
            browser.ip,
            mail.link.partition("#")[2].lower(),
            f"'{mail.code}'",
            cookie.lower(),
        ):
            assert secret not in stored.replace("toll.example.com", "")


class Slow(MemoryTransport):
    """A mail server that takes its time."""

    def __init__(self, **given):
        import asyncio

        super().__init__(**given)
        self._open = asyncio.Event()

    def let_go(self):
        self._open.set()

    async def send(self, mail: Mail) -> None:
        await self._open.wait()
        await super().send(mail)


@pytest.mark.parametrize(
    "fields",
    [{}, {"email": ""}, {"email": None}, {"email": "alice"}, {"email": ["alice@example.com", "mallory@example.net"]},
     {"email": "alice@example.com,mallory@example.net"}, {"email": "alice@example.com\r\nBcc: mallory@example.net"}],
)  # fmt: skip
async def test_what_is_no_address_is_refused(kit: TestKit, fields):
    reply = await kit.new_browser().post("/auth/magic-links", json=fields)
    assert reply.status_code == 422
    assert reply.json()["code"] == "email_invalid"
    assert reply.headers["content-type"] == "application/problem+json"
    assert await rows_of(kit, magic_links) == []


async def test_a_person_sees_what_was_wrong_beside_what_they_typed(kit: TestKit):
    browser = kit.new_browser()
    fields = {"email": "alice@<script>", "next": "/account"}
    page = await browser.post("/auth/magic-links", data=fields, headers={"accept": "text/html"})
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert 'value="alice@&lt;script&gt;"' in page.text
    assert 'name="next" value="/account"' in page.text


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example", "//evil.example", "https://app.example.com.evil.example/"]
)
async def test_a_next_page_elsewhere_is_refused(kit: TestKit, elsewhere):
    reply = await kit.new_browser().ask_for_link("alice@example.com", next=elsewhere)
    assert (reply.status_code, reply.json()["code"]) == (422, "next_invalid")
    page = await kit.new_browser().get("/auth/sign-in", params={"next": elsewhere}, headers={"accept": "text/html"})
    assert page.status_code == 422
    assert await rows_of(kit, magic_links) == []


async def test_the_sign_in_page_keeps_where_to_go_and_knows_who_is_signed_in(kit: TestKit):
    page = await kit.new_browser().get("/auth/sign-in", params={"next": "https://app.example.com/pricing?a=1"})
    assert page.status_code == 200
    assert 'value="https://app.example.com/pricing?a=1"' in page.text
    alice = await kit.sign_in("alice@example.com")
    page = await alice.get("/auth/sign-in")
    assert "a•••@example.com" in page.text
    assert "alice@example.com" not in page.text
