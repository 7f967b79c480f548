"""Looking at a link: robots may, as often as they like, and nothing comes of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.identity.rows import everything
from tollhouse.testing import TestKit, token_of


@pytest.fixture
async def asked(kit: TestKit):
    """A browser that asked for Alice, and the token in the mail."""
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com")
    token = token_of(await kit.mail_to("alice@example.com"))
    await kit.settle()
    return browser, token


async def test_the_asking_browser_is_told_so(asked):
    browser, token = asked
    reply = await browser.post("/auth/callback/preview", json={"token": token})
    assert reply.status_code == 200
    assert reply.json() == {
        "email_masked": "a•••@example.com",
        "same_browser": True,
        "next_is_elsewhere": False,
        "asks": False,
        "signed_in_as": None,
    }


async def test_another_browser_learns_the_masked_address_only(kit: TestKit, asked):
    reply = await kit.new_browser().post("/auth/callback/preview", json={"token": asked[1]})
    assert reply.json()["same_browser"] is False
    assert "alice" not in reply.text


async def test_somebody_else_signed_in_is_named(kit: TestKit, asked):
    bob = await kit.sign_in("bob@example.com")
    assert (await bob.post("/auth/callback/preview", json={"token": asked[1]})).json()[
        "signed_in_as"
    ] == "b•••@example.com"


async def test_the_same_person_signed_in_already_is_not_somebody_else(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    kit.clock.advance(31)
    await alice.ask_for_link("alice@example.com")
    token = token_of(await kit.mail_to("alice@example.com"))
    assert (await alice.post("/auth/callback/preview", json={"token": token})).json()["signed_in_as"] is None


@pytest.mark.parametrize(
    ("wanted", "elsewhere"),
    [
        ("/oauth/authorize?client_id=app", True),
        ("/oauth/authorizes", False),
        ("https://app.example.com/oauth/authorize?", False),
    ],
)
async def test_a_sign_in_begun_by_a_client_is_to_be_finished_where_it_began(kit: TestKit, wanted, elsewhere):
    browser = kit.new_browser()
    await browser.ask_for_link("alice@example.com", next=wanted)
    token = token_of(await kit.mail_to("alice@example.com"))
    other = await kit.new_browser().post("/auth/callback/preview", json={"token": token})
    assert other.json()["next_is_elsewhere"] is elsewhere
    same = await browser.post("/auth/callback/preview", json={"token": token})
    assert same.json()["next_is_elsewhere"] is False


async def test_looking_changes_no_row_and_the_person_still_gets_in(kit: TestKit, asked):
    browser, token = asked
    before = await everything(kit)
    robot = kit.new_browser()
    paths = ["/auth/callback", f"/auth/callback/{token}", f"/auth/callback%23{token}", f"/auth/callback?x={token}"]
    for path in paths:
        assert (await robot.get(path)).status_code == 200
        await robot.head(path)
        await robot.get(path, headers={"sec-purpose": "prefetch"})
        await asyncio.gather(*(robot.get(path) for _ in range(5)))
    for _ in range(10):
        assert (await robot.post("/auth/callback/preview", json={"token": token})).status_code == 200
    assert await everything(kit) == before
    assert "set-cookie" not in (await robot.get(paths[1])).headers
    assert (await browser.post("/auth/callback", json={"token": token})).status_code == 200


async def test_the_callback_page_is_the_same_for_every_link(kit: TestKit, asked):
    texts = {(await kit.new_browser().get(f"/auth/callback{tail}")).text for tail in ("", "%23" + asked[1], "/x/y")}
    assert len(texts) == 1


@pytest.mark.parametrize(("seconds", "code"), [(601, "magic_link_expired"), (0, "magic_link_used")])
async def test_a_dead_link_is_told_dead(kit: TestKit, asked, seconds, code):
    browser, token = asked
    kit.clock.advance(seconds)
    if not seconds:
        await browser.post("/auth/callback", json={"token": token})
    reply = await browser.post("/auth/callback/preview", json={"token": token})
    assert (reply.status_code, reply.json()["code"]) == (410, code)
