"""Who may come in: everybody, or the invited; never the blocked. And nobody is told before they prove their address."""

from __future__ import annotations

from tests.identity.rows import rows_of
from tollhouse.identity import users as domain
from tollhouse.identity.tables import sessions, users
from tollhouse.testing import TestKit


async def test_a_closed_sign_up_mails_the_invited_and_the_known_and_answers_all_alike(make_kit):
    async with make_kit(sign_up="closed") as kit:
        assert await domain.invite(kit.toll.run, "alice@example.com")
        assert not await domain.invite(kit.toll.run, "alice@example.com")
        shapes = set()
        for name in ("alice", "charlie"):
            reply = await kit.new_browser().ask_for_link(f"{name}@example.com")
            shapes.add((reply.status_code, tuple(sorted(reply.headers)), len(reply.content)))
        assert len(shapes) == 1
        await kit.settle()
        assert [mail.to for mail in kit.mails] == ["alice@example.com"]
        await kit.sign_in("alice@example.com", browser=kit.new_browser())


async def test_a_sign_up_that_closes_refuses_the_link_sent_before(make_kit):
    async with make_kit() as kit:
        await kit.sign_in("bob@example.com")
        browser = kit.new_browser()
        await browser.ask_for_link("alice@example.com")
        mail = await kit.mail_to("alice@example.com")
    async with make_kit(sign_up="closed", secret=kit.toll.settings.secret) as kit:
        browser = kit.new_browser()
        reply = await browser.open_link(mail)
        assert (reply.status_code, reply.json()["code"]) == (403, "sign_up_closed")
        assert len(await rows_of(kit, users)) == 1
        await kit.sign_in("bob@example.com")
        await domain.invite(kit.toll.run, "alice@example.com")
        assert (await browser.open_link(mail)).status_code == 200  # the refusal did not use the link up


async def test_a_blocked_user_is_out_at_once_and_gets_no_mail(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    other = kit.new_browser()
    await other.ask_for_link("alice@example.com")
    mail = await kit.mail_to("alice@example.com")
    assert await domain.block(kit.toll.run, alice.user_id)
    assert (await alice.get("/auth/session")).status_code == 401
    assert await rows_of(kit, sessions) == []
    for reply in (await other.open_link(mail), await other.type_code(mail.code)):
        assert (reply.status_code, reply.json()["code"]) == (403, "user_blocked")
    page = await other.post("/auth/callback", data={"token": "A" * 43}, headers={"accept": "text/html"})
    assert page.status_code == 400
    caught = len(kit.mails)
    assert (await kit.new_browser().ask_for_link("alice@example.com")).status_code == 202
    await kit.settle()
    assert len(kit.mails) == caught
    assert await rows_of(kit, sessions) == []


async def test_an_unblocked_user_is_who_they_were(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    await domain.block(kit.toll.run, alice.user_id)
    assert not await domain.block(kit.toll.run, alice.user_id)
    assert await domain.unblock(kit.toll.run, alice.user_id)
    assert not await domain.unblock(kit.toll.run, alice.user_id)
    again = await kit.sign_in("alice@example.com")
    assert again.user_id == alice.user_id
