"""The account page: who you are, your devices, and the way out for good."""

from __future__ import annotations

import pytest

from tests.identity.rows import everything, rows_of
from tollhouse.events.tables import events
from tollhouse.identity.sweep import sweep
from tollhouse.identity.tables import invitations, magic_links, sessions, users
from tollhouse.testing import TestKit

HTML = {"accept": "text/html"}


async def test_a_stranger_is_led_to_the_sign_in_page(kit: TestKit):
    reply = await kit.new_browser().get("/account", headers=HTML)
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/auth/sign-in")


async def test_a_stranger_who_wants_to_delete_signs_in_and_comes_back(kit: TestKit):
    reply = await kit.new_browser().get("/account/delete", headers=HTML)
    assert reply.headers["location"] == "https://toll.example.com/auth/sign-in?next=/account/delete"


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/account/delete"), ("POST", "/account/sessions/end-others"),
     ("POST", "/account/sessions/ses_019aa3d1f0c67b2e4d8c91f35a60e7d4/end")],
)  # fmt: skip
async def test_a_stranger_is_refused_with_a_way_to_sign_in(kit: TestKit, method, path):
    page = await kit.new_browser().request(method, path, headers=HTML)
    assert page.status_code == 401
    assert 'href="/auth/sign-in"' in page.text


async def test_the_page_knows_alice_and_her_devices(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    kit.clock.advance(2 * 3_600)
    other = await kit.sign_in("alice@example.com", browser=kit.new_browser(user_agent="curl/8"))
    page = await alice.get("/account", headers=HTML)
    assert page.status_code == 200
    assert "alice@example.com" in page.text
    assert "2 hours ago" in page.text
    assert f"/account/sessions/{other.session_id}/end" in page.text
    assert f"/account/sessions/{alice.session_id}/end" not in page.text
    assert page.headers["cache-control"] == "no-store"


async def test_the_forms_end_one_device_and_all_others(kit: TestKit):
    alice, second, third = [
        await kit.sign_in("alice@example.com", browser=kit.new_browser(ip=f"192.0.2.{n}")) for n in range(3)
    ]
    reply = await alice.post(f"/account/sessions/{second.session_id}/end", headers=HTML)
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/account")
    assert (await second.get("/auth/session")).status_code == 401
    assert (await third.get("/auth/session")).status_code == 200
    reply = await alice.post("/account/sessions/end-others", headers=HTML)
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/account")
    assert (await third.get("/auth/session")).status_code == 401
    assert (await alice.get("/auth/session")).status_code == 200


async def test_deleting_wants_a_fresh_sign_in(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    kit.clock.advance(15 * 60 + 1)
    page = await alice.get("/account/delete", headers=HTML)
    assert 'href="/auth/sign-in?next=/account/delete"' in page.text
    assert 'name="confirm"' not in page.text
    reply = await alice.post("/account/delete", json={"confirm": "yes"})
    assert (reply.status_code, reply.json()["code"]) == (403, "sign_in_stale")
    assert len(await rows_of(kit, users)) == 1


async def test_deleting_wants_a_yes(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    assert 'name="confirm"' in (await alice.get("/account/delete", headers=HTML)).text
    reply = await alice.post("/account/delete", data={"confirm": "no"}, headers=HTML)
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/account/delete")
    assert len(await rows_of(kit, users)) == 1


async def test_a_deleted_account_leaves_nothing_but_events_under_an_id_of_nobody(make_kit):
    kit = make_kit()
    erased = []

    @kit.toll.on("user.erased")
    async def note(event) -> None:
        erased.append(event)

    async with kit:
        digest = kit.toll.run.keys.digest_address("alice@example.com")
        bob = await kit.sign_in("bob@example.com")
        alice = await kit.sign_in("alice@example.com")
        elsewhere = await kit.sign_in("alice@example.com")
        waiting = kit.new_browser()
        await waiting.ask_for_link("alice@example.com")
        unused = await kit.mail_to("alice@example.com")
        page = await alice.post("/account/delete", data={"confirm": "yes"}, headers=HTML)
        assert page.status_code == 200
        assert "__Host-tollhouse=; Max-Age=0" in page.headers["set-cookie"]
        await kit.settle()
        assert [(event.type, event.data) for event in erased] == [("user.erased", {"user_id": alice.user_id})]
        assert [row["id"] for row in await rows_of(kit, users)] == [bob.user_id]
        assert {row["user_id"] for row in await rows_of(kit, sessions)} == {bob.user_id}
        for table in (magic_links, invitations):
            assert all(row["address_digest"] != digest for row in await rows_of(kit, table))
        assert {row["type"] for row in await rows_of(kit, events) if row["user_id"] == alice.user_id} == {
            "user.created",
            "user.signed_in",
            "user.erased",
        }
        for client in (alice, elsewhere):
            assert (await client.get("/auth/session")).status_code == 401
        assert (await waiting.open_link(unused)).status_code == 400
        assert (await bob.get("/auth/session")).status_code == 200


async def test_whoever_comes_back_is_somebody_new(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    assert (await alice.post("/account/delete", json={"confirm": "yes"})).status_code == 200
    again = await kit.sign_in("alice@example.com")
    assert again.user_id != alice.user_id


async def test_a_deleted_account_leaves_no_digest_of_its_address(kit: TestKit):
    digest = kit.toll.run.keys.digest_address("alice@example.com")
    alice = await kit.sign_in("alice@example.com")
    assert (await alice.post("/account/delete", json={"confirm": "yes"})).status_code == 200
    kit.clock.advance(2 * 86_400)  # the limits' buckets, which protect the mailbox, run empty within a day
    await sweep(kit.toll.run)
    left = repr(await everything(kit))
    assert repr(digest) not in left
    assert digest.hex() not in left
