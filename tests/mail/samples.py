"""What the tests of mail share: a mail, its values, and the corpora."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.mail.server import PASSWORD, USER, PostOffice
from tollhouse.mail.errors import MailUnsent
from tollhouse.mail.message import Mail, compose
from tollhouse.mail.sign_in import sign_in_mail
from tollhouse.mail.smtp import SmtpTransport

SENDER = "Acme <no-reply@acme.test>"
ALICE = "alice.liddell@wonderland.test"
LINK = "https://app.acme.test/auth/callback#q1-482913-Zk3vQw_x7A"
NOW_US = 1_790_000_000_123_456
HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "MIME-Version",
    "Content-Type",
]

Start = Callable[..., Awaitable[PostOffice]]
Connect = Callable[..., SmtpTransport]


def write_mail(**changes: Any) -> Mail:
    values: dict[str, Any] = {
        "to": ALICE,
        "link": LINK,
        "code": "730164",
        "lifetime_seconds": 600,
        "site_name": "Acme",
        "site_color": "#2457d6",
        "asked_from": "Chrome on Windows, 203.0.113.7",
        "message_id": "out_01JD",
    }
    subject = changes.pop("subject", None)
    mail = sign_in_mail(**(values | changes))
    return mail if subject is None else replace(mail, subject=subject)


def cases_of(path: Path) -> list[Any]:
    """The cases of one security corpus."""
    return json.loads(path.read_text("utf-8"))["cases"]


def parse(mail: Mail, sender: str = SENDER) -> EmailMessage:
    content = compose(mail, sender=sender, now_us=NOW_US)
    assert content.isascii()
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    return message_from_bytes(content, policy=policy.default)


class Page(HTMLParser):
    """Every tag and attribute of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


async def fail(transport: SmtpTransport, mail: Mail | None = None) -> MailUnsent:
    """The error of one mail, which tells nothing private wherever one looks."""
    with pytest.raises(MailUnsent) as caught:
        await transport.send(mail or write_mail())
    error = caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    told = f"{error}{error!r}{error.detail}{error.evidence}{''.join(traceback.format_exception_only(error))}".lower()
    secrets = (
        ALICE,
        "alice.liddell",
        "wonderland",
        PASSWORD,
        USER,
        "callback#",
        "730164",
        base64.b64encode(PASSWORD.encode()).decode(),
    )
    assert not [secret for secret in secrets if secret.lower() in told]
    return error
