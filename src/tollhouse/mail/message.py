"""One mail, as it waits in the outbox and as it goes over the wire."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.charset import QP, Charset
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import compat32
from email.utils import format_datetime, formataddr
from typing import Any, Final

from tollhouse.clock import SECOND
from tollhouse.mail.address import Sender, check_address
from tollhouse.mail.errors import MailInvalid

SUBJECT_LENGTH_MAX: Final = 200

LINE_LENGTH_MAX: Final = 990  # RFC 5322 2.1.1 ends at 998

_POLICY: Final = compat32.clone(linesep="\r\n")
_QUOTED_PRINTABLE: Any = Charset("utf-8")
_QUOTED_PRINTABLE.body_encoding = QP
_MESSAGE_ID: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_MESSAGE_ID_LENGTH_MAX: Final = 128
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person; its repr shows its id alone, for the rest is private."""

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    message_id: str


def compose(mail: Mail, *, sender: Sender | str, now_us: int) -> bytes:
    """The mail as it goes over the wire, from `sender`; raises MailInvalid.

    Text first, HTML second (multipart/alternative; RFC 2046 5.1.4: the last is the best), 7-bit on the wire. The
    Message-ID depends on the mail alone, so that a retry after a lost answer is recognised as the same mail.

    Made with the older of the library's two interfaces: EmailMessage parses every header again, at four times the cost,
    and what it would find is refused here and in `check_address` before.
    """
    author = sender if isinstance(sender, Sender) else Sender.parse(sender)
    message = MIMEMultipart("alternative")
    message["From"] = formataddr((author.name, author.address))
    message["To"] = check_address(mail.to)
    message["Subject"] = _encode_subject(mail.subject)
    message["Date"] = format_datetime(datetime.fromtimestamp(now_us / SECOND, UTC))
    message["Message-ID"] = f"<{_check_message_id(mail.message_id)}@{author.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: no out-of-office replies
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    try:
        message.attach(_part(mail.text, "plain"))
        message.attach(_part(mail.html, "html"))
    except UnicodeEncodeError:
        raise MailInvalid("The mail has characters that cannot be encoded.") from None
    return message.as_bytes(policy=_POLICY)


def _part(text: str, subtype: str) -> MIMEText:
    """One part: plain 7-bit where that carries it, else quoted-printable."""
    short = max(map(len, text.split("\n"))) <= LINE_LENGTH_MAX
    return MIMEText(text, subtype, "us-ascii" if short and text.isascii() else _QUOTED_PRINTABLE)


def _encode_subject(subject: str) -> str:
    """The subject, as an encoded word (RFC 2047) where it is not ASCII."""
    _check_subject(subject)
    return subject if subject.isascii() else Header(subject, "utf-8").encode()


def _check_subject(subject: str) -> str:
    if not subject or len(subject) > SUBJECT_LENGTH_MAX or _CONTROL.search(subject):
        raise MailInvalid("The subject is empty, too long, or has characters that a header cannot carry.")
    return subject


def _check_message_id(message_id: str) -> str:
    if len(message_id) > _MESSAGE_ID_LENGTH_MAX or _MESSAGE_ID.fullmatch(message_id) is None:
        raise MailInvalid("The message id is not a dot-atom of letters, digits, '-' and '_'.")
    return message_id
