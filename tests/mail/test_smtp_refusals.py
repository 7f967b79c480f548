from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.mail.samples import ALICE, Connect, Start, fail, write_mail
from tests.mail.server import serve_script
from tollhouse.mail.errors import MailDeferred, MailRefused, MailUnsent

D, R = MailDeferred, MailRefused
REFUSALS: list[tuple[str, str, type[MailUnsent], dict[str, Any]]] = [
    ("EHLO", "550 go away", D, {"stage": "ehlo", "operator_problem": True}),
    ("EHLO", "450 later", D, {"stage": "ehlo", "operator_problem": False}),
    ("MAIL", "451 4.3.0 later", D, {"stage": "mail", "enhanced_status": "4.3.0", "operator_problem": False}),
    ("MAIL", f"550 5.1.8 bad sender for {ALICE}", D, {"stage": "mail", "operator_problem": True}),
    ("MAIL", "530 5.7.0 Must issue a STARTTLS command first", D, {"smtp_code": 530, "operator_problem": True}),
    ("RCPT", f"450 4.2.1 {ALICE} is slow", D, {"stage": "rcpt", "smtp_code": 450, "operator_problem": False}),
    ("RCPT", f"550 5.1.1 <{ALICE}> unknown", R, {"recipient_unknown": True, "enhanced_status": "5.1.1"}),
    ("RCPT", "550 Host wonderland.test unknown", R, {"recipient_unknown": True}),
    ("RCPT", "550 User alice.liddell unknown", R, {"recipient_unknown": True, "operator_problem": False}),
    ("RCPT", "556 5.1.10 null MX", R, {"recipient_unknown": True}),
    ("RCPT", "551 User not local", R, {"recipient_unknown": False, "operator_problem": False}),
    ("RCPT", f"552 5.2.2 {ALICE.upper()} over quota", R, {"recipient_unknown": False}),
    ("RCPT", "550 relay not permitted", D, {"stage": "rcpt", "operator_problem": True}),
    ("RCPT", "554 5.7.1 Client host blocked", D, {"stage": "rcpt", "operator_problem": True}),
    ("RCPT", "550 rejected by policy", R, {"recipient_unknown": False}),
    ("DATA", "451 4.3.0 later", D, {"stage": "data", "smtp_code": 451, "may_have_been_sent": False}),
    ("DATA", "554 no valid recipients", R, {"stage": "data", "recipient_unknown": False}),
    ("END", "452 4.3.1 full", D, {"stage": "data", "smtp_code": 452, "may_have_been_sent": False}),
    ("END", f"554 Spam: https://a.test/auth/callback#t to {ALICE}, code 730164", R, {"operator_problem": True}),
    ("END", "550 5.1.1 never mind", R, {"stage": "data", "recipient_unknown": False}),
]


@pytest.mark.parametrize(("stage", "reply", "kind", "said"), REFUSALS)
async def test_a_refusal_says_whose_problem_it_is(
    start: Start,
    connect: Connect,
    stage: str,
    reply: str,
    kind: type[MailUnsent],
    said: dict[str, Any],
) -> None:
    office = await start(auth=False, replies={stage: reply})
    transport = connect(office.port)
    error = await fail(transport)
    assert type(error) is kind
    assert {name: getattr(error, name) for name in said} == said
    assert error.smtp_code == int(reply[:3])
    assert office.mails == []

    office.replies.clear()
    await transport.send(write_mail())
    assert [mail.recipients for mail in office.mails] == [[ALICE]]
    assert office.opened == (2 if stage == "EHLO" else 1), "a refusal is no reason to hang up"


@pytest.mark.parametrize(
    ("greeting", "operator_problem"),
    [(b"554 5.7.1 not you\r\n", True), (b"421 busy\r\n", False), (b"HTTP/1.1 400 Bad\r\n\r\n", False), (b"", False)],
)
async def test_a_refusal_to_talk_at_all_is_not_the_recipients_fault(
    connect: Connect, greeting: bytes, operator_problem: bool
) -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        await asyncio.sleep(0.02)

    async with await serve_script(talk) as server:
        error = await fail(connect(server.sockets[0].getsockname()[1]))
    assert isinstance(error, MailDeferred)
    assert (error.stage, error.operator_problem) == ("connect", operator_problem)
