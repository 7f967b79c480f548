"""Mail over SMTP, on a few connections that are kept for the next mail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tollhouse.clock import Clock
from tollhouse.mail.address import Sender
from tollhouse.mail.connection import ConnectionDead, SmtpConnection, SmtpLimits
from tollhouse.mail.errors import MailDeferred, MailUnsent
from tollhouse.mail.message import Mail, compose
from tollhouse.mail.reply import Stage, timed_out
from tollhouse.mail.smtp_url import SmtpSettings
from tollhouse.mail.transport import MemoryTransport, Transport
from tollhouse.settings import Settings

__all__ = ["SmtpLimits", "SmtpSettings", "SmtpTransport"]


class SmtpTransport:
    """Sends mails through one SMTP server; made once, used by many tasks of one event loop."""

    def __init__(
        self,
        settings: SmtpSettings,
        sender: str,
        *,
        clock: Clock | None = None,
        limits: SmtpLimits | None = None,
    ) -> None:
        """Send as `sender` (`Acme <no-reply@acme.test>`); nothing is opened before the first mail."""
        self._settings = settings
        self._sender = Sender.parse(sender)
        self._clock = clock or Clock()
        self._limits = limits or SmtpLimits()
        self._tls = settings.make_tls_context()
        self._slots = asyncio.Semaphore(self._limits.connections_max)
        self._idle: list[SmtpConnection] = []  # the last one returned is the first one lent, so the others can age
        self._reaper: asyncio.Task[None] | None = None
        self._closed = False

    async def send(self, mail: Mail) -> None:
        """Return once the server has taken the mail; raises MailInvalid, MailRefused or MailDeferred."""
        content = compose(mail, sender=self._sender, now_us=self._clock.now_us())
        async with self._slot():
            await self._hand_over(mail.to, content)

    async def check(self) -> None:
        """Connect, log in and say NOOP on a connection of its own; raises MailDeferred saying what is wrong."""
        async with self._slot():
            await self._give_up_one()
            connection = self._make_connection()
            try:
                async with asyncio.timeout(self._settings.timeout_seconds):
                    await connection.open()
                    await connection.ask_noop()
                await connection.quit()
                return
            except TimeoutError:
                connection.abort()
            except MailUnsent:
                if connection.is_open:
                    await connection.quit()
                raise
        raise timed_out(connection.stage)

    async def close(self) -> None:
        """Take leave of every idle connection; mails on their way finish, and theirs close behind them."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
            await asyncio.wait([self._reaper])
        idle, self._idle = self._idle, []
        await asyncio.gather(*(connection.quit() for connection in idle))

    @asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        """One of the `connections_max` rights to use a connection."""
        if self._closed:
            raise MailDeferred("Mail is being shut down.", stage=Stage.QUEUE)
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise MailDeferred("Every connection to the mail server is busy.", stage=Stage.QUEUE) from None
        try:
            yield
        finally:
            self._slots.release()

    async def _hand_over(self, to: str, content: bytes) -> None:
        """Deliver on a kept connection or a new one; once more, on a new one, if the kept one had died meanwhile."""
        deadline = asyncio.get_running_loop().time() + self._settings.timeout_seconds
        try:
            await self._deliver(self._take_idle() or self._make_connection(), to, content, deadline=deadline)
            return
        except ConnectionDead:
            pass  # not another kept one next: connections to a restarted server died together
        await self._deliver(self._make_connection(), to, content, deadline=deadline)

    async def _deliver(self, connection: SmtpConnection, to: str, content: bytes, *, deadline: float) -> None:
        try:
            async with asyncio.timeout_at(deadline):
                if not connection.is_open:
                    await connection.open()
                await connection.deliver(sender=self._sender.address, to=to, content=content)
        except TimeoutError:
            connection.abort()
        except MailUnsent:
            if connection.is_open:
                await connection.reset()
            await self._give_back(connection)
            raise
        else:
            await self._give_back(connection)
            return
        raise timed_out(connection.stage)  # out here, so that no library error with an address hangs on as context

    def _make_connection(self) -> SmtpConnection:
        return SmtpConnection(self._settings, self._tls, self._limits, name=self._sender.domain)

    def _take_idle(self) -> SmtpConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
        return None

    async def _give_up_one(self) -> None:
        """Close an idle connection, so that a new one does not go over `connections_max`."""
        idle = self._take_idle()
        if idle is not None:
            await idle.quit()

    async def _give_back(self, connection: SmtpConnection) -> None:
        if self._closed or not connection.is_usable:
            if connection.is_open:
                await connection.quit()
            return
        connection.idle_since = asyncio.get_running_loop().time()
        self._idle.append(connection)
        if self._reaper is None or self._reaper.done():
            self._reaper = asyncio.create_task(self._reap(), name="tollhouse-mail-reaper")

    async def _reap(self) -> None:
        """Close connections that were idle too long, the oldest first, until none is left."""
        while self._idle:
            due = self._idle[0].idle_since + self._limits.idle_seconds
            wait_seconds = due - asyncio.get_running_loop().time()
            if wait_seconds > 0:
                await asyncio.sleep(wait_seconds)
                continue
            async with self._slots:  # one that is taking leave counts against connections_max too
                if self._idle and self._idle[0].idle_since + self._limits.idle_seconds <= due:
                    await self._idle.pop(0).quit()


def make_transport(settings: Settings, clock: Clock) -> Transport:
    """Return what carries the mails of these settings: into memory where there is no mail server."""
    if settings.smtp_url is None or settings.mail_from is None:
        return MemoryTransport(clock=clock)
    return SmtpTransport(SmtpSettings.parse(settings.smtp_url), settings.mail_from, clock=clock)
