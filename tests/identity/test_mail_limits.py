"""How many mails may be asked for, and that the owner of a flooded address gets in all the same."""

from __future__ import annotations

import asyncio

import pytest

from tests.identity.rows import rows_of
from tollhouse.identity.tables import magic_links
from tollhouse.testing import Browser, TestKit

OFFICE = "192.0.2.1"


async def status_of(browser: Browser, email: str = "alice@example.com", **headers: str) -> int:
    """What asking is answered with."""
    return (await browser.post("/auth/magic-links", json={"email": email}, headers=headers)).status_code


async def test_two_mails_from_one_network_are_half_a_minute_apart(kit: TestKit):
    assert await status_of(kit.new_browser(ip=OFFICE)) == 202
    reply = await kit.new_browser(ip=OFFICE).ask_for_link("alice@example.com")
    assert (reply.status_code, reply.json()["code"]) == (429, "rate_limited")
    assert 20 <= int(reply.headers["retry-after"]) <= 30
    assert reply.json()["retry_after_seconds"] == int(reply.headers["retry-after"])
    assert await status_of(kit.new_browser(ip=OFFICE), "bob@example.com") == 202
    assert await status_of(kit.new_browser(ip="192.0.2.2")) == 202
    kit.clock.advance(int(reply.headers["retry-after"]))
    assert await status_of(kit.new_browser(ip=OFFICE)) == 202
    await kit.settle()
    assert len(kit.mails) == len(await rows_of(kit, magic_links)) == 4


async def test_a_network_asks_five_times_an_hour_for_one_address(kit: TestKit):
    for _ in range(5):
        assert await status_of(kit.new_browser(ip=OFFICE)) == 202
        kit.clock.advance(31)
    reply = await kit.new_browser(ip=OFFICE).ask_for_link("alice@example.com")
    assert reply.status_code == 429
    kit.clock.advance(int(reply.headers["retry-after"]))
    assert await status_of(kit.new_browser(ip=OFFICE)) == 202
    kit.clock.advance(31)
    assert await status_of(kit.new_browser(ip=OFFICE)) == 429


async def test_all_networks_together_ask_twenty_times_an_hour(kit: TestKit):
    assert [await status_of(kit.new_browser()) for _ in range(21)] == 20 * [202] + [429]
    assert await status_of(kit.new_browser(), "bob@example.com") == 202


async def test_at_once_no_more_are_let_through(kit: TestKit):
    statuses = await asyncio.gather(*(status_of(kit.new_browser()) for _ in range(40)))
    assert sorted(statuses) == 20 * [202] + 20 * [429]


async def test_an_ip_asks_for_so_many_mails_whoever_gets_them(make_kit):
    async with make_kit(limit_mails_per_ip_per_hour=3) as kit:
        statuses = [await status_of(kit.new_browser(ip=OFFICE), f"user{n}@example.com") for n in range(4)]
        assert statuses == [202, 202, 202, 429]


async def test_ipv6_counts_by_its_64_bits(make_kit):
    async with make_kit(limit_mails_per_ip_per_hour=2) as kit:
        ips = ["2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:0:a::3", "2001:db8:0:1::1", "::ffff:192.0.2.1"]
        statuses = [await status_of(kit.new_browser(ip=ip), f"user{n}@example.com") for n, ip in enumerate(ips)]
        assert statuses == [202, 202, 429, 202, 202]


async def test_a_refused_request_uses_no_other_bucket_up(kit: TestKit):
    assert await status_of(kit.new_browser(ip=OFFICE)) == 202
    for _ in range(30):
        assert await status_of(kit.new_browser(ip=OFFICE)) == 429
    assert [await status_of(kit.new_browser()) for _ in range(19)] == 19 * [202]


async def test_everybody_together_is_bounded_too(make_kit):
    async with make_kit(limit_mails_per_second=1) as kit:
        asked = (status_of(kit.new_browser(), f"user{n}@example.com") for n in range(20))
        assert set(await asyncio.gather(*asked)) == {202, 429}


