"""Sessions: listed, ended one by one or together, and over by themselves in time."""

from __future__ import annotations

import pytest

from tests.identity.rows import rows_of
from tollhouse.identity.tables import sessions
from tollhouse.testing import SignedInClient, TestKit

DAY = 86_400
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile Safari/604.1"


@pytest.fixture
async def alices(kit: TestKit) -> tuple[SignedInClient, SignedInClient]:
    """Alice on two devices, the second one later."""
    laptop = await kit.sign_in("alice@example.com")
    kit.clock.advance(60)
    return laptop, await kit.sign_in("alice@example.com", browser=kit.new_browser(user_agent=PHONE))


async def is_in(client: SignedInClient) -> bool:
    reply = await client.get("/auth/session")
    assert reply.status_code in (200, 401)
    return reply.status_code == 200


async def test_nobody_is_signed_in_without_a_cookie(kit: TestKit):
    for path in ("/auth/session", "/auth/sessions"):
        reply = await kit.new_browser().get(path)
        assert (reply.status_code, reply.json()["code"]) == (401, "not_signed_in")


@pytest.mark.parametrize("value", ["", "x", "A" * 43, "A" * 10_000, "ses_019aa3d1f0c67b2e4d8c91f35a60e7d4"])
async def test_an_invented_cookie_signs_nobody_in(kit: TestKit, value):
    await kit.sign_in("alice@example.com")
    reply = await kit.new_browser().get("/auth/session", headers={"cookie": f"__Host-tollhouse={value}"})
    assert reply.status_code == 401


async def test_devices_are_listed_the_last_used_first(kit: TestKit, alices):
    laptop, phone = alices
    await kit.sign_in("bob@example.com")
    listed = (await laptop.get("/auth/sessions")).json()["sessions"]
    assert [(each["session_id"], each["device"], each["current"]) for each in listed] == [
        (phone.session_id, "Safari on iPhone", False),
        (laptop.session_id, "Unknown browser", True),
    ]
    assert set(listed[0]) == {"session_id", "device", "created_at", "last_seen_at", "expires_at", "current"}


async def test_one_device_is_signed_out_from_its_next_request_on(alices):
    laptop, phone = alices
    reply = await laptop.delete(f"/auth/sessions/{phone.session_id}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert not await is_in(phone)
    assert await is_in(laptop)
    assert (await laptop.delete(f"/auth/sessions/{phone.session_id}")).status_code == 404


async def test_nobody_ends_somebody_elses_session(kit: TestKit, alices):
    laptop, _ = alices
    mallory = await kit.sign_in("mallory@example.net")
    theirs = await mallory.delete(f"/auth/sessions/{laptop.session_id}")
    nobodys = await mallory.delete("/auth/sessions/ses_019aa3d1f0c67b2e4d8c91f35a60e7d4")
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.json() | {"request_id": ""} == nobodys.json() | {"request_id": ""}
    await mallory.post(f"/account/sessions/{laptop.session_id}/end")
    assert await is_in(laptop)
    assert (await kit.new_browser().delete(f"/auth/sessions/{laptop.session_id}")).status_code == 401


async def test_all_others_are_signed_out_and_nobody_else(kit: TestKit, alices):
    laptop, phone = alices
    bob = await kit.sign_in("bob@example.com")
    reply = await phone.delete("/auth/sessions")
    assert (reply.status_code, reply.json()) == (200, {"ended": 1})
    assert [await is_in(each) for each in (laptop, phone, bob)] == [False, True, True]


async def test_signing_out_ends_the_session_and_takes_the_cookie(alices):
    laptop, phone = alices
    stolen = laptop.cookies["__Host-tollhouse"]
    reply = await laptop.post("/auth/sign-out")
    assert reply.status_code == 204
    assert reply.headers["set-cookie"].startswith("__Host-tollhouse=; Max-Age=0; Path=/;")
    assert "__Host-tollhouse" not in laptop.cookies
    reply = await laptop.get("/auth/session", headers={"cookie": f"__Host-tollhouse={stolen}"})
    assert reply.status_code == 401
    assert await is_in(phone)


async def test_signing_out_by_form_leads_to_a_page(kit: TestKit, alices):
    reply = await alices[0].post("/auth/sign-out", headers={"accept": "text/html"})
    assert (reply.status_code, reply.headers["location"]) == (303, "https://toll.example.com/auth/signed-out")
    assert (await alices[0].get("/auth/signed-out")).status_code == 200
    assert (await kit.new_browser().post("/auth/sign-out")).status_code == 204  # nobody there: as good as done


@pytest.mark.parametrize(("days", "alive"), [(29.9, True), (30.1, False)])
async def test_an_idle_session_ends(kit: TestKit, days, alive):
    alice = await kit.sign_in("alice@example.com")
    kit.clock.advance(days * DAY)
    assert await is_in(alice) is alive


async def test_a_session_in_use_ends_after_its_lifetime_all_the_same(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    for _ in range(8):
        kit.clock.advance(20 * DAY)
        assert await is_in(alice)
    kit.clock.advance(19.9 * DAY)
    assert await is_in(alice)
    kit.clock.advance(0.2 * DAY)
    assert not await is_in(alice)
    listed = await kit.sign_in("alice@example.com")
    assert len((await listed.get("/auth/sessions")).json()["sessions"]) == 1


async def test_when_a_session_was_seen_is_written_every_five_minutes_at_most(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")

    async def seen_after(seconds: float) -> int:
        kit.clock.advance(seconds)
        await is_in(alice)
        (row,) = await rows_of(kit, sessions)
        return row["seen_at"]

    first = await seen_after(0)
    assert await seen_after(290) == first
    second = await seen_after(11)
    assert second - first >= 300_000_000
    assert await seen_after(290) == second
