"""Logs, metrics and error replies of a real server that is fed secrets through every path: none of them comes out."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from tests.hostile.gate import CODE, SECRET, Letter, Mailbox, ask, cookies_of, environment_for, redeem, type_code
from tests.support.processes import Process

ALICE = "alice.oneinamillion@private.example"
BOUNCED = "bob.oneinamillion@bounced.example"
MALFORMED = "charlie.oneinamillion@@private.example"
IP = "203.0.113.77"
SMTP_PASSWORD = "smtpPassw0rdOneInAMillion"
METRICS_TOKEN = "metricsTokenOneInAMillion-0123456789abcdef"
PLANTED = "plantedOneInAMillion"
BEARER = "Bearer " + PLANTED
CARRIED = {
    "x-forwarded-for": IP,
    "authorization": BEARER,
    "x-api-key": PLANTED,
    "user-agent": PLANTED,
    "referer": PLANTED,
}


class RefusingMailbox(Mailbox):
    """Refuses one recipient, quoting the address as real servers do."""

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address == BOUNCED:
            return f"550 5.1.1 <{address}>: user unknown; sent by {SMTP_PASSWORD}"
        envelope.rcpt_tos.append(address)
        return "250 yes"


async def break_tables(database_url: str) -> None:
    """Make every further statement on links and sessions fail as a mistake of ours would: with a 500."""
    statements = [f"ALTER TABLE tollhouse_{name} RENAME TO broken_{name}" for name in ("magic_links", "sessions")]
    if database_url.startswith("sqlite"):
        with sqlite3.connect(database_url.removeprefix("sqlite:///"), timeout=5) as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return
    connection = await asyncpg.connect(database_url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def feed(browser: httpx.AsyncClient, email: str, letter: Letter | None) -> list[httpx.Response]:
    """Everything that can carry a secret, well formed and not."""
    token, code = (letter.token, letter.code) if letter else (PLANTED.ljust(43, "x"), "13579")
    json_type = {"content-type": "application/json"}
    return [
        await ask(browser, email),
        await ask(browser, [email, PLANTED]),
        await ask(browser, email, next=f"https://evil.example/?token={token}"),
        await browser.post(
            "/auth/magic-links", data={"email": email, "next": PLANTED}, headers={"accept": "text/html"}
        ),
        await browser.post(
            "/auth/magic-links", content=f'{{"email": "{email}", "email": "{token}"}}', headers=json_type
        ),
        await browser.post("/auth/magic-links", content=f"{email}&{token}%ff", headers=json_type),
        await browser.post("/auth/magic-links", content=email.encode(), headers={"content-type": f"text/{PLANTED}"}),
        await browser.get(f"/auth/callback%23{token}"),
        await browser.get(f"/auth/callback/{token}"),
        await browser.get("/auth/callback", params={"token": token, "email": email}),
        await browser.get("/auth/sign-in", params={"next": f"https://evil.example/{token}"}),
        await browser.get(f"/auth/{token}/{email}"),
        await browser.post("/auth/callback/preview", json={"token": token}),
        await browser.post("/auth/magic-links/again", json={"token": token}),
        await browser.post("/auth/callback", json={"token": token + "x"}),
        await browser.request(PLANTED.upper(), "/auth/callback"),
        await type_code(browser, code + "0"),
        await browser.get("/auth/session", headers={"cookie": f"tollhouse={token}; tollhouse={PLANTED}"}),
        await browser.get("/auth/session", headers={"cookie": f"tollhouse={token}"}),
        await browser.get("/auth/session", headers={"origin": f"https://{PLANTED}.example"}),
        await browser.post("/auth/sign-out", headers={"origin": f"https://{PLANTED}.example"}),
        await browser.get("/auth/sessions", headers={"traceparent": token, "x-request-id": email}),
        await browser.delete(f"/auth/sessions/{token}"),
        await browser.get("/metrics"),
    ]


def assert_nothing_of(secrets: list[str], text: str, *, where: str) -> None:
    for secret in secrets:
        found = re.search(rf"(?<![0-9A-Za-z]){re.escape(secret)}(?![0-9A-Za-z])", text)
        assert found is None, f"{where}: {text[max(0, found.start() - 200) : found.end() + 50]}"


@pytest.mark.slow
@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_secret_and_no_address_reaches_logs_metrics_or_errors(
    migrated_database_url: str, log_format: str, spawn_tollhouse: Callable[..., Process]
) -> None:
    with RefusingMailbox(password=SMTP_PASSWORD) as mailbox:
        given = {"smtp_url": f"smtp://mailer:{SMTP_PASSWORD}@127.0.0.1:{mailbox.port}", "metrics_token": METRICS_TOKEN}
        environment = environment_for(
            migrated_database_url, smtp_port=mailbox.port, log_format=log_format, limit_mail_gap_seconds=1, **given
        )
        server = await spawn_tollhouse("serve", "--port", "{port}", env=environment).answers()
        replies, seen = await exchange(server, mailbox, migrated_database_url)
    secrets = [
        *seen,
        *(word for word in (ALICE, BOUNCED, MALFORMED, IP, SMTP_PASSWORD, METRICS_TOKEN, SECRET, PLANTED)),
    ]
    secrets += [ALICE.partition("@")[0], BOUNCED.partition("@")[0], "charlie.oneinamillion"]
    assert {reply.status_code for reply in replies} >= {500, 422, 401, 404, 400}, "the broken inputs arrived"
    log = server.text()
    assert "request_failed" in log
    assert "delivery_parked" in log
    if log_format == "json":
        assert '"event": "request_failed"' in log
    assert_nothing_of(secrets, log, where="log")
    metrics = next(
        reply for reply in reversed(replies) if reply.status_code == 200 and "tollhouse_sign_ins" in reply.text
    )
    assert_nothing_of(secrets, metrics.text, where="metrics")
    for reply in replies:
        if reply.status_code >= 400 and 'name="email"' not in reply.text:  # that page repeats what was just typed there
            assert_nothing_of(secrets, reply.text + str(reply.headers), where=f"reply to {reply.request.url}")


async def exchange(server: Process, mailbox: Mailbox, database_url: str) -> tuple[list[httpx.Response], list[str]]:
    """Sign in, send everything broken, break the database, send it again; the replies and the secrets in them."""
    async with httpx.AsyncClient(base_url=server.url, headers=CARRIED, timeout=10) as browser:
        replies = [await ask(browser, ALICE)]
        letter = (await mailbox.wait_for(ALICE))[0]
        replies += await feed(browser, MALFORMED, letter)
        replies.append(await redeem(browser, letter.token))
        assert replies[-1].status_code == 200
        seen = [letter.token, letter.code, *cookies_of(browser).values()]
        await asyncio.sleep(1.1)
        replies += await feed(browser, BOUNCED, letter)
        replies.append(await browser.get("/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"}))
        await parked(server)
        await break_tables(database_url)
        replies += await feed(browser, ALICE, letter)
        replies.append(await redeem(browser, letter.token))
        assert replies[-1].status_code == 500
    assert CODE.search(letter.text)
    return replies, seen


async def parked(server: Process) -> None:
    for _ in range(500):
        if "delivery_parked" in server.text():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"the refused mail was never parked:\n{server.text()[-2000:]}")


def test_the_net_under_the_log_takes_addresses_and_tokens_out_of_any_line(tmp_path: Path) -> None:
    from tollhouse.telemetry.logs import redact

    token = "A" * 42 + "-"
    line = redact(f"to <{ALICE}> token {token}\r\nSet-Cookie: x\x1b[31m\u2028 sk_live_abc123 whsec_a+/= th_sk_live_9")
    for secret in (ALICE, token, "\r", "\n", "\x1b", "\u2028", "sk_live_abc123", "whsec_a", "th_sk_live_9"):
        assert secret not in line
