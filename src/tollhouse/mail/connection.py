"""One connection to a mail server, from greeting to QUIT, its failures told apart by step."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

import aiosmtplib

from tollhouse.mail.errors import MailDeferred
from tollhouse.mail.reply import Stage, read_failure
from tollhouse.mail.smtp_url import Security, SmtpSettings

SERVICE_CLOSING: Final = 421  # RFC 5321 3.8: the server is about to hang up


@dataclass(frozen=True, slots=True)
class SmtpLimits:
    """How much and how long; the total time of one mail is the settings' `timeout_seconds`."""

    connections_max: int = 4
    mails_per_connection_max: int = 100
    idle_seconds: float = 30.0
    queue_seconds: float = 30.0
    connect_seconds: float = 10.0
    command_seconds: float = 20.0
    quit_seconds: float = 2.0


class ConnectionDead(Exception):
    """A kept connection turned out dead before the server had accepted anything of this mail: safe to try anew."""


class SmtpConnection:
    """An open, greeted, encrypted and authenticated connection."""

    def __init__(self, settings: SmtpSettings, tls: ssl.SSLContext | None, limits: SmtpLimits, *, name: str) -> None:
        """Prepare a connection that greets as `name`; `open` makes it."""
        self._settings = settings
        self._limits = limits
        self._client = aiosmtplib.SMTP(
            hostname=settings.host,
            port=settings.port,
            use_tls=settings.security is Security.TLS,
            start_tls=False,  # done step by step below, so that each failure has its name
            tls_context=tls,
            timeout=limits.command_seconds,
            local_hostname=name,  # the default asks DNS for this machine's own name
        )
        self._mails = 0
        self.stage = Stage.CONNECT
        self.idle_since = 0.0

    async def open(self) -> None:
        """Connect, encrypt and log in; raises MailDeferred and leaves nothing open."""
        try:
            await self._step(Stage.CONNECT, self._client.connect(timeout=self._limits.connect_seconds))
            await self._step(Stage.EHLO, self._client.ehlo())
            if self._settings.security is Security.STARTTLS:
                await self._encrypt()
            if self._settings.user is not None:
                await self._log_in(self._settings.user, self._settings.password or "")
        except BaseException:
            self.abort()
            raise

    async def deliver(self, *, sender: str, to: str, content: bytes) -> None:
        """Hand over one mail to one recipient.

        Raises MailRefused or MailDeferred, or ConnectionDead when the connection was a kept one and had died since.
        """
        local_part, _, domain = to.rpartition("@")
        private = (to, local_part, domain)
        kept, self._mails = self._mails > 0, self._mails + 1
        try:
            await self._step(Stage.MAIL, self._client.mail(sender), private)
        except MailDeferred as error:
            if not kept or error.smtp_code not in {None, SERVICE_CLOSING}:
                raise
        else:
            await self._step(Stage.RCPT, self._client.rcpt(to), private)
            await self._step(Stage.DATA, self._client.data(content), private)
            return
        self.abort()
        raise ConnectionDead

    async def ask_noop(self) -> None:
        """Check that the server still answers; raises MailDeferred."""
        await self._step(Stage.NOOP, self._client.noop())

    async def reset(self) -> None:
        """Forget a half-given mail so that the connection can carry another; aborts it when that fails."""
        try:
            await self._client.rset(timeout=self._limits.quit_seconds)
        except (aiosmtplib.SMTPException, OSError):
            self.abort()
        except BaseException:
            self.abort()
            raise

    async def quit(self) -> None:
        """Take leave, and hang up whether or not the server answers."""
        with contextlib.suppress(aiosmtplib.SMTPException, OSError):  # leaving: nothing is owed to either side
            try:
                await self._client.quit(timeout=self._limits.quit_seconds)
            finally:
                self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        self._client.close()

    @property
    def is_usable(self) -> bool:
        """Whether it is open, as far as one can see from here, and may carry another mail."""
        return self._client.is_connected and self._mails < self._limits.mails_per_connection_max

    @property
    def is_open(self) -> bool:
        """Whether it is open, as far as one can see from here."""
        return self._client.is_connected

    async def _encrypt(self) -> None:
        if not self._client.supports_extension("starttls"):  # not offered, or stripped by somebody between
            raise MailDeferred("The mail server offers no STARTTLS.", stage=Stage.STARTTLS, operator_problem=True)
        await self._step(Stage.STARTTLS, self._client.starttls(timeout=self._limits.connect_seconds))
        await self._step(Stage.EHLO, self._client.ehlo())

    async def _log_in(self, user: str, password: str) -> None:
        """Log in by the first way that both sides know: one try, where the library would spend one on each way."""
        for way, log_in in (
            ("plain", self._client.auth_plain),
            ("login", self._client.auth_login),
            ("cram-md5", self._client.auth_crammd5),
        ):
            if way in self._client.server_auth_methods:
                await self._step(Stage.AUTH, log_in(user, password))
                return
        raise MailDeferred("The mail server offers no way to log in.", stage=Stage.AUTH, operator_problem=True)

    async def _step(self, stage: Stage, step: Awaitable[object], private: tuple[str, ...] = ()) -> None:
        self.stage = stage
        try:
            await step
            return
        except (aiosmtplib.SMTPException, OSError) as error:
            hidden = (*private, self._settings.user or "", self._settings.password or "")
            failure = read_failure(stage, error, private=hidden)
        except BaseException:
            self.abort()  # cancelled in mid-command: the next answer would be taken for another command's
            raise
        if failure.smtp_code in {None, SERVICE_CLOSING}:
            self.abort()
        raise failure  # out here, so that the library's error, which quotes addresses, does not hang on as context
