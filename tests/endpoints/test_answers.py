"""What an app answers, or does in place of an answer, and what is made and kept of it."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.endpoints.receiver import OK, Answer, Arrival, Receiver
from tests.endpoints.rig import ADMINS, declare, emit, endpoint_row, only_told, open_house, told, tried, tried_until
from tests.mail.server import make_certificates
from tollhouse.clock import SECOND
from tollhouse.outbound import OutboundLimits
from tollhouse.testing import TestKit

TWO_KB = 2048
HURRIED = OutboundLimits(total_seconds=0.4, connect_seconds=0.4, body_bytes_max=TWO_KB)


@dataclass(frozen=True)
class Case:
    """An answer, and what becomes of a delivery that gets it."""

    answer: Answer
    status: int | None  # in the attempt
    reason: str | None
    reply: str | None = ""


CASES = {
    "ok": Case(OK, 200, None),
    "created": Case(Answer(201, b'{"id": 7}'), 201, None, '{"id": 7}'),
    "no-content": Case(Answer(204), 204, None),
    "large": Case(Answer(200, b"x" * 10_000_000), 200, None, "x" * TWO_KB),
    "zipped": Case(Answer(200, gzip.compress(b"done"), {"content-encoding": "gzip"}), 200, None),
    "with-nul": Case(Answer(200, b"a\0b"), 200, None, "ab"),
    "no-utf-8": Case(Answer(200, b"\xff\xfe ok"), 200, None, "�� ok"),
    "surrogate": Case(Answer(200, b"\xed\xa0\x80!"), 200, None, "���!"),
    "cut-character": Case(Answer(200, b"x" * (TWO_KB - 1) + "é".encode()), 200, None, "x" * (TWO_KB - 1) + "�"),
    "bad-request": Case(Answer(400, b"what?"), 400, "It answered 400.", "what?"),
    "refused": Case(Answer(401), 401, "It answered 401."),
    "missing": Case(Answer(404), 404, "It answered 404."),
    "broken": Case(Answer(500, b"oops"), 500, "It answered 500.", "oops"),
    "not-modified": Case(Answer(304), 304, "It answered 304."),
    "too-many": Case(Answer(429), 429, "host: It answered 429."),
    "bad-gateway": Case(Answer(502), 502, "host: It answered 502."),
    "unavailable": Case(Answer(503, b"upstream is down"), 503, "host: It answered 503.", "upstream is down"),
    "gateway-late": Case(Answer(504), 504, "host: It answered 504."),
    "moved": Case(
        Answer(302, headers={"location": "/elsewhere"}),
        None,
        "host: It answered with a redirect, which is not followed.",
        None,
    ),
    "silent": Case(Answer(is_silent=True), None, "host: 127.0.0.1 took too long.", None),
    "cut-off": Case(Answer(200, b"x" * 100, cut_at=50), None, "host: The call to 127.0.0.1 failed (protocol).", None),
}


@asynccontextmanager
async def answering(cases: dict[str, Answer], url: str | None = None, **settings: Any) -> AsyncIterator[TestKit]:
    """A Tollhouse with an endpoint for each of these answers, to all of which one event was sent."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(Receiver())

        async def decide(arrival: Arrival) -> Answer:
            return cases[arrival.path.removeprefix("/events/")]

        receiver.decide = decide
        declared = [declare(f"{receiver.url}/{name}", name=name) for name in cases]
        kit = await stack.enter_async_context(open_house(url, *declared, **settings))
        await emit(kit, "usr_alice")
        await kit.settle()
        yield kit


