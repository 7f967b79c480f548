"""Ways a mail leaves: the interface, and the catcher that keeps mails instead of sending them."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

from tollhouse.clock import SECOND, Clock
from tollhouse.mail.address import Sender
from tollhouse.mail.message import Mail, compose

CAUGHT_MAX: Final = 200

_LINK: Final = re.compile(r"https?://\S+/auth/callback#\S*")
_ANY_LINK: Final = re.compile(r"https?://\S+")
_CODE_ALONE: Final = re.compile(r"^[ \t]*(\d{6})[ \t]*$", re.MULTILINE | re.ASCII)
_CODE: Final = re.compile(r"\b(\d{6})\b", re.ASCII)


class Transport(Protocol):
    """Something that takes a mail and returns once it is somebody else's to deliver."""

    async def send(self, mail: Mail) -> None:
        """Hand the mail on; raises MailInvalid, MailRefused or MailDeferred."""
        ...

    async def close(self) -> None:
        """Let go of everything held open."""
        ...


@dataclass(frozen=True, slots=True)
class Caught:
    """One caught mail, with the link and the code found in its text; `received_at` is ISO 8601 in UTC."""

    to: str
    subject: str
    text: str
    html: str
    link: str | None
    code: str | None
    received_at: str


class MemoryTransport:
    """A mail catcher: keeps the newest mails in memory and sends nothing. For `tollhouse dev` and for tests."""

    def __init__(self, *, sender: str = "Tollhouse <no-reply@localhost>", clock: Clock | None = None) -> None:
        """Catch mails as if `sender` had sent them, stamped by `clock`."""
        self._sender = Sender.parse(sender)
        self._clock = clock or Clock()
        self._caught: deque[Caught] = deque(maxlen=CAUGHT_MAX)
        self.count = 0  # of all mails ever caught

    @property
    def caught(self) -> list[Caught]:
        """The caught mails, newest first."""
        return list(self._caught)

    async def send(self, mail: Mail) -> None:
        """Keep the mail; raises MailInvalid for one that could not have been sent."""
        now_us = self._clock.now_us()
        compose(mail, sender=self._sender, now_us=now_us)
        self.count += 1
        self._caught.appendleft(
            Caught(
                to=mail.to,
                subject=mail.subject,
                text=mail.text,
                html=mail.html,
                link=_find_link(mail.text),
                code=_find_code(mail.text),
                received_at=datetime.fromtimestamp(now_us / SECOND, UTC).isoformat().replace("+00:00", "Z"),
            )
        )

    async def close(self) -> None:
        """Nothing is held open; the caught mails stay readable."""

    def clear(self) -> None:
        """Forget every caught mail."""
        self._caught.clear()

    def as_json(self) -> list[dict[str, str | None]]:
        """The caught mails as `/dev/mail.json` shows them, newest first."""
        return [asdict(each) for each in self._caught]


def _find_link(text: str) -> str | None:
    match = _LINK.search(text)
    return match[0] if match else None


def _find_code(text: str) -> str | None:
    """The six digits on a line of their own, else the first ones outside a link: a token can hold six digits too."""
    match = _CODE_ALONE.search(text) or _CODE.search(_ANY_LINK.sub("", text))
    return match[1] if match else None
