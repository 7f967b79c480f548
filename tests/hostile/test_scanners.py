"""Robots that open links before people do, and replies that tell nobody who has an account."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from tests.hostile.gate import PAGE, Gate, Letter, Mailbox, ask, redeem, running, type_code, who
from tollhouse.db import Statement
from tollhouse.events.tables import deliveries
from tollhouse.identity import suppressions
from tollhouse.identity.tables import sessions
from tollhouse.mail.smtp import SmtpSettings, SmtpTransport

ALICE = "alice@example.com"
SESSIONS = Statement(select(func.count()).select_from(sessions), int)
STATUSES = Statement(select(deliveries.c.status), str)
PREFETCH = [
    {"sec-purpose": "prefetch;prerender"},
    {"purpose": "prefetch"},
    {"x-moz": "prefetch"},
    {"x-purpose": "preview"},
]
AGENTS = ["Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1)", "SkypeUriPreview Preview/0.5", "GoogleImageProxy", ""]


async def asked(gate: Gate) -> tuple[httpx.AsyncClient, Letter]:
    browser = gate.browser()
    assert (await ask(browser, ALICE)).status_code == 202
    return browser, (await gate.letters(ALICE))[0]


async def scan(gate: Gate, path: str) -> None:
    """Everything that scanners were seen to do short of pressing the button."""
    robot = gate.browser(ip="192.0.2.1")
    for method in ("HEAD", "GET", "OPTIONS"):
        await robot.request(method, path)
    for headers in (*PREFETCH, *({"user-agent": agent} for agent in AGENTS)):
        assert (await robot.get(path, headers=PAGE | headers)).status_code == 200
        assert (await robot.head(path, headers=PAGE | headers)).status_code == 200
    replies = await asyncio.gather(*(gate.browser(ip=f"192.0.2.{number}").get(path) for number in range(2, 12)))
    assert {reply.status_code for reply in replies} == {200}
    assert not any("set-cookie" in reply.headers for reply in replies)


@pytest.mark.parametrize(
    "shape", ["/auth/callback", "/auth/callback%23{}", "/auth/callback/{}", "/auth/callback?token={}"]
)
async def test_however_often_robots_fetch_a_link_the_person_gets_in(migrated_database_url: str, shape: str) -> None:
    async with running(migrated_database_url) as gate:
        browser, letter = await asked(gate)
        await scan(gate, shape.format(letter.token))
        assert await gate.toll.run.db.fetch_one(SESSIONS) == 0
        assert (await redeem(browser, letter.token)).status_code == 200
        assert await who(browser) == ALICE


async def test_a_robot_that_runs_the_script_without_the_cookie_uses_nothing_up(migrated_database_url: str) -> None:
    """What the page's own script does in a browser that did not ask: it looks, and waits for a click."""
    async with running(migrated_database_url) as gate:
        browser, letter = await asked(gate)
        for number in range(10):
            robot = gate.browser(ip=f"192.0.2.{number}", **{"sec-fetch-site": "same-origin"})
            looked = await robot.post("/auth/callback/preview", json={"token": letter.token})
            assert looked.status_code == 200
            assert looked.json()["same_browser"] is False
            assert ALICE not in looked.text
        assert (await redeem(browser, letter.token)).status_code == 200


async def test_a_robot_that_presses_the_button_loses_its_session_to_the_code(migrated_database_url: str) -> None:
    async with running(migrated_database_url) as gate:
        browser, letter = await asked(gate)
        robot = gate.browser(ip="192.0.2.1")
        assert (await redeem(robot, letter.token)).status_code == 200
        assert await who(robot) == ALICE
        assert (await type_code(browser, letter.code)).status_code == 200
        assert await who(browser) == ALICE
        assert await who(robot) is None
        assert await gate.toll.run.db.fetch_one(SESSIONS) == 1
        assert (await type_code(browser, letter.code)).status_code == 400, "and the code is used up as well"


async def test_known_unknown_and_suppressed_addresses_get_the_same_reply(migrated_database_url: str) -> None:
    async with running(migrated_database_url) as gate:
        browser, letter = await asked(gate)
        await redeem(browser, letter.token)
        run = gate.toll.run
        digest = run.keys.digest_address("suppressed@example.com")
        await suppressions.add(run, digest, reason="550 no such user", for_us=10**12)
        for form in (False, True):
            shapes = [
                await shape_of_reply(gate, address, form=form, ip=f"203.0.113.{number}")
                for number, address in enumerate((ALICE, "unknown@example.com", "suppressed@example.com"))
            ]
            assert shapes[0] == shapes[1] == shapes[2]
        await gate.settle()
        assert not [mail for mail in await gate.letters() if mail.to == "suppressed@example.com"]


async def shape_of_reply(gate: Gate, address: str, *, form: bool, ip: str) -> Any:
    """Everything in a reply but the random ids and the times in it."""
    browser = gate.browser(ip=ip)
    if form:
        reply = await browser.post("/auth/magic-links", data={"email": address}, headers=PAGE)
        body: Any = reply.text
    else:
        reply = await ask(browser, address)
        body = {name: len(value) for name, value in reply.json().items()}
    varying = {"set-cookie", "x-request-id"}
    headers = {name: "…" if name in varying else value for name, value in reply.headers.items()}
    return reply.status_code, headers, body


async def test_closed_sign_up_tells_no_stranger_who_is_known(migrated_database_url: str) -> None:
    async with running(migrated_database_url, sign_up="closed") as gate:
        reply = await ask(gate.browser(), "stranger@example.com")
        assert reply.status_code == 202
        await gate.settle()
        assert await gate.letters() == []


@pytest.mark.slow
async def test_after_an_hour_without_a_mail_server_living_links_go_out_and_dead_ones_are_counted(
    migrated_database_url: str,
) -> None:
    mailbox = Mailbox()
    transport = SmtpTransport(SmtpSettings.parse(f"smtp://127.0.0.1:{mailbox.port}"), "no-reply@example.com")
    async with running(migrated_database_url, transport=transport) as gate:
        assert (await ask(gate.browser(), ALICE)).status_code == 202
        await asyncio.sleep(0.2)
        gate.clock.advance(50 * 60)  # its link died meanwhile
        gate.toll.run.outbox.mail_waits_since = None  # what the door does then is another test
        assert (await ask(gate.browser(), "bob@example.com")).status_code == 202
        await asyncio.sleep(0.2)
        gate.clock.advance(5 * 60)
        with mailbox:
            [letter] = await mailbox.wait_for("bob@example.com")
            await gate.settle()
            browser = gate.browser()
            assert (await redeem(browser, letter.token)).status_code == 200
            assert await who(browser) == "bob@example.com"
        assert sorted(await gate.toll.run.db.fetch_all(STATUSES)) == ["delivered", "expired"]
        assert not mailbox.to(ALICE)
        from prometheus_client import generate_latest

        from tollhouse.telemetry.metrics import registry

        assert b'tollhouse_magic_links_total{outcome="mail_expired"}' in generate_latest(registry)
