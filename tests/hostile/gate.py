"""The gate in this process or as servers of its own, and the browsers and mailboxes that use it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any

import httpx
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from fastapi import FastAPI

from tests.support.children import LOOPBACK, free_port
from tollhouse.app import Tollhouse, create_app
from tollhouse.clock import Clock
from tollhouse.mail.transport import MemoryTransport, Transport
from tollhouse.settings import Settings

SECRET = "kG7pQz1VxN4mTb9RcY2wLs6DfHj8AeUo3iZtKqXvB5M"
URL = "https://auth.example.com"
APP = "https://app.example.com"
LINK = re.compile(r"https?://\S+/auth/callback#(\S+)")
CODE = re.compile(r"^[ \t]*(\d{6})[ \t]*$", re.MULTILINE)
PAGE = {"accept": "text/html,application/xhtml+xml"}
# The limits stand aside where a test is about something else.
NO_LIMITS: dict[str, Any] = {
    "limit_mails_per_ip_per_hour": 100_000,
    "limit_mails_per_second": 100_000,
    "limit_token_tries_per_ip_per_minute": 100_000,
}


def settings_for(database_url: str, **given: Any) -> Settings:
    usual: dict[str, Any] = {
        "url": URL,
        "app_origins": (APP,),
        "secret": (SECRET,),
        "smtp_url": "smtp://127.0.0.1:9",
        "mail_from": "Example <no-reply@example.com>",
    }
    return Settings(**{**usual, "database_url": database_url, **NO_LIMITS, **given})


def environment_for(database_url: str, *, smtp_port: int, **given: Any) -> dict[str, str]:
    """What a server of its own gets; `{port}` becomes its port."""
    usual = {
        "url": "http://localhost:{port}",
        "secret": SECRET,
        "database_url": database_url,
        "smtp_url": f"smtp://{LOOPBACK}:{smtp_port}",
        "mail_from": "Example <no-reply@example.com>",
    }
    return {f"TOLLHOUSE_{name.upper()}": str(value) for name, value in {**usual, **NO_LIMITS, **given}.items()}


@dataclass
class Letter:
    """What a person has in the mail."""

    to: str
    token: str
    code: str
    text: str
    html: str = ""
    message_id: str = ""


@dataclass
class Gate:
    """A running application with its clock and its caught mails."""

    app: FastAPI
    toll: Tollhouse
    clock: Clock
    browsers: list[httpx.AsyncClient] = field(default_factory=list[httpx.AsyncClient])

    def browser(self, *, ip: str = "198.51.100.1", **headers: str) -> httpx.AsyncClient:
        """Somebody's browser with its own cookies; an error in the application is a 500, as over the wire."""
        transport = httpx.ASGITransport(app=self.app, client=(ip, 40000), raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url=self.toll.settings.url, headers=headers)
        self.browsers.append(client)
        return client

    async def settle(self) -> None:
        """Return once no delivery is waiting or under way."""
        for _ in range(500):
            if not await waiting_mails(self.toll):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("mails still wait")

    async def letters(self, to: str | None = None) -> list[Letter]:
        """The delivered mails, newest first."""
        await self.settle()
        transport = self.toll.transport
        assert isinstance(transport, MemoryTransport)
        mails = [mail for mail in transport.caught if to in (None, mail.to)]
        return [read_letter(mail.to, mail.text, mail.html) for mail in mails]


async def waiting_mails(toll: Tollhouse) -> int:
    from tollhouse.events import records

    return len(await records.find(toll.run.db, status="waiting", limit=1000))


def read_letter(to: str, text: str, html: str = "", message_id: str = "") -> Letter:
    text = text.replace("\r\n", "\n")
    link, code = LINK.search(text), CODE.search(text)
    assert link, text
    assert code, text
    return Letter(to, link[1], code[1], text, html, message_id)


@asynccontextmanager
async def running(
    database_url: str, *, transport: Transport | None = None, app: FastAPI | None = None, **given: Any
) -> AsyncIterator[Gate]:
    """The gate on this database, its mails caught."""
    clock = Clock()
    toll = Tollhouse(
        settings_for(database_url, **given), clock=clock, transport=transport or MemoryTransport(clock=clock)
    )
    if app is None:
        app = create_app(toll)
    else:
        toll.install(app)
    gate = Gate(app, toll, clock)
    async with app.router.lifespan_context(app):
        try:
            yield gate
        finally:
            for browser in gate.browsers:
                await browser.aclose()


async def ask(browser: httpx.AsyncClient, email: Any, **more: Any) -> httpx.Response:
    return await browser.post("/auth/magic-links", json={"email": email, **more})


async def redeem(browser: httpx.AsyncClient, token: str) -> httpx.Response:
    return await browser.post("/auth/callback", json={"token": token})


async def type_code(browser: httpx.AsyncClient, code: str) -> httpx.Response:
    return await browser.post("/auth/code", json={"code": code})


async def who(browser: httpx.AsyncClient) -> str | None:
    reply = await browser.get("/auth/session")
    return reply.json()["email"] if reply.status_code == 200 else None


def cookies_of(browser: httpx.AsyncClient) -> Mapping[str, str]:
    """The browser's cookies by name; `httpx` itself keeps them by domain and path."""
    return {cookie.name: cookie.value or "" for cookie in browser.cookies.jar}


class Mailbox:
    """A real SMTP server that takes every mail; can be stopped and started on the same port."""

    def __init__(self, *, password: str | None = None) -> None:
        """With a password, it takes logins with it."""
        self.port = free_port()
        self.password = password
        self.letters: list[Letter] = []
        self._controller: Controller | None = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.content, policy=policy.default)
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        assert text is not None
        assert html is not None
        letter = read_letter(
            ",".join(envelope.rcpt_tos), text.get_content(), html.get_content(), str(message["Message-ID"])
        )
        self.letters.append(letter)
        return "250 taken"

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        return AuthResult(success=login.password.decode() == self.password)

    def start(self) -> Mailbox:
        auth: dict[str, Any] = {}
        if self.password is not None:
            auth = {"auth_require_tls": False, "authenticator": self._authenticate}
        self._controller = Controller(self, hostname=LOOPBACK, port=self.port, **auth)
        self._controller.start()
        return self

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> Mailbox:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def to(self, address: str) -> list[Letter]:
        return [letter for letter in self.letters if letter.to == address]

    async def wait_for(self, address: str, *, count: int = 1, within_seconds: float = 15) -> list[Letter]:
        """The mails to an address, oldest first, once there are so many."""
        deadline = asyncio.get_running_loop().time() + within_seconds
        while len(found := self.to(address)) < count:
            assert asyncio.get_running_loop().time() < deadline, f"{len(found)} of {count} mails to {address}"
            await asyncio.sleep(0.02)
        return found