async def test_each_answer_is_judged_and_kept(migrated_database_url: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tollhouse.endpoints.sending.LIMITS", HURRIED)
    async with answering({name: case.answer for name, case in CASES.items()}, migrated_database_url) as kit:
        for name, case in CASES.items():
            (attempt,), (delivery,) = await tried(kit, name), await told(kit, name)
            kept = (attempt["status"], attempt["reason"], attempt["reply"])
            assert (name, *kept) == (name, case.status, case.reason, case.reply)
            assert attempt["succeeded"] == (case.reason is None)
            assert delivery["status"] == ("delivered" if case.reason is None else "waiting"), name
            assert 0 < attempt["duration_us"] < 5 * SECOND
        assert (await tried(kit, "silent"))[0]["duration_us"] >= 0.4 * SECOND


async def test_no_answer_at_all_is_the_hosts_failure(tmp_path: Path):
    certificates = make_certificates(tmp_path)
    async with Receiver(tls=certificates.server) as unknown_to_us, Receiver() as gone:
        await gone.stop()
        declared = [declare(unknown_to_us, name="tls"), declare(gone, name="gone")]
        async with open_house(None, *declared) as kit:
            await emit(kit, "usr_alice")
            await kit.settle()
            for name, why in (("tls", "tls"), ("gone", "connect")):
                (attempt,) = await tried(kit, name)
                assert (attempt["status"], attempt["reply"]) == (None, None)
                assert attempt["reason"] == f"host: The call to 127.0.0.1 failed ({why})."
        assert unknown_to_us.arrivals == []


def http_date(**ahead: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(**ahead), usegmt=True)


async def test_a_pause_that_is_asked_for_is_kept():
    asked = {
        "seconds": "120",
        "date": http_date(seconds=300),
        "past": http_date(seconds=-300),
        "huge": "99999999999999999999",
        "far": http_date(days=3000),
        "nonsense": "soon",
        "negative": "-5",
        "overflow": "Mon, 01 Jan 2030 00:00:00 +99999999999999999999",
    }
    usual, day = (5, 6), (86_400, 86_400)
    wanted = {"seconds": (120, 120), "date": (295, 300), "huge": day, "far": day}
    answers = {name: Answer(429, headers={"retry-after": value}) for name, value in asked.items()}
    async with answering(answers) as kit:
        for name in asked:
            ((attempt,), (delivery,)) = await tried(kit, name), await told(kit, name)
            assert (name, attempt["status"]) == (name, 429)
            waits = (delivery["due_at"] - attempt["started_at"]) / SECOND
            least, most = wanted.get(name, usual)
            assert least <= waits < most + 1, (name, waits)


async def test_gone_disables_the_endpoint_and_the_admins_are_told_once(kit: TestKit, receiver: Receiver):
    receiver.usual = Answer(500)
    await emit(kit, "usr_alice", "usr_alice", "usr_bob")
    await tried_until(kit, 2)
    receiver.usual = Answer(410, b"no more")
    with structlog.testing.capture_logs() as logs:
        await emit(kit, "usr_charlie")
        await tried_until(kit, 3)
        mails = {(await kit.mail_to(address)).text for address in ADMINS.split(", ")}
        await kit.settle()
    (text,) = mails
    assert "It answered 410 Gone" in text
    assert "tollhouse endpoints enable app" in text
    assert len(kit.mails) == 2
    (closed,) = [line for line in logs if line["event"] == "endpoint_disabled"]
    assert (closed["endpoint"], closed["log_level"]) == ("app", "error")
    assert (await endpoint_row(kit))["disabled_because"] == "It answered 410 Gone: it wants no more."
    assert [row["status"] for row in await told(kit)] == ["failed"] * 4
    assert [row["reason"] for row in await told(kit)][-1] == "It answered 410."
    (last,) = [row for row in await tried(kit) if row["status"] == 410]
    assert (last["reply"], last["succeeded"]) == ("no more", 0)


async def test_what_is_no_app_at_all_costs_one_attempt(small_kit: TestKit, receiver: Receiver):
    receiver.usual = Answer(200, headers={"x-bomb": "x" * 200_000})
    await emit(small_kit, "usr_alice")
    await small_kit.settle()
    (attempt,) = await tried(small_kit)
    assert attempt["reason"].startswith("host: ")
    assert (await only_told(small_kit))["status"] == "waiting"


async def test_connections_are_kept_from_one_event_to_the_next(small_kit: TestKit, receiver: Receiver):
    await emit(small_kit, *["usr_alice"] * 10)
    await receiver.until(10)
    await small_kit.settle()
    assert receiver.connections == 1