async def test_one_network_cannot_use_up_what_everybody_shares(make_kit):
    async with make_kit(limit_mails_per_second=30, limit_token_tries_per_ip_per_minute=10) as kit:
        flood = await asyncio.gather(*(status_of(kit.new_browser(ip=OFFICE)) for _ in range(60)))
        assert flood.count(202) == 1
        assert await status_of(kit.new_browser(), "bob@example.com") == 202


async def test_what_everybody_shares_is_not_what_known_browsers_need(make_kit):
    async with make_kit(limit_mails_per_second=1) as kit:
        alice = await kit.sign_in("alice@example.com")
        kit.clock.advance(31)
        flood = [status_of(kit.new_browser(), f"user{n}@example.com") for n in range(20)]
        *strangers, hers = await asyncio.gather(*flood, status_of(alice.browser))
        assert hers == 202
        assert 429 in strangers


async def test_alice_gets_in_from_behind_an_ip_that_strangers_have_used_up(make_kit):
    async with make_kit(limit_mails_per_ip_per_hour=3) as kit:
        alice = await kit.sign_in("alice@example.com", browser=kit.new_browser(ip=OFFICE))
        kit.clock.advance(31)
        flood = [await status_of(kit.new_browser(ip=OFFICE), f"user{n}@example.com") for n in range(4)]
        assert flood == [202, 202, 429, 429]
        assert await status_of(alice.browser) == 202


async def test_alice_gets_in_while_mallory_floods_her_address(kit: TestKit):
    alice = await kit.sign_in("alice@example.com")
    kit.clock.advance(3_600)
    await alice.post("/auth/sign-out")
    assert (await alice.ask_for_link("alice@example.com")).status_code == 202
    hers = await kit.mail_to("alice@example.com")
    flood = [await status_of(kit.new_browser()) for _ in range(25)]
    assert flood.count(202) == 20  # her own mail came out of a bucket of hers
    assert await status_of(kit.new_browser(ip=alice.browser.ip)) == 429, "in a browser nobody knows even she waits"
    assert (await alice.open_link(hers)).status_code == 200, "and no stranger's request ended her link"
    kit.clock.advance(31)
    assert (await alice.ask_for_link("alice@example.com")).status_code == 202


async def test_a_browser_is_known_for_the_address_it_signed_in_to_only(make_kit):
    async with make_kit(limit_mails_per_address_per_hour=1) as kit:
        mallory = await kit.sign_in("mallory@example.net")
        assert await status_of(kit.new_browser()) == 202
        assert await status_of(mallory.browser) == 429
        assert await status_of(mallory.browser, "mallory@example.net") == 202


async def test_a_forged_forwarded_for_changes_nothing(kit: TestKit):
    for n, status in enumerate((202, 429, 429)):
        forged = {"x-forwarded-for": f"198.51.100.{n}", "forwarded": f"for=198.51.100.{n}", "x-real-ip": "198.51.100.9"}
        assert await status_of(kit.new_browser(ip=OFFICE), **forged) == status


@pytest.mark.parametrize("proxies", ["1", "192.0.2.0/24"])
async def test_a_trusted_proxy_is_believed_about_the_last_hop_alone(make_kit, proxies):
    async with make_kit(trusted_proxies=proxies) as kit:
        forwarded = ["198.51.100.1", "198.51.100.2", "203.0.113.5, 198.51.100.1", "198.51.100.77, 198.51.100.3"]
        statuses = [await status_of(kit.new_browser(ip=OFFICE), **{"x-forwarded-for": each}) for each in forwarded]
        assert statuses == [202, 202, 429, 202]
        mail = kit.mails[0] if kit.mails else await kit.mail_to("alice@example.com")
        assert "198.51.100." in mail.text
        assert OFFICE not in mail.text


async def test_links_cannot_be_tried_without_end(make_kit):
    async with make_kit(limit_token_tries_per_ip_per_minute=5) as kit:
        browser = kit.new_browser()
        await browser.ask_for_link("alice@example.com")
        mail = await kit.mail_to("alice@example.com")
        robot = kit.new_browser()
        statuses = [(await robot.post("/auth/callback", json={"token": "A" * 43})).status_code for _ in range(12)]
        assert statuses.count(429) >= 2
        assert (await browser.open_link(mail)).status_code == 200
