"""One mail, as it waits in the outbox and as it goes over the wire."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any, Final, cast

from tollhouse.clock import SECOND
from tollhouse.mail.address import Sender, check_address
from tollhouse.mail.errors import MailInvalid

SUBJECT_LENGTH_MAX: Final = 200

# 76 because quoted-printable takes its line length from the policy, and RFC 2045 6.7 allows no more.
_POLICY: Final = SMTP.clone(max_line_length=76)
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

    def to_json(self) -> bytes:
        """The mail as UTF-8 JSON, to be sealed."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Mail:
        """The mail that `to_json` wrote; raises MailInvalid for anything else."""
        try:
            document: Any = json.loads(content)
        except ValueError:
            document = None
        names = {each.name for each in fields(cls)}
        if not isinstance(document, dict) or set(cast("dict[str, Any]", document)) != names:
            raise MailInvalid("The stored mail cannot be read.")
        values = cast("dict[str, Any]", document)
        if not all(isinstance(value, str) for value in values.values()):
            raise MailInvalid("The stored mail cannot be read.")
        return cls(**values)


def compose(mail: Mail, *, sender: Sender | str, now_us: int) -> EmailMessage:
    """The mail as an EmailMessage from `sender`, ready to send; raises MailInvalid.

    Text first, HTML second (multipart/alternative; RFC 2046 5.1.4: the last is the best), 7-bit on the wire. The
    Message-ID depends on the mail alone, so that a retry after a lost answer is recognised as the same mail.
    """
    author = sender if isinstance(sender, Sender) else Sender.parse(sender)
    message = EmailMessage(policy=_POLICY)
    message["From"] = author.as_header()
    message["To"] = Address(addr_spec=check_address(mail.to))
    message["Subject"] = _check_subject(mail.subject)
    message["Date"] = datetime.fromtimestamp(now_us / SECOND, UTC)
    message["Message-ID"] = f"<{_check_message_id(mail.message_id)}@{author.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 5: no out-of-office replies
    message["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    try:
        message.set_content(mail.text, cte="quoted-printable")
        message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    except UnicodeEncodeError:
        raise MailInvalid("The mail has characters that cannot be encoded.") from None
    return message


def _check_subject(subject: str) -> str:
    if not subject or len(subject) > SUBJECT_LENGTH_MAX or _CONTROL.search(subject):
        raise MailInvalid("The subject is empty, too long, or has characters that a header cannot carry.")
    return subject


def _check_message_id(message_id: str) -> str:
    if len(message_id) > _MESSAGE_ID_LENGTH_MAX or _MESSAGE_ID.fullmatch(message_id) is None:
        raise MailInvalid("The message id is not a dot-atom of letters, digits, '-' and '_'.")
    return message_id
